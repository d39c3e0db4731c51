"""No correct case is called different; a small run of the benchmark, which sees a bound that is broken."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Callable

import pytest
import torch

from benchmarks import false_alarms, ratio_table, torch_comparisons
from benchmarks.correct_cases import Trial, trials
from benchmarks.drawn_numbers import DECADES, Kind, Numbers, subnormal_numbers_for
from benchmarks.trial_results import MODES, TrialResult, run, run_all
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.config.checks import DTYPES
from convcheck.layers import parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence import floating_point, rounding
from convcheck.proof.pair import Pair
from convcheck.proof.verification import verify
from convcheck.results import Finding, Gradients, Result, Sides, Verdict
from convcheck.results import Kind as Kinds
from tests.strategies.by_hand import one_in_the_last_place_apart

pytestmark = pytest.mark.kernels

CASES = 200


@pytest.fixture(scope="module")
def drawn() -> list[Trial]:
    return list(trials(catalogue(), CASES, seed=0))


@pytest.fixture(scope="module")
def results(drawn: list[Trial]) -> list[TrialResult]:
    """Run all on one thread: several only wait for each other where other tests run, too."""
    return list(run_all(dataclasses.replace(each, threads=1) for each in drawn))


def test_no_correct_case_is_called_different(results: list[TrialResult]) -> None:
    assert [f"{each.trial}: {each.reason}" for each in results if each.failure] == []
    assert len(results) == CASES


def test_cases_are_of_every_rewrite_dtype_scale_length_and_kind(drawn: list[Trial]) -> None:
    assert {each.rewrite for each in drawn} == set(catalogue())
    assert {each.case.dtype for each in drawn} == set(DTYPES)
    assert {each.numbers.kind for each in drawn} == set(Kind)
    assert len({each.threads for each in drawn}) > 1
    powers = [power for each in drawn for power in each.numbers.powers]
    assert -DECADES <= min(powers) < 1 - DECADES
    assert DECADES - 1 < max(powers) <= DECADES
    terms = [each.terms() for each in drawn]
    assert min(terms) == 0
    assert 10_000 < max(terms) <= 200_000


def test_the_same_seed_draws_the_same_cases_and_another_one_others() -> None:
    names = ["fft", "windows-sum", "merge-convs"]
    once, again, other = ([str(each) for each in trials(names, 20, seed)] for seed in (1, 1, 2))
    assert once == again
    assert once != other
    assert len(once) == 20


def test_no_rewrite_has_more_cases_than_another(drawn: list[Trial]) -> None:
    counts = Counter(each.rewrite for each in drawn)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_every_case_is_run_on_its_number_of_threads(drawn: list[Trial], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "benchmarks.trial_results.run", lambda each, _mode: seen.append((each.threads, torch.get_num_threads()))
    )
    before = torch.get_num_threads()
    list(run_all(drawn))
    assert torch.get_num_threads() == before
    assert len(seen) == CASES
    assert all(asked == had for asked, had in seen)


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.correct_cases.THREADS", (1,))


@pytest.mark.usefixtures("one_thread")
def test_no_correct_case_is_called_different_where_products_are_as_small_as_the_dtype_holds() -> None:
    drawn = trials(catalogue(), len(catalogue()), 0, draw=subnormal_numbers_for)
    assert [f"{trial.trial}: {trial.reason}" for trial in run_all(drawn) if trial.failure] == []


@pytest.fixture
def too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the bound a thousandth of itself, and the error no less than one in the last place of the asked dtype."""
    right: Callable[..., Sides[torch.Tensor]] = rounding.bound

    def wrong(*known: object) -> Sides[torch.Tensor]:
        sides = right(*known)
        return Sides(sides.reference / 1000, sides.candidate / 1000)

    monkeypatch.setattr(rounding, "bound", wrong)
    monkeypatch.setattr(Pair, "run_candidate", one_in_the_last_place_apart)


@pytest.mark.usefixtures("too_small", "one_thread")
def test_a_bound_that_is_too_small_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert false_alarms.main(["--cases", "20", "--rewrite", "windows-sum", "--format", "markdown"]) == 1
    told = capsys.readouterr().out
    assert "different, ratio " in told
    assert ": windows-sum: Conv" in told
    assert "times what rounding explains" in told
    total = next(line for line in told.splitlines() if line.startswith("| total"))
    assert int(total.split("|")[3]) == told.count("\ndifferent, ratio ") > 0


@pytest.mark.usefixtures("one_thread")
def test_without_a_false_alarm_the_program_is_content(capsys: pytest.CaptureFixture[str]) -> None:
    assert false_alarms.main(["--cases", "6", "--rewrite", "fft", "--dtype", "float32", "--dtype", "float64"]) == 0
    told = capsys.readouterr().out
    assert told.count("different") == 1
    assert "bfloat16" not in told


def test_an_unknown_rewrite_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        false_alarms.main(["--rewrite", "fftt"])
    assert "unknown rewrite fftt; known are " in capsys.readouterr().err


def conv_trial(numbers: Numbers, dtype: str = "float32") -> Trial:
    layer = parse_layer("Conv2d(3, 4, 2)")
    case = Case("case", layer, ((2, 3, 4, 4),), ("unfold-matmul",), dtype=dtype)  # type: ignore[arg-type]
    return Trial("unfold-matmul", case, numbers, 1)


def test_numbers_beyond_a_dtype_are_an_overflow_and_no_failure() -> None:
    outcome = run(conv_trial(Numbers(Kind.NORMAL, (6.0, 0.0, 0.0)), "float16"))
    assert outcome.verdict is Verdict.ERROR
    assert outcome.overflow
    assert not outcome.failure
    assert not dataclasses.replace(outcome, reason="could not be run: no such kernel").overflow


