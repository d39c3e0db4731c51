"""The size-dependent faults that convcheck is tried on are what they are said to be, by plain torch in float64."""

from __future__ import annotations

import sys

import pytest
from torch import Tensor, nn

from benchmarks import size_mutants
from benchmarks.size_faults.plain import Entry, NotExactError, compositions, entries
from benchmarks.size_faults.record import Mutant
from convcheck.all_sizes import counterexamples

MUTANTS, TWINS = entries(), entries(mended=True)
BY_NAME = {entry.mutant.name: entry for entry in MUTANTS}


@pytest.mark.parametrize("entry", [*MUTANTS, *TWINS], ids=lambda one: one.texts[1])
def test_both_sides_agree_at_the_given_sizes(entry: Entry) -> None:
    assert entry.difference(entry.given) == ""


def test_there_are_enough_of_each_with_names_of_their_own() -> None:
    assert len(BY_NAME) == len(MUTANTS) > 100
    assert len({(entry.kind, entry.texts[1].partition("(")[0]) for entry in MUTANTS}) > 60
    assert len({(entry.kind, entry.texts[1].partition("(")[0]) for entry in TWINS}) > 60
    assert all(entry.texts[0] != entry.texts[1] for entry in TWINS)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("last-row-4-3", {"b": 1, "h": 7, "w": 1}),
        ("positions-clamped-31", {"b": 1, "t": 32}),
        ("sample-loop-4", {"b": 5, "t": 2}),
        ("wide-conv", {"b": 1, "i": 9, "t": 2}),
        ("gate-at-end", {"b": 2, "c": 1, "t": 1}),
        ("tokens-viewed", {"b": 1, "c": 2, "h": 1, "w": 2}),
    ],
)
def test_the_smallest_sizes_are_those_that_follow_from_the_fault(name: str, sizes: dict[str, int]) -> None:
    smallest = BY_NAME[name].smallest()
    assert smallest is not None
    assert smallest.sizes == sizes


def test_an_axis_that_is_not_free_has_the_given_size() -> None:
    smallest = BY_NAME["tokens-viewed-at-a-point"].smallest(("b", "h", "w"))
    assert smallest is not None
    assert smallest.sizes == {"b": 1, "c": 3, "h": 1, "w": 2}


def test_sizes_come_in_order_of_their_sum() -> None:
    assert list(compositions(4, 2)) == [(1, 3), (2, 2), (3, 1)]
    assert list(compositions(3, 1)) == [(3,)]


class Rounded(nn.Module):
    """Is off by what rounding could be."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + 2.0**-40)


def test_a_side_that_rounds_is_refused() -> None:
    rounding = Entry(sys.modules[__name__], Mutant("rounds", "Identity()", ":Rounded()", "b=1", ""))
    with pytest.raises(NotExactError, match=r"rounds at \{'b': 3\}"):
        rounding.difference({"b": 3})


HARD_TO_FIND = {
    "square-grid-3": "one axis is longer than in the first counterexample",
    "squeezed-score": "a length of 1, where channels are those of weights",
    "flat-cell": "the relation holds at one length only",
}


@pytest.mark.parametrize("name", HARD_TO_FIND)
def test_the_smallest_sizes_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # However slow the machine is.
    monkeypatch.setattr(counterexamples, "SWEEP_SECONDS", 600.0)
    entry = next(one for one in entries() if one.mutant.name == name)
    assert size_mutants.judged(entry)[3] == "smallest"


def test_the_oracle_prints_a_row_a_mutant(capsys: pytest.CaptureFixture[str]) -> None:
    assert size_mutants.main(["--oracle", "--kind", "batches", "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if "| batches |" in line]) == sum(one.kind == "batches" for one in MUTANTS)
    assert any(line.startswith("| gram-of-first ") and "| b=2 t=1 c=1 |" in line for line in lines)


def test_a_command_is_what_asks_for_all_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert size_mutants.main(["--commands", "--kind", "branches"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > sum(one.kind == "branches" for one in MUTANTS)
    assert (
        "convcheck verify 'Conv1d(4, 2, 2)' --candidate 'benchmarks/size_faults/mutants_branches.py:WideConv(4)' "
        "-i 2,4,3 --all-sizes --trust"
    ) in lines
