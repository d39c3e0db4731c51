"""Every wrong layout is named, and what is suggested for it is equal; a small run of the benchmark."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from random import Random

import pytest

from benchmarks.wrong_layouts import FAILURES, KERNELS, PATCHES, Status, attempt, attempt_order, orders, random_cases
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof.evidence import diagnosis
from convcheck.rewriting.transplant import Move
from convcheck.sizes.relayouts import parse_relayout

EACH = 3

MERGED_ONLY = {"fold-batchnorm", "merge-convs", "merge-linears", "merge-separable"}
"""Rewrites whose weights are computed from several others, which no pattern can."""


def moving() -> list[str]:
    """Return the rewrites with weights that move by patterns."""

    def moves(name: str) -> bool:
        rewrite = catalogue()[name]
        example = parse_layer(rewrite.example)
        shapes = rewrite.example_inputs or example.example_inputs()
        return any(isinstance(move, Move) for move in rewrite.transplant(example, shapes).moves)

    return [name for name in catalogue() if moves(name)]


@pytest.mark.parametrize("name", PATCHES)
@pytest.mark.parametrize("dims", KERNELS)
def test_every_other_order_is_named_beside_the_order_of_the_candidate(name: str, dims: int) -> None:
    pairs = list(permutations(orders(name, dims), 2))
    some = Random(f"{name} {dims}").sample(pairs, min(len(pairs), 12))
    assert [tried.status for tried in (attempt_order(name, dims, *pair) for pair in some)] == [Status.NAMED] * len(some)


def test_there_are_584_pairs_of_orders() -> None:
    assert sum(len(list(permutations(orders("patchify-linear", dims), 2))) for dims in KERNELS) == 584


@pytest.mark.parametrize("name", moving())
def test_what_is_suggested_for_random_layouts_is_equal(name: str) -> None:
    tried = [attempt(case) for case in random_cases(name, EACH, seed=1, layers=3)]
    assert len(tried) == EACH or name in MERGED_ONLY
    assert not [str(one) for one in tried if one.status in FAILURES]


STEPS = {
    "zeroinsert-conv": "flip",
    "spacetodepth-conv": "pad",
    "zerostuffed-conv": "dilate",
    "blockdiagonal-conv": "blocks",
    "multihead-sum": "o i",
}


@pytest.mark.parametrize(("name", "step"), STEPS.items())
def test_a_wrong_sign_is_named_with_the_steps_that_a_rewrite_needs(name: str, step: str) -> None:
    layer = parse_layer(catalogue()[name].example)
    case = Case("case", layer, layer.example_inputs(), (name,))
    moves = Claim(case, name, catalogue()[name], ()).usual_transplant().moves
    usual = {move.source: move.layout for move in moves if isinstance(move, Move)}
    negated = {source: parse_relayout(f"{layout} | negate") for source, layout in usual.items()}
    tried = attempt(replace(case, transplant=negated))
    assert tried.status is Status.NAMED
    assert tried.suggestions == usual
    assert any(step in layout for layout in tried.suggestions.values())


def test_a_layout_that_gets_no_suggestion_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, laid_out = ("i", "kh", "kw"), ("kh", "kw", "i")
    assert attempt_order("patchify-linear", 2, asked, laid_out).status is Status.NAMED
    monkeypatch.setattr(diagnosis, "corrections", lambda *_: ())
    assert attempt_order("patchify-linear", 2, asked, laid_out).status is Status.UNNAMED


def test_a_suggestion_that_does_not_hold_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = diagnosis.Correction("weight", "", "o i kh kw -> o (kw kh i)")
    monkeypatch.setattr(diagnosis, "corrections", lambda *_: (wrong,))
    layer = parse_layer("Conv2d(2, 3, 2, stride=2)")
    claimed = {"weight": parse_relayout("o i kh kw -> o (kh kw i)")}
    case = Case("case", layer, layer.example_inputs(), ("patchify-linear",), transplant=claimed)
    assert attempt(case).status is Status.NOT_EQUAL


@pytest.mark.parametrize("name", moving())
def test_the_catalogues_own_layouts_are_equal_as_they_are_written(name: str) -> None:
    rewrite = catalogue()[name]
    layer = parse_layer(rewrite.example)
    case = Case("case", layer, rewrite.example_inputs or layer.example_inputs(), (name,))
    usual = Claim(case, name, rewrite, ()).usual_transplant()
    layouts = {move.source: parse_relayout(move.layout) for move in usual.moves if isinstance(move, Move)}
    claimed = usual.replaced(layouts, layer.axis_sizes())
    for before, after in zip(usual.moves, claimed.moves, strict=True):
        if isinstance(before, Move):
            assert isinstance(after, Move)
            assert diagnosis.moves_alike(before, after)
