"""Every kind is found by its name, and only its own file is imported for it."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

import convcheck.layers
from convcheck.layers import parse_layer
from convcheck.layers.families import ELEMENTWISE, HOMES, families, family_of, kind_names, load


@pytest.mark.parametrize("name", HOMES)
def test_every_class_stands_where_it_is_said_to(name: str) -> None:
    family = load(name)
    assert (family.__name__, family.__module__) == (name, f"convcheck.layers.kinds.{HOMES[name]}")
    assert getattr(convcheck.layers, name) is family


def test_every_kind_has_one_class() -> None:
    assert len(set(kind_names())) == len(kind_names())
    assert set(families()) == {load(name) for name in HOMES if name not in ("Elementwise", "Pool")}


@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_a_function_of_every_entry_is_known_by_its_arguments_alone(kind: str) -> None:
    layer = parse_layer(f"{kind}()")
    assert layer.arguments() == ELEMENTWISE[kind]
    assert pickle.loads(pickle.dumps(layer)) == layer


@pytest.mark.parametrize(
    ("kind", "dims"),
    [("Conv3d", 3), ("BatchNorm1d", 1), ("Unfold", 2), ("Fold", 2), ("Dropout2d", 0), ("Linear", 0), ("mm", 0)],
)
def test_the_number_of_spatial_axes_is_that_of_the_name_or_said(kind: str, dims: int) -> None:
    family = family_of(kind)
    assert family is not None
    assert family.dims_of(kind) == dims


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
