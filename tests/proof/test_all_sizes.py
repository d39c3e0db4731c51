"""What a proof for all sizes means for a result: expectations, contradictions, and what repeats it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from typer.testing import Result as Printed

import convcheck
from convcheck.all_sizes import proof
from convcheck.catalogue.claims import claims_of
from convcheck.config.case import Case, Expect
from convcheck.layers import parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.context import Context
from convcheck.proof.evidence import all_sizes
from convcheck.proof.run import run
from convcheck.proof.verification import known, verify
from convcheck.results import Finding, Kind, Result, SizesProof, SizesStatus, Verdict
from convcheck.sizes.relayouts import parse_relayout
from tests.strategies.sizes import NARROW, PROVED, REFUTED, UNKNOWN

LAYER = parse_layer("Conv2d(3, 4, 2, stride=2)")
CASE = Case("stem", LAYER, ((2, 3, 8, 8),), rewrites=("patchify-linear",), all_sizes=True)
WRONG = {"weight": parse_relayout("o i kh kw -> o (kh kw i)")}

Answer = Callable[[SizesProof], list[float]]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Let every claim be proved so; what is returned will hold the seconds that each was given."""

    def set_answer(sizes: SizesProof) -> list[float]:
        given: list[float] = []

        def prove(_both: object, _names: object, seconds: float, _about: object) -> SizesProof:
            given.append(seconds)
            return sizes

        monkeypatch.setattr(proof, "prove", prove)
        return given

    return set_answer


def verified(case: Case) -> Result:
    (claim,) = claims_of([case])
    return verify(claim)


def of_kind(result: Result, kind: Kind) -> list[str]:
    return [str(reason) for reason in result.reasons if reason.kind is kind]


NONE_NAMED = replace(CASE, rewrites=None)
EXPECTATIONS = {
    # What was proved, whether the rewrite was named, what is expected of it, and whether that is ok.
    "proved": (PROVED, True, None, True),
    "proved within limits": (NARROW, True, None, True),
    "refuted": (REFUTED, True, None, False),
    "refuted of a rewrite that nobody named": (REFUTED, False, None, False),
    "unknown": (UNKNOWN, True, None, False),
    "unknown of a rewrite that nobody named": (UNKNOWN, False, None, True),
    "unknown where proved is expected": (UNKNOWN, False, SizesStatus.PROVED, False),
    "refuted as expected": (REFUTED, True, SizesStatus.REFUTED, True),
    "unknown as expected": (UNKNOWN, True, SizesStatus.UNKNOWN, True),
    "proved where refuted is expected": (PROVED, True, SizesStatus.REFUTED, False),
    "unknown where refuted is expected": (UNKNOWN, True, SizesStatus.REFUTED, False),
    "proved where unknown is expected": (PROVED, True, SizesStatus.UNKNOWN, False),
}


@pytest.mark.parametrize(("sizes", "named", "expected", "ok"), EXPECTATIONS.values(), ids=EXPECTATIONS)
def test_what_is_not_proved_is_not_as_expected_and_the_verdict_is_that_of_the_shape(
    answer: Answer, sizes: SizesProof, named: bool, expected: SizesStatus | None, ok: bool
) -> None:
    answer(sizes)
    case = replace(CASE if named else NONE_NAMED, expect=Expect(sizes=expected))
    claim = next(claim for claim in claims_of([case]) if claim.name == "patchify-linear")
    result = verify(claim)
    assert (result.verdict, result.exact.status, result.ok) == (Verdict.EQUAL, "identical", ok)
    assert replace(result.sizes, seconds=0) == sizes
    assert ok or result.reasons
    assert bool(of_kind(result, Kind.EXPECTATION)) is (expected is not None and not ok)
    if sizes is REFUTED:
        text = "at b=1 h=31 w=2, output [0, 0, 15, 0]: the candidate reads x[0,0,32,0]"
        assert of_kind(result, Kind.SIZES) == [f"not for all sizes: {text}"]
    elif sizes is UNKNOWN and not ok:
        assert of_kind(result, Kind.SIZES) == ["not proved for all sizes: tile"]
    else:
        assert not of_kind(result, Kind.SIZES)


