"""Laws: a reading, evaluated entry by entry, is what torch computes, bit for bit on whole numbers, at several sizes."""

from __future__ import annotations

import importlib
import operator
import pkgutil

import pytest
import torch
from torch import fx

from convcheck.all_sizes import readers
from convcheck.all_sizes.reading import changes_its_own
from convcheck.all_sizes.sizes import CannotProve
from tests.all_sizes.laws import FAMILIES
from tests.all_sizes.reading import Law, check


@pytest.mark.parametrize("family", FAMILIES)
def test_readings_are_what_torch_computes(family: str) -> None:
    """A reader that no law of its family has in its graph is not held by any, and is a failure as well."""
    failures, met = {}, set()
    for number, law in enumerate(FAMILIES[family]):
        try:
            operators = check(law)
        except (AssertionError, CannotProve) as error:
            failures[number] = error
        else:
            met |= {part for name in operators for part in (name, name.partition(".")[0])}
    assert not failures
    assert not set(importlib.import_module(f"{readers.__name__}.{family}").READERS) - met


def test_every_family_has_laws() -> None:
    assert {info.name for info in pkgutil.iter_modules(readers.__path__)} == set(FAMILIES)


REFUSED = {
    "a stretch whose end depends on the size": (lambda x: x[:, :4], (2, 3)),
    "a diagonal of whichever axis is shorter": (lambda x: torch.diagonal(x, 1), (4, 5)),
    "numbers that may be out of range": (lambda x: x[:, torch.arange(3)], (2, 5)),
    "a turn that may be longer than the axis": (lambda x: x.roll(3, 1), (2, 5)),
    "what has no values, in a sum": (lambda x: x + torch.empty_like(x), (2, 5)),
    "a factor that floats round": (lambda x: x[:, (torch.arange(x.shape[1]) * (1 / 3)).long()], (2, 5)),
    "a view in pairs of what may be odd": (lambda x: x.view(x.shape[0] * x.shape[1] // 2, 2), (3, 6)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_depends_on_the_size_is_refused(name: str) -> None:
    run, shape = REFUSED[name]
    with pytest.raises(CannotProve):
        check(Law(run, (shape,)))


def test_what_others_read_is_not_overwritten() -> None:
    aten, graph = torch.ops.aten, fx.Graph()
    whole = graph.call_function(aten.mul.Tensor, (graph.placeholder("x"), 2))
    parts = graph.call_function(aten.unsafe_split.Tensor, (whole, 2))
    first, second = (graph.call_function(operator.getitem, (parts, number)) for number in range(2))
    free = graph.call_function(aten.sigmoid_.default, (first,))
    assert changes_its_own(free)
    graph.call_function(aten.neg.default, (second,))
    assert not changes_its_own(graph.call_function(aten.sigmoid_.default, (second,)))
    assert changes_its_own(graph.call_function(aten.tanh_.default, (free,)))
    graph.call_function(aten.neg.default, (whole,))
    assert not changes_its_own(free)
    view = graph.call_function(aten.view.default, (graph.call_function(aten.neg.default, (whole,)), [2]))
    assert not changes_its_own(graph.call_function(aten.sigmoid_.default, (view,)))
