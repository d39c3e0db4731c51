"""The table of families is that of the classes themselves."""

from __future__ import annotations

import subprocess
import sys

import pytest

import convcheck.layers
from convcheck.layers.families import HOMES, families, family_of, kind_names, load


def test_the_table_holds_every_kind_of_every_class() -> None:
    told = {kind: family for family in families() for kind in family.KINDS}
    assert told == {kind: family_of(kind) for kind in kind_names()}


@pytest.mark.parametrize("name", HOMES)
def test_every_class_stands_where_it_is_said_to(name: str) -> None:
    family = load(name)
    assert family.__module__ == f"convcheck.layers.kinds.{HOMES[name]}"
    assert getattr(convcheck.layers, name) is family
    assert name in convcheck.layers.__all__ or HOMES[name] == "elementwise"


def test_only_the_kind_that_is_named_is_imported() -> None:
    program = (
        "import sys; from convcheck.layers import parse_layer; parse_layer('Conv2d(3, 8, 2)'); "
        "print(*(name for name in sys.modules if name.startswith('convcheck.layers.')))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    files = {f"convcheck.layers.kinds.{file}" for file in HOMES.values()}
    assert files & {*loaded} == {"convcheck.layers.kinds.conv"}


def test_an_unknown_name_is_none_of_the_package() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Conv4d'"):
        convcheck.layers.Conv4d  # noqa: B018