@pytest.mark.parametrize("sizes", [REFUTED, UNKNOWN])
def test_what_is_different_as_expected_needs_no_proof_that_it_is_equal(answer: Answer, sizes: SizesProof) -> None:
    answer(sizes)
    different = replace(CASE, transplant=WRONG, expect=Expect(Verdict.DIFFERENT))
    assert verified(different).ok
    assert not verified(replace(different, expect=Expect(Verdict.DIFFERENT, sizes=SizesStatus.PROVED))).ok


def test_nothing_is_proved_where_it_was_not_asked_for(answer: Answer) -> None:
    given = answer(REFUTED)
    result = verified(replace(CASE, all_sizes=False, expect=Expect(sizes=SizesStatus.REFUTED)))
    assert (result.sizes, result.ok, given) == (SizesProof(), True, [])


NOT_TRIED = {
    "refused": (replace(CASE, inputs=((2, 3, 9, 9),), layer=parse_layer("Conv2d(3, 4, 2, padding=1)")), "refused"),
    "no such device": (replace(CASE, device="cuda:987"), "error"),
}


@pytest.mark.parametrize(("case", "verdict"), NOT_TRIED.values(), ids=NOT_TRIED)
def test_a_claim_that_does_not_come_so_far_is_unknown_and_its_cause_alone_is_said(
    answer: Answer, case: Case, verdict: str
) -> None:
    given = answer(PROVED)
    result = verified(case)
    assert (result.verdict, given) == (verdict, [])
    assert (result.sizes.status, result.sizes.obstacle) == (SizesStatus.UNKNOWN, "not tried")
    assert not of_kind(result, Kind.SIZES)


HERE = {"b": 2, "i": 3, "o": 4, "h": 8, "w": 8}


def refuted_at(sizes: dict[str, int]) -> SizesProof:
    assert REFUTED.counterexample is not None
    return replace(REFUTED, counterexample=replace(REFUTED.counterexample, sizes=sizes))


DISAGREE = {
    "refuted here": (CASE, refuted_at(HERE)),
    "refuted here by numbers of axes": (CASE, refuted_at({"input.0": 2, "input.1": 3, "input.2": 8, "input.3": 8})),
    "proved here": (replace(CASE, transplant=WRONG), PROVED),
    "proved here with fixed axes": (
        replace(CASE, transplant=WRONG),
        replace(PROVED, free={"b": 2, "h": 4, "w": 8}, divisible={"w": 4}, fixed={"i": 3, "o": 4}),
    ),
    "proved for axes by names that nobody knows": (replace(CASE, transplant=WRONG), replace(PROVED, free={"z": 99})),
}
AGREE = {
    "refuted elsewhere": (CASE, refuted_at({**HERE, "h": 9})),
    "refuted for other channels": (CASE, refuted_at({**HERE, "o": 5})),
    "refuted here, as the probes say": (replace(CASE, transplant=WRONG), refuted_at(HERE)),
    "proved from a larger size on": (replace(CASE, transplant=WRONG), replace(PROVED, free={**PROVED.free, "b": 3})),
    "proved for other multiples": (replace(CASE, transplant=WRONG), replace(PROVED, divisible={"h": 3})),
    "proved for another fixed size": (replace(CASE, transplant=WRONG), replace(PROVED, fixed={"o": 5})),
}


@pytest.mark.parametrize(("case", "sizes"), DISAGREE.values(), ids=DISAGREE)
def test_a_proof_and_a_probe_that_disagree_are_a_fault_of_ours(answer: Answer, case: Case, sizes: SizesProof) -> None:
    answer(sizes)
    result = verified(case)
    assert (result.verdict, result.ok, result.is_fault) == (Verdict.ERROR, False, True)
    (said,) = of_kind(result, Kind.FAULT)
    assert said.startswith("convcheck contradicts itself")
    assert "--report certificate=DIR" in said


@pytest.mark.parametrize(("case", "sizes"), AGREE.values(), ids=AGREE)
def test_a_proof_of_other_sizes_contradicts_no_probe(answer: Answer, case: Case, sizes: SizesProof) -> None:
    answer(sizes)
    assert verified(case).verdict is (Verdict.DIFFERENT if case.transplant else Verdict.EQUAL)


SOFTMAX = "Sequential(Linear(4, 4), Softmax(dim=-1))"


