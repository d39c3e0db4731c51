"""Planted faults are found in every rewrite, and what is shown to be no fault is none; a small run of the benchmark."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from functools import partial
from random import Random

import pytest
import torch

from benchmarks import changes, equivalence, mutant_status, mutant_table, mutants
from benchmarks.fault_kinds import FaultKind
from benchmarks.faults import faults
from benchmarks.given_weights import GivenWeights, Weights, matter
from benchmarks.mutant_status import FAILURES, MutantResult, Status, judge
from benchmarks.planting import Fault, around, built_for, in_weights
from benchmarks.setting_faults import is_one
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof.verification import verify
from convcheck.results import Result, Verdict

pytestmark = pytest.mark.kernels

NAMES = list(catalogue())
EACH = 5


def claim(name: str, text: str, *shapes: tuple[int, ...]) -> Claim:
    layer = parse_layer(text)
    return Claim(Case("case", layer, shapes or layer.example_inputs(), (name,)), name, catalogue()[name], ())


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Run small tensors on one thread, as the program does; more only wait for each other where others run, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def results() -> list[MutantResult]:
    return [result for name in NAMES for result in mutants.mutants(name, EACH, seed=0, layers=4)]


def test_no_planted_fault_is_missed(results: list[MutantResult]) -> None:
    missed = [mutant_status.mutant(each.claim, each.fault) for each in results if each.status in mutant_status.FAILURES]
    assert not missed


def test_faults_are_planted_in_every_rewrite_and_most_are_found(results: list[MutantResult]) -> None:
    built = [each for each in results if each.status is not Status.UNBUILT]
    assert Counter(each.claim.name for each in built) == dict.fromkeys(NAMES, EACH)
    assert len({mutant_status.mutant(each.claim, each.fault) for each in built}) == len(built)
    assert {each.claim.case.dtype for each in built} == {"float64", "float32", "bfloat16", "float16"}
    assert Counter(each.status for each in built)[Status.KILLED] > 0.9 * len(built)


def test_what_torch_would_have_said_stands_in_the_same_table(results: list[MutantResult]) -> None:
    *_, allclose, assert_close = mutant_table.row("total", results)
    assert int(allclose) == sum("torch.allclose" in each.passed for each in results) > 0
    assert int(assert_close) == sum("torch.testing.assert_close" in each.passed for each in results) > 0


PATCHES = claim("patchify-linear", "Conv2d(3, 4, 2, stride=2)", (2, 3, 4, 6))
GROUPED = claim("zeroinsert-conv", "ConvTranspose2d(4, 4, 3, stride=2, padding=1, dilation=2, groups=2)", (2, 4, 5, 4))
TILED = claim("conv1x1-unpatchify", "ConvTranspose2d(3, 4, 2, stride=2)", (2, 3, 4, 6))
SQUARE = claim("loops", "Conv2d(3, 3, 2)", (2, 3, 4, 4))
REFLECTED = claim("explicit-pad", "Conv2d(3, 4, 3, padding=1, padding_mode='reflect')", (2, 3, 4, 4))


def test_there_is_a_fault_of_every_kind() -> None:
    planted = [each for case in (PATCHES, GROUPED, TILED, SQUARE, REFLECTED) for each in faults(case, Random(0))]
    assert {each.kind for each in planted} == set(FaultKind)


@pytest.mark.parametrize("right", [PATCHES, GROUPED, TILED, SQUARE, REFLECTED], ids=lambda right: right.name)
def test_every_fault_of_a_case_that_tells_is_found(right: Claim) -> None:
    statuses = {
        mutant_status.mutant(right, each): judge(right, each).status
        for each in faults(right, Random(1))
        if is_one(right, each)
    }
    assert set(statuses.values()) <= {Status.KILLED, Status.UNBUILT}, statuses
    assert Counter(statuses.values())[Status.KILLED] > 20


def test_a_fault_that_is_missed_is_told_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def blind(claim: Claim) -> Result:
        return dataclasses.replace(verify(claim), verdict=Verdict.EQUAL, notes=())

    monkeypatch.setattr(mutant_status, "verify", blind)
    assert mutants.main(["--rewrite", "patchify-linear", "--per-rewrite", "6"]) == 1
    assert "survived (nothing differed): patchify-linear: Conv" in capsys.readouterr().out


def test_a_small_run_prints_a_table_for_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    assert mutants.main(["--rewrite", "patchify-linear", "--per-rewrite", "6", "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "| fault | mutants | killed | equivalent | weak | survived | torch.allclose passes "
        "| torch.testing.assert_close passes |"
    )
    assert any(line.startswith("| total | 6 |") for line in lines)


def planted(right: Claim, target: str, change: changes.Change) -> Fault:
    shape = right.transplant().shapes()[target]
    last = len(next(move for move in right.transplant().moves if move.target == target).shapes()) - 1  # type: ignore[union-attr]
    return Fault("planted", target, in_weights(right, target, last, change), change, shape, target)


def test_a_change_of_nothing_is_shown_to_be_none() -> None:
    fault = planted(PATCHES, "project.weight", partial(changes.times, factor=1.0))
    assert judge(PATCHES, fault).status is Status.EQUIVALENT
    assert equivalence.unchanged(fault)


def test_a_tap_that_meets_only_padding_is_shown_to_make_no_difference() -> None:
    right = claim("unfold-matmul", "Conv1d(2, 3, kernel_size=4, padding=3)", (1, 2, 1))
    first = planted(right, "weight", partial(changes.scaled_at, at=(..., 0), factor=0.0))
    assert judge(right, first).status is Status.KILLED
    alone = claim("unfold-matmul", "Conv1d(2, 3, kernel_size=3, padding=1)", (1, 2, 1))
    assert judge(alone, planted(alone, "weight", partial(changes.scaled_at, at=(..., 0), factor=0.0))).by == (
        "the outputs are those of the reference on every basis of inputs and weights"
    )


def test_a_stride_that_nothing_reads_is_shown_to_make_no_difference() -> None:
    right = claim("loops", "Conv1d(2, 3, kernel_size=3, stride=2)", (1, 2, 4))
    other = dataclasses.replace(right.case.layer, stride=(1,))
    assert equivalence.shown(right, Fault("planted", "", built_for(right, other), other=other))
    longer = claim("loops", "Conv1d(2, 3, kernel_size=3, stride=2)", (1, 2, 5))
    assert not equivalence.shown(longer, Fault("planted", "", built_for(longer, other), other=other))


@pytest.mark.parametrize(
    "right",
    [
        PATCHES,
        GROUPED,
        claim("fft", "Conv1d(2, 3, kernel_size=3, padding=1)", (1, 2, 4)),
        claim("fold-batchnorm", "Sequential(Conv1d(2, 3, 2), BatchNorm1d(3))", (2, 2, 4)),
        claim("merge-convs", "Sequential(Conv1d(2, 3, 2), Conv1d(3, 2, 1))", (1, 2, 3)),
        claim("broadcast-sum", "mm()", (2, 3), (3, 2)),
        claim("rearranged", "PixelShuffle(2)", (1, 4, 2, 2)),
        claim("multihead-sum", "MultiheadAttention(4, 2)", (3, 2, 4)),
    ],
    ids=lambda right: right.name,
)
def test_nothing_is_shown_of_a_fault_that_makes_a_difference(right: Claim) -> None:
    some = Random(2).sample(list(faults(right, Random(2))), 12)
    found = [each for each in some if judge(right, each).status is Status.KILLED]
    assert len(found) > 5
    assert not [each.place for each in found if equivalence.shown(right, each)]


def test_of_attention_only_what_a_softmax_cannot_see_is_excused() -> None:
    right = claim("multihead-sum", "MultiheadAttention(4, 2)", (3, 2, 4))
    twice = partial(changes.times, factor=2.0)
    assert judge(right, planted(right, "to_k.bias", twice)).status is Status.EQUIVALENT
    assert judge(right, planted(right, "to_q.bias", twice)).status is Status.KILLED
    longer = claim("multihead-sum", "MultiheadAttention(4, 2, add_zero_attn=True)", (3, 2, 4))
    assert judge(longer, planted(longer, "to_k.bias", twice)).status is Status.KILLED


def test_weakness_is_no_excuse_for_a_fault_that_is_about_something_else() -> None:
    fault = planted(PATCHES, "project.bias", partial(changes.times, factor=2.0))
    assert not mutant_status.excuses("weak: patch 1, so there is no patch order to get wrong", fault)
    assert not mutant_status.excuses("weak: only 3 of 4 entries of weight ever meet an input", fault)
    assert not mutant_status.excuses("weak: only 3 of 4 entries of input 1 ever meet an input", fault)
    assert not mutant_status.excuses("weak: no output has a gradient in input 1", fault)
    assert mutant_status.excuses("weak: all outputs are zero", fault)
    key = dataclasses.replace(fault, parameter=None, number=1)
    assert mutant_status.excuses("weak: no output has a gradient in input 1", key)
    assert mutant_status.excuses("weak: only 3 of 4 entries of input 1 ever meet an input", key)
    assert not mutant_status.excuses("weak: no output has a gradient in input", key)
    order = dataclasses.replace(fault, kind=FaultKind.CHANNELS)
    assert mutant_status.excuses("weak: patch 1, so there is no patch order to get wrong", order)


def test_a_mutant_of_another_shape_is_none() -> None:
    cropped = Fault("planted", "", around(PATCHES, after=lambda y: y[..., :-1]))
    result = judge(PATCHES, cropped)
    assert (result.status, result.by) == (Status.UNBUILT, "its output is [2, 4, 2, 2], not [2, 4, 2, 3]")


GIVEN = {
    "multihead-sum": "MultiheadAttention(8, 2, vdim=4, add_bias_kv=True)",
    "fold-batchnorm": "Sequential(Conv2d(3, 4, 2), BatchNorm2d(4))",
    "merge-convs": "Sequential(Conv1d(2, 3, 2), Conv1d(3, 2, 1))",
    "fft": "Conv1d(2, 3, kernel_size=3, padding=1)",
}


@pytest.mark.parametrize("kind", Weights)
@pytest.mark.parametrize(("name", "text"), GIVEN.items(), ids=GIVEN.keys())
def test_no_weights_that_are_given_hide_a_planted_fault(name: str, text: str, kind: Weights) -> None:
    drawn = claim(name, text)
    names = (*drawn.case.layer.parameters(), *drawn.case.layer.statistics())
    weights = GivenWeights(kind, names, 1, drawn.case.dtype)
    right = dataclasses.replace(drawn, case=dataclasses.replace(drawn.case, weights=weights))
    assert matter(catalogue()[name])
    assert verify(right).verdict is Verdict.EQUAL
    some = Random(str(kind)).sample(list(faults(right, Random(3))), 5)
    missed = [each.place for each in some if judge(right, each).status in FAILURES]
    assert missed == []


def test_a_small_run_on_given_weights_says_which_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    assert mutants.main(["--given", "--rewrite", "merge-convs", "--per-rewrite", "5", "--format", "markdown"]) == 0
    assert "- some or all of the weights are given: " in capsys.readouterr().out
