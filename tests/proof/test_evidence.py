"""The evidence itself is put to the test: it finds small faults, and none where there are none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case, Tolerance
from convcheck.layers import parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence import diagnosis, floating_point, integer_probes, probes, rounding
from convcheck.proof.pair import Pair
from convcheck.proof.verification import verify
from convcheck.results import Agreement, Exact, Gradients, Sides, Verdict
from convcheck.rounding.precision import arithmetic
from tests.strategies.by_hand import one_in_the_last_place_apart

pytestmark = pytest.mark.kernels

LAYER = parse_layer("Conv2d(3, 8, kernel_size=(2, 3), stride=(2, 3))")
SHAPE = (2, 3, 7, 9)


@pytest.fixture
def claim() -> Claim:
    return Claim(
        Case("case", LAYER, (SHAPE,), ("patchify-linear",)), "patchify-linear", catalogue()["patchify-linear"], ()
    )


@pytest.fixture
def pair(claim: Claim) -> Pair:
    return build_pair(claim)


class Behind(nn.Module):
    """A candidate with a function behind it, or before it."""

    def __init__(self, inner: nn.Module, after: Spoil, before: Spoil) -> None:
        super().__init__()
        self.inner, self.after, self.before = inner, after, before

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.inner(self.before(x)))


Spoil = Callable[[Tensor], Tensor]


def spoilt(pair: Pair, after: Spoil = lambda y: y, before: Spoil = lambda x: x) -> Pair:
    """Return the pair with a fault planted in its candidate."""
    moves = tuple(dataclasses.replace(move, target=f"inner.{move.target}") for move in pair.mapping.moves)
    candidate = dataclasses.replace(pair.candidate, module=Behind(pair.candidate.module, after, before))
    return dataclasses.replace(pair, candidate=candidate, mapping=dataclasses.replace(pair.mapping, moves=moves))


def wider(pair: Pair, space: tuple[int, int]) -> Pair:
    return dataclasses.replace(pair, reference=dataclasses.replace(pair.reference, inputs=((2, 3, *space),)))


FAULTS: dict[str, Spoil] = {
    "one part in 2^20 too large": lambda y: y * (1 + 2.0**-20),
    "shifted by one": lambda y: y.roll(1, -1),
    "flipped": lambda y: y.flip(-2),
    "two channels swapped": lambda y: y[:, [1, 0, *range(2, y.shape[1])]],
    "zeros": torch.zeros_like,
    "twice as large": lambda y: 2 * y,
    "off by one in one place": lambda y: y + torch.eye(y.numel(), 1).reshape(y.shape),
    "batch mixed up": lambda y: y.flip(0),
    "another shape": lambda y: y[..., :-1],
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_planted_fault_is_found_by_the_first_probe(pair: Pair, fault: Spoil) -> None:
    evidence = integer_probes.probe(spoilt(pair, fault), seed=0)
    assert evidence.details["exact"] == Exact(Agreement.DIFFERENT, 1, None)
    assert evidence.findings


def test_a_fault_of_the_backward_pass_alone_is_found(pair: Pair) -> None:
    twice = spoilt(pair, before=lambda x: x + (x - x.detach()))
    evidence = integer_probes.probe(twice, seed=0)
    assert evidence.status is Agreement.IDENTICAL
    assert evidence.details["gradients"] == Gradients(Agreement.DIFFERENT, Agreement.IDENTICAL, Agreement.IDENTICAL)
    assert [*map(str, evidence.findings)] == ["the gradients of input differ on integers"]


def test_the_longest_sum_is_measured_forwards_and_backwards(pair: Pair) -> None:
    plan, longest = probes.make_plan(pair, 2), pair.sum_lengths.longest
    fan_in_and_bias = 3 * 2 * 3 + 1
    positions = 2 * 3 * 3
    assert longest == max(fan_in_and_bias, positions, LAYER.parameters()["weight"][0])
    assert longest * plan.magnitude**2 <= 2**53 < longest * (plan.magnitude + 1) ** 2
    assert plan.false_accept < 1e-9 <= dataclasses.replace(plan, probes=plan.probes - 1).false_accept


@pytest.mark.parametrize("space", [(7, 9), (70, 90)])
def test_the_bound_depends_on_the_sums_of_outputs_not_on_how_many_there_are(pair: Pair, space: tuple[int, int]) -> None:
    assert wider(pair, space).sum_lengths.terms == 3 * 2 * 3 + 1


def test_probes_are_exact_an_integer_convolution_gives_the_same(pair: Pair) -> None:
    plan = probes.make_plan(pair, 2)
    for number in range(plan.probes):
        probe = probes.draw_probe(pair, plan, 3, number)
        x, weight, bias = (tensor.detach().long() for tensor in probe.sample.variables().values())
        oracle = torch.nn.functional.conv2d(x, weight, bias, stride=(2, 3))
        assert torch.equal(oracle, probe.reference.long())
        assert torch.equal(oracle.double(), probe.candidate)


def test_the_same_seed_draws_the_same_probe_and_another_seed_another(pair: Pair) -> None:
    plan = probes.make_plan(pair, 2)
    first, same, other = (probes.draw_probe(pair, plan, seed, 0) for seed in (1, 1, 2))
    assert torch.equal(first.reference, same.reference)
    assert not torch.equal(first.reference, other.reference)


def test_a_weight_off_by_one_part_in_a_million_leaves_the_bound_of_float64(pair: Pair, claim: Claim) -> None:
    off = spoilt(pair, lambda y: y * (1 + 2.0**-20))
    case = dataclasses.replace(claim.case, dtype="float64")
    seen = floating_point.measure(off, case, floating_point.draw(off, case))
    assert seen.faults
    assert seen.deviation.ratio is not None
    assert seen.deviation.ratio > 1e3


def test_nan_equals_nothing_not_even_itself() -> None:
    nan = torch.tensor([1.0, float("nan")], dtype=torch.float64)
    assert not rounding.within(Sides(nan, nan), torch.full((2,), 1e9, dtype=torch.float64))


def test_infinity_equals_nothing_not_even_itself() -> None:
    inf = torch.tensor([1.0, float("inf")], dtype=torch.float64)
    assert not rounding.within(Sides(inf, inf), torch.full((2,), 1e9, dtype=torch.float64))


def test_a_deviation_holds_no_number_that_json_lacks() -> None:
    unit = arithmetic(torch.float32, torch.device("cpu"))
    sides = Sides(torch.tensor([float("nan"), 0.0]).double(), torch.tensor([1.0, 1.0]).double())
    found = rounding.deviation(sides, torch.zeros(2).double(), unit)
    assert found.at == (0,)
    assert (found.max_abs, found.max_rel, found.ratio, found.ulp) == (None, None, None, None)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [1.0, 1.5, 1e-3, 100.0, 0.0, -2.0])
def test_spacing_is_the_distance_to_the_next_number(dtype: torch.dtype, value: float) -> None:
    unit = arithmetic(dtype, torch.device("cpu"))
    start = torch.tensor(abs(value), dtype=dtype)
    step = torch.nextafter(start, torch.tensor(float("inf"), dtype=dtype)).double() - start.double()
    assert rounding.spacing(float(start), unit) == float(step)


def test_a_looser_tolerance_is_used_and_said(claim: Claim) -> None:
    loose = dataclasses.replace(claim, case=dataclasses.replace(claim.case, tolerance=Tolerance(1e-3, 0.0)))
    result = verify(loose)
    assert result.verdict is Verdict.EQUAL
    assert result.error.bound == pytest.approx(1e-3)
    assert any("looser than what rounding explains" in str(note) for note in result.notes)


def test_a_tighter_tolerance_is_used(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pair, "run_candidate", one_in_the_last_place_apart)
    assert verify(claim).verdict is Verdict.EQUAL
    tight = dataclasses.replace(claim, case=dataclasses.replace(claim.case, tolerance=Tolerance(0.0, 0.0)))
    result = verify(tight)
    assert result.exact.status is Agreement.IDENTICAL
    assert result.verdict is Verdict.DIFFERENT
    assert "what the tolerance allows" in (result.reason or "")


def test_no_tolerance_excuses_a_wrong_layout(claim: Claim) -> None:
    from convcheck.sizes.relayouts import parse_relayout

    wrong = dataclasses.replace(
        claim,
        case=dataclasses.replace(
            claim.case,
            tolerance=Tolerance(1e9, 1e9),
            transplant={"weight": parse_relayout("o i kh kw -> o (kh kw i)")},
        ),
    )
    assert verify(wrong).verdict is Verdict.DIFFERENT


def test_a_layer_larger_than_the_machine_is_an_error_before_anything_is_allocated() -> None:
    from convcheck import verify as prove

    result = prove("Conv2d(100000, 100000, 64, stride=64)", rewrite="patchify-linear")
    assert result.verdict == "error"
    assert "the proof needs about" in (result.reason or "")
    assert "PiB" in (result.reason or "")


def test_a_device_that_is_not_there_is_an_error_and_never_equal(claim: Claim) -> None:
    far = dataclasses.replace(claim, case=dataclasses.replace(claim.case, device="cuda:99"))
    result = verify(far)
    assert result.verdict is Verdict.ERROR
    assert "device cuda:99" in (result.reason or "")


def test_what_is_expected_and_missed_is_said(claim: Claim) -> None:
    from convcheck.config.case import Expect

    expect = Expect(Verdict.EQUAL, (2, 8, 3, 4), Sides(1, 152))
    result = verify(dataclasses.replace(claim, case=dataclasses.replace(claim.case, expect=expect)))
    assert result.verdict is Verdict.EQUAL
    assert not result.ok
    assert (
        result.reason
        == "expected the output [2, 8, 3, 4], got [2, 8, 3, 3]; expected 1 parameters in the reference, got 152"
    )


def test_nan_on_integers_is_a_difference_and_no_crash(pair: Pair) -> None:
    broken = spoilt(pair, lambda y: y / 0 * 0)
    evidence = integer_probes.probe(broken, seed=0)
    assert evidence.status is Agreement.DIFFERENT
    assert "against nan" in evidence.findings[1].text
    assert diagnosis.visible_differences(broken, 0, 1) == ("the candidate gives NaN or infinity",)


@pytest.mark.parametrize("name", ["fft", "winograd"])
def test_a_fault_that_rounding_to_integers_hides_is_found_in_float64(name: str) -> None:
    rewrite = catalogue()[name]
    layer = parse_layer("Conv2d(3, 4, 3)")

    def off(*given: object) -> nn.Module:
        return Behind(rewrite.candidate(*given), lambda y: y + 2.0**-24, lambda x: x)

    def weights(*given: object) -> object:
        recipes = rewrite.weights(*given) if callable(rewrite.weights) else rewrite.weights
        return {f"inner.{target}": recipe for target, recipe in recipes.items()}

    wrong = dataclasses.replace(rewrite, candidate=off, weights=weights)  # type: ignore[arg-type]
    case = Case("case", layer, layer.example_inputs(), (name,), dtype="bfloat16")
    assert verify(Claim(case, name, rewrite, ())).verdict is Verdict.EQUAL
    result = verify(Claim(case, name, wrong, ()))
    assert result.exact.status is Agreement.IDENTICAL
    assert result.verdict is Verdict.DIFFERENT
    assert "in float64 the error is" in (result.reason or "")