def test_where_no_probe_is_exact_float64_is_what_a_proof_is_held_against(answer: Answer) -> None:
    answer(replace(PROVED, free={"b": 1}, divisible={}))

    def against(**more: object) -> Result:
        return convcheck.verify(SOFTMAX, (2, 4), candidate=SOFTMAX, all_sizes=True, **more)

    assert against().ok
    other = against(map={"0.weight": "0.weight: o i -> i o"})
    # A constant that was rounded before it was used does so as well, and is no fault of the proof.
    assert (other.verdict, other.exact.status) == (Verdict.DIFFERENT, "not-applicable")
    assert other.sizes.status is SizesStatus.UNKNOWN


def test_what_the_asked_dtype_alone_shows_is_no_matter_of_real_numbers(answer: Answer) -> None:
    answer(PROVED)
    (claim,) = claims_of([CASE])
    rounded = replace(known(claim), reasons=(Finding(Kind.ROUNDING, "in float32 the error is beyond the bound"),))
    assert all_sizes.examine(Context(claim, build_pair(claim), rounded)).findings == ()


def test_the_time_of_a_proof_is_measured_and_limited(answer: Answer) -> None:
    given = answer(replace(PROVED, seconds=-1.0))
    result = verified(replace(CASE, proof_seconds=2.5))
    assert given == [2.5]
    assert 0 < result.sizes.seconds <= result.seconds


@pytest.mark.parametrize("proof_seconds", [30.0, 2.5])
def test_the_command_that_repeats_a_result_asks_for_the_same(
    answer: Answer, convcheck: Callable[..., Printed], proof_seconds: float
) -> None:
    given = answer(UNKNOWN)
    result = verified(replace(CASE, proof_seconds=proof_seconds))
    program, *words = shlex.split(result.reproduce)
    assert program == "convcheck"
    assert convcheck(*words).exit_code == 1
    assert given == [proof_seconds] * 2
    assert ("--proof-seconds" in result.reproduce) is (proof_seconds != 30)
    called = verified(replace(CASE, order=("kh", "kw", "i"), proof_seconds=proof_seconds)).reproduce
    assert "all_sizes=True" in called
    assert ("proof_seconds=" in called) is (proof_seconds != 30)


def test_a_proof_that_is_interrupted_ends_the_run_and_what_was_finished_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def prove(_both: object, _names: object, _seconds: float, about: Mapping[str, str]) -> SizesProof:
        if about["rewrite"] == "unfold-matmul":
            raise KeyboardInterrupt
        return PROVED

    monkeypatch.setattr(proof, "prove", prove)
    report = run(list(claims_of([replace(CASE, rewrites=("patchify-linear", "unfold-matmul", "taps-sum"))])))
    assert (report.interrupted, report.untried) == (True, 2)
    assert [result.rewrite for result in report.results] == ["patchify-linear"]


def test_a_proof_that_fails_is_a_fault_of_its_own_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    def prove(*_: object) -> SizesProof:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(proof, "prove", prove)
    (result,) = run(list(claims_of([CASE]))).results
    assert (result.verdict, result.is_fault, result.sizes.status) == (Verdict.ERROR, True, SizesStatus.UNKNOWN)


def test_from_python_it_is_asked_for_as_on_the_command_line(answer: Answer) -> None:
    given = answer(PROVED)
    words = ("Conv2d(3, 4, 2, stride=2)", (2, 3, 8, 8), "patchify-linear")
    result = convcheck.assert_equal(*words, all_sizes=True, proof_seconds=4)
    assert (result.sizes.status, given) == ("proved", [4])
    answer(REFUTED)
    with pytest.raises(AssertionError, match=r"is equal: not for all sizes: at b=1 h=31 w=2, output"):
        convcheck.assert_equal(*words, all_sizes=True)
    assert convcheck.assert_equal(*words).sizes.status == "not-asked"


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "3", None, 10**400])
def test_a_time_that_is_none_is_refused(seconds: object) -> None:
    with pytest.raises(convcheck.ConvcheckError, match="is no time for a proof"):
        convcheck.verify("Linear(2, 3)", (4, 2), "broadcast-sum", proof_seconds=seconds)


def test_without_the_library_a_proof_is_refused_and_all_else_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "islpy", None)
    with pytest.raises(convcheck.ConvcheckError, match="all sizes: islpy is not installed here"):
        convcheck.verify("Linear(2, 3)", (4, 2), "broadcast-sum", all_sizes=True)
    assert convcheck.verify("Linear(2, 3)", (4, 2), "broadcast-sum").ok