def test_a_trial_is_verified_in_its_mode_and_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def modes() -> tuple[object, ...]:
        grad = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        factors = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        return *grad, torch.is_autocast_enabled("cpu"), torch.get_default_dtype(), *factors

    seen = {}
    before = modes()
    result = verify(conv_trial(Numbers(Kind.NORMAL, (0.0, 0.0, 0.0))).claim())

    def recording(_claim: object) -> Result:
        seen[name] = modes()
        return result

    monkeypatch.setattr("benchmarks.trial_results.verify", recording)
    for name in MODES:
        run(conv_trial(Numbers(Kind.NORMAL, (0.0, 0.0, 0.0))), name)
        assert modes() == before
    assert len(set(seen.values())) == len(MODES)
    assert seen["none"] == before


def test_gradients_that_were_not_compared_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = conv_trial(Numbers(Kind.NORMAL, (0.0, 0.0, 0.0)))
    assert not run(trial).failure
    blind = dataclasses.replace(verify(trial.claim()), gradients=Gradients())
    monkeypatch.setattr("benchmarks.trial_results.verify", lambda _claim: blind)
    assert run(trial).failure


def test_strong_cases_are_strong_with_every_seed(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["patchify-linear", "loops", "multihead-sum"]
    assert false_alarms.strict(names, 0, "markdown", strong=4, seeds=3) == 0
    assert re.search(r"\| all \| \d+ \| 4 \| 12 \| 0 \| 0 \|", capsys.readouterr().out)


def test_a_weakness_by_chance_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def by_chance(claim: Claim) -> Result:
        result = verify(claim)
        weak = (Finding(Kinds.STRENGTH, "a zero came up", weak=True),) if claim.case.seed == 2 else ()
        return dataclasses.replace(result, notes=weak, ok=not weak)

    monkeypatch.setattr("benchmarks.strict_cases.verify", by_chance)
    assert false_alarms.strict(["loops"], 0, "markdown", strong=2, seeds=4) == 1
    told = capsys.readouterr().out
    assert "| all | 2 | 2 | 8 | 2 | 0 |" in told
    assert "    weak: a zero came up" in told


def test_what_torch_says_is_of_the_very_numbers_that_were_compared() -> None:
    """A difference of the whole number is nothing to torch's absolute tolerance where numbers are small."""
    one, other = torch.tensor([1e-9]), torch.tensor([2e-9])
    assert torch_comparisons.let_through(one, other) == torch_comparisons.COMPARISONS
    assert torch_comparisons.let_through(one * 1e9, other * 1e9) == ()
    trial = conv_trial(Numbers(Kind.NORMAL, (6.0, 6.0, 0.0)))
    reference, candidate = torch_comparisons.in_dtype(
        trial.claim(), trial.changed(floating_point.draw(build_pair(trial.claim()), trial.case))
    )
    assert float(reference.abs().max()) > 1e10
    assert run(trial).passed == torch_comparisons.let_through(reference, candidate)


def outcome(ratio: float | None, verdict: Verdict = Verdict.EQUAL, reason: str = "") -> TrialResult:
    return TrialResult(
        conv_trial(Numbers(Kind.NORMAL, (0.0, 0.0, 0.0))), verdict, ratio, reason, torch_comparisons.COMPARISONS[:1]
    )


def test_a_row_counts_what_it_says() -> None:
    found = [
        *(outcome(0.0) for _ in range(3)),
        *(outcome(ratio) for ratio in (0.1, 0.2, 0.3)),
        outcome(2.5, Verdict.DIFFERENT),
        outcome(None, Verdict.DIFFERENT),
        outcome(None, Verdict.ERROR, "could not be run: overflow: float16 holds numbers up to 6.55e+04, and"),
        outcome(None, Verdict.ERROR, "could not be run: no such kernel"),
    ]
    assert dict(zip(ratio_table.HEAD, ratio_table.row("all", found), strict=True)) == {
        "dtype": "all",
        "cases": "10",
        "different": "2",
        "overflow": "1",
        "error": "1",
        "ratio 0": "38%",
        "median": "0.3",
        "90 %": "inf",
        "99 %": "inf",
        "99.9 %": "inf",
        "max": "inf",
        "torch.allclose rejects": "0",
        "torch.testing.assert_close rejects": "8",
    }


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.9, 90), (0.999, 100), (1.0, 100)])
def test_a_quantile_is_the_smallest_number_that_is_enough(share: float, expected: int) -> None:
    assert ratio_table.quantile(range(1, 101), share) == expected
    assert ratio_table.quantile([math.pi], share) == math.pi


def test_finite_outputs_of_numbers_that_a_dtype_cannot_hold_are_no_difference() -> None:
    layer = parse_layer("scaled_dot_product_attention(is_causal=True, enable_gqa=True)")
    case = Case("attention-sum", layer, ((1, 2, 1, 1), (1, 1, 5, 1), (1, 1, 5, 1)), dtype="float16", seed=1718991701)
    # Queries are infinite in float16; the softmax of the one key that is seen is not.
    numbers = Numbers(Kind.NORMAL, (5.9, -3.0, 0.0), 0.0)
    result = run(Trial("attention-sum", case, numbers, 1))
    assert result.verdict is Verdict.ERROR
    assert "overflow: float16 holds numbers up to 6.55e+04, and larger ones are given" in (result.reason or "")
