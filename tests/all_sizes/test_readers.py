"""Laws: a reading, evaluated entry by entry, is what torch computes, bit for bit on whole numbers, at several sizes."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import torch

from convcheck.all_sizes import readers
from convcheck.all_sizes.sizes import CannotProve
from tests.all_sizes.laws import FAMILIES
from tests.all_sizes.reading import Law, check

LAWS = [
    pytest.param(law, id=f"{family} {number}") for family, laws in FAMILIES.items() for number, law in enumerate(laws)
]
MET: set[str] = set()
BY_CONGRUENCE = {"activations", "embeddings", "largest", "norms", "roots", "softmaxes", "truths"}
"""Held by laws of their own."""


@pytest.mark.parametrize("law", LAWS)
def test_readings_are_what_torch_computes(law: Law) -> None:
    for name in check(law):
        MET.update((name, name.partition(".")[0], name.removesuffix(".default")))


def test_every_reader_of_these_families_has_a_law() -> None:
    if not MET:
        pytest.skip("no law was run")
    names = {name for family in FAMILIES for name in importlib.import_module(f"{readers.__name__}.{family}").READERS}
    assert not names - MET


def test_every_family_has_laws() -> None:
    families = {info.name for info in pkgutil.iter_modules(readers.__path__)}
    assert families == set(FAMILIES) | BY_CONGRUENCE


REFUSED = {
    "a stretch whose end depends on the size": (lambda x: x[:, :4], (2, 3)),
    "a diagonal of whichever axis is shorter": (lambda x: torch.diagonal(x, 1), (4, 5)),
    "numbers that may be out of range": (lambda x: x[:, torch.arange(3)], (2, 5)),
    "a turn that may be longer than the axis": (lambda x: x.roll(3, 1), (2, 5)),
    "sums that run on": (lambda x: x.cumsum(1), (2, 5)),
    "what has no values, in a sum": (lambda x: x + torch.empty_like(x), (2, 5)),
    "a factor that floats round": (lambda x: x[:, (torch.arange(x.shape[1]) * (1 / 3)).long()], (2, 5)),
    "a view in pairs of what may be odd": (lambda x: x.view(x.shape[0] * x.shape[1] // 2, 2), (3, 6)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_depends_on_the_size_is_refused(name: str) -> None:
    run, shape = REFUSED[name]
    with pytest.raises(CannotProve):
        check(Law(run, (shape,)))
