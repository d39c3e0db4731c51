"""The smallest sizes at which a rewrite is wrong, found by running both sides at all sizes, in order of their sum."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks import size_faults
from benchmarks.size_faults.record import Mutant
from benchmarks.torch_sides import built_side

Sizes = Mapping[str, int]
DRAWS = 6
"""So many draws of inputs and weights are compared at all sizes."""
LARGEST = 99
"""Inputs and weights are whole numbers up to it, so that no sum is rounded in float64."""
HIGHEST_SUM = 60
RAISED = (RuntimeError, IndexError, ValueError, AssertionError, ZeroDivisionError, TypeError)
APART = 20_000
"""Inputs of one draw begin so far apart."""
POOL = torch.randint(-LARGEST, LARGEST + 1, (DRAWS, 1 << 16), generator=torch.Generator().manual_seed(0)).double()
# Rising and falling numbers find windows whose first or last entry decides only where it is the largest.
POOL[-2], POOL[-1] = torch.arange(POOL.shape[1]), -torch.arange(POOL.shape[1])


class NotExactError(Exception):
    """Two outputs are closer than whole numbers can be: a side rounds, so that no comparison is exact."""


class Counts(NamedTuple):
    """At how many sizes a candidate equals its reference, differs from it, and either raises."""

    equal: int
    differs: int
    raises: int


class Smallest(NamedTuple):
    """The smallest sizes at which both sides run and differ, and how."""

    sizes: Sizes
    reason: str


class Entry:
    """A mutant in the file that holds it."""

    def __init__(self, file: ModuleType, mutant: Mutant, *, mended: bool = False) -> None:
        self.file, self.mutant, self.is_mended = file, mutant, mended
        candidate = mutant.mended if mended else mutant.candidate
        assert candidate is not None, mutant.name
        self.texts = (mutant.reference, candidate)
        self._sides: dict[tuple[str, str], list[tuple[nn.Module, nn.Module]]] = {}

    @property
    def kind(self) -> str:
        """What kind of fault this is: the file's name behind `mutants_`."""
        return self.file.__name__.rpartition("mutants_")[2]

    @cached_property
    def inputs(self) -> list[list[str]]:
        """The axes of all inputs: a name, or a number."""
        return [[axis.partition("=")[0] for axis in text.split()] for text in self.mutant.shape.split(";")]

    @cached_property
    def given(self) -> dict[str, int]:
        """The sizes at which both sides agree, by axis, in order."""
        axes = (axis.partition("=") for axis in self.mutant.shape.replace(";", " ").split())
        return {name: int(size) for name, _, size in axes if size}

    def sides(self, sizes: Sizes) -> list[tuple[nn.Module, nn.Module]]:
        """Build both sides in float64, once for every draw of weights."""
        reference, candidate = (text.format(**sizes) for text in self.texts)
        if (reference, candidate) not in self._sides:
            built = [self.pair(reference, candidate, draw) for draw in range(DRAWS)]
            self._sides[reference, candidate] = built
        return self._sides[reference, candidate]

    def pair(self, reference_text: str, candidate_text: str, draw: int) -> tuple[nn.Module, nn.Module]:
        """Build both sides on whole numbers, the candidate on those of the reference."""
        reference, candidate = built_side(self.file, reference_text), built_side(self.file, candidate_text)
        generator = torch.Generator().manual_seed(draw)
        for parameter in reference.parameters():
            parameter.data = torch.randint(-LARGEST, LARGEST + 1, parameter.shape, generator=generator).double()
        state = reference.state_dict()
        candidate.load_state_dict(getattr(self.file, self.mutant.map_by)(state) if self.mutant.map_by else state)
        return reference, candidate

    def difference(self, sizes: Sizes) -> str | None:
        """Tell how the sides differ at some sizes: an empty text where they do not, None where either raises.

        Raises:
            NotExactError: they differ by less than one.
        """
        try:
            built = self.sides(sizes)
        except RAISED:
            return None
        for draw, (reference, candidate) in enumerate(built):
            shapes = [[sizes[axis] if axis in sizes else int(axis) for axis in axes] for axes in self.inputs]
            inputs = [drawn(shape, draw, number) for number, shape in enumerate(shapes)]
            try:
                # A side that writes into its input must not change the other's.
                wanted, got = reference(*(one.clone() for one in inputs)), candidate(*inputs)
            except RAISED:
                return None
            if wanted.shape != got.shape:
                return f"shape {tuple(got.shape)} for {tuple(wanted.shape)}"
            if not torch.equal(wanted, got):
                first = (wanted != got).nonzero()[0].tolist()
                if torch.allclose(wanted, got, rtol=1e-9, atol=1e-9):
                    raise NotExactError(f"{self.mutant.name} at {dict(sizes)}")
                return f"{got[tuple(first)]:g} for {wanted[tuple(first)]:g} at {first}"
        return ""

    def smallest(self, free: tuple[str, ...] | None = None) -> Smallest | None:
        """Return the smallest of all sizes, by sum and then axis by axis, at which both sides run and differ.

        Only axes in `free` vary, by default all that have a name; others have the given sizes. None stands for no such
        sizes up to HIGHEST_SUM.
        """
        names = [name for name in self.given if free is None or name in free]
        for total in range(len(names), HIGHEST_SUM + 1):
            for numbers in compositions(total, len(names)):
                sizes = self.given | dict(zip(names, numbers, strict=True))
                reason = self.difference(sizes)
                if reason:
                    return Smallest(sizes, reason)
        return None

    def counts(self, highest: int) -> Counts:
        """Count the sizes up to some sum at which the sides agree, differ, or raise."""
        names = list(self.given)
        reasons = [
            self.difference(dict(zip(names, numbers, strict=True)))
            for total in range(len(names), highest + 1)
            for numbers in compositions(total, len(names))
        ]
        equal, raises = reasons.count(""), reasons.count(None)
        return Counts(equal, len(reasons) - equal - raises, raises)


def drawn(shape: list[int], draw: int, number: int) -> Tensor:
    """Return whole numbers of some shape for the input of some number, a copy of them."""
    return POOL[draw, number * APART :][: math.prod(shape)].reshape(shape).clone()


def compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Yield all tuples of positive numbers with some sum, in order."""
    if parts == 1:
        yield (total,)
        return
    for first in range(1, total - parts + 2):
        for others in compositions(total - first, parts - 1):
            yield (first, *others)


def entries(*, mended: bool = False) -> list[Entry]:
    """Return the mutants of all files, or the twins of those that have one; twins of several mutants come once."""
    names = sorted(module.name for module in pkgutil.iter_modules(size_faults.__path__))
    files = [importlib.import_module(f"benchmarks.size_faults.{name}") for name in names]
    mutants = [(file, mutant) for file in files for mutant in getattr(file, "MUTANTS", ())]
    if not mended:
        return [Entry(file, mutant) for file, mutant in mutants]
    twins = {(file, one.reference, one.mended, one.shape): one for file, one in reversed(mutants) if one.mended}
    return [Entry(file, one, mended=True) for (file, *_), one in reversed(twins.items())]
