"""The run in the asked dtype: who is off, what cannot be held, and in what precision it was run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from operator import attrgetter

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.config.checks import DType
from convcheck.errors import CannotRunError
from convcheck.layers import parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence import finite, floating_point, rounding
from convcheck.proof.evidence.repetition import moment
from convcheck.proof.pair import Pair
from convcheck.proof.verification import verify
from convcheck.results import Agreement, Result, Verdict
from convcheck.rounding.precision import arithmetic
from convcheck.sides.sample import Sample

pytestmark = pytest.mark.kernels

NAME = "patchify-linear"


def claim(dtype: DType = "float32", layer: str = "Conv2d(3, 8, 2, stride=2)", name: str = NAME) -> Claim:
    parsed = parse_layer(layer)
    return Claim(Case("case", parsed, parsed.example_inputs(), (name,), dtype=dtype), name, catalogue()[name], ())


@dataclasses.dataclass(frozen=True)
class Changed:
    """Numbers of a run that are made of the drawn ones."""

    change: Callable[[Sample], Sample]
    notes: tuple[str, ...] = ()

    def replace(self, sample: Sample) -> Sample:
        return self.change(sample)


def on(asked: Claim, change: Callable[[Sample], Sample]) -> Claim:
    """Return the claim with its numeric part on changed numbers."""
    return dataclasses.replace(asked, case=dataclasses.replace(asked.case, weights=Changed(change)))


def as_kind(kind: type[Pair], pair: Pair) -> Pair:
    """Return a pair that runs as another kind does."""
    return kind(**{field.name: getattr(pair, field.name) for field in dataclasses.fields(pair)})


class FaultyIn(nn.Module):
    """A module whose kernel for one dtype is off in one place, as cuDNN's once was for bfloat16."""

    def __init__(self, inner: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.inner, self.dtype = inner, dtype

    def forward(self, *inputs: Tensor) -> Tensor:
        output: Tensor = self.inner(*inputs)
        if output.dtype == self.dtype:
            output = output.clone()
            output[(0,) * output.ndim] += 1
        return output


def inside(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"inner.{name}": each for name, each in parameters.items()}


class Planted(Pair):
    """A pair, one side of which runs on a faulty kernel."""

    side = "reference"
    dtype = torch.bfloat16

    def run_reference(self, sample: Sample) -> Tensor:
        return self._run("reference", super().run_reference(sample))

    def run_candidate(self, sample: Sample) -> Tensor:
        return self._run("candidate", super().run_candidate(sample))

    def _run(self, side: str, output: Tensor) -> Tensor:
        return FaultyIn(nn.Identity(), self.dtype)(output) if side == self.side else output


def with_faulty_kernel(monkeypatch: pytest.MonkeyPatch, asked: Claim, side: str) -> Result:
    pair = build_pair(asked)
    planted = as_kind(Planted, pair)
    monkeypatch.setattr(Planted, "side", side)
    monkeypatch.setattr(Planted, "dtype", getattr(torch, asked.case.dtype))
    monkeypatch.setattr("convcheck.proof.verification.build_pair", lambda _claim: planted)
    return verify(asked)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(("side", "other"), [("reference", "candidate"), ("candidate", "reference")])
def test_the_referee_says_which_sides_kernel_is_off(
    monkeypatch: pytest.MonkeyPatch, dtype: DType, side: str, other: str
) -> None:
    result = with_faulty_kernel(monkeypatch, claim(dtype), side)
    assert result.verdict is Verdict.DIFFERENT
    assert result.exact.status is Agreement.IDENTICAL
    reason = result.reason or ""
    assert f"the {side} in {dtype} is farther from float64 than its roundings explain: at [0, 0, 0, 0]" in reason
    assert f"the {other} in {dtype} is farther" not in reason
    assert "both agree on integers, so the rewrite is right, and the arithmetic of this platform is off" in reason
    assert getattr(result.referee, side) > getattr(result.referee, other)
    assert result.suggestion is None


def test_where_parts_are_exact_they_say_that_the_rewrite_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = claim("bfloat16", "scaled_dot_product_attention()", "attention-sum")
    result = with_faulty_kernel(monkeypatch, attention, "reference")
    assert "both agree on integers, so the rewrite is right" in (result.reason or "")


def test_a_wrong_rewrite_is_never_put_down_to_the_platform() -> None:
    from convcheck.sizes.relayouts import parse_relayout

    asked = claim("bfloat16")
    wrong = dataclasses.replace(asked.case, transplant={"weight": parse_relayout("o i kh kw -> o (i kw kh)")})
    result = verify(dataclasses.replace(asked, case=wrong))
    assert result.verdict is Verdict.DIFFERENT
    assert "platform" not in (result.reason or "")


def scaled(by: float) -> Callable[[Sample], Sample]:
    return lambda sample: sample.mapped(lambda each: each * by)


@pytest.mark.parametrize(("by", "seen"), [(1e6, "larger ones are given"), (300.0, "comes up on the way")])
def test_numbers_that_a_dtype_cannot_hold_are_an_error_and_no_difference(by: float, seen: str) -> None:
    result = verify(on(claim("float16", "Conv2d(64, 8, 2, stride=2)"), scaled(by)))
    assert result.verdict is Verdict.ERROR
    assert "overflow: float16 holds numbers up to 6.55e+04, and" in (result.reason or "")
    assert seen in (result.reason or "")


def test_what_fits_is_no_overflow() -> None:
    assert verify(on(claim("bfloat16"), scaled(1e6))).verdict is Verdict.EQUAL


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_nan_and_infinity_in_weights_are_placed_and_equal_nothing(dtype: DType, value: float) -> None:
    def spoil(sample: Sample) -> Sample:
        weight = sample.parameters["weight"].clone()
        weight[2, 1, 0, 1] = weight[3, 0, 0, 0] = value
        return Sample(sample.inputs, {**sample.parameters, "weight": weight})

    result = verify(on(claim(dtype), spoil))
    assert result.verdict is Verdict.DIFFERENT
    assert f"weight[2, 1, 0, 1] is {value}, the first of 2 such of 96 numbers" in (result.reason or "")
    assert result.error.max_abs is None
    assert any("not finite: max_abs" in str(note) for note in result.notes)


def test_a_single_nan_is_the_first_of_none() -> None:
    weight = torch.ones(2, 3)
    weight[1, 2] = math.nan
    [fault] = finite.faults(Sample((), {"weight": weight}))
    assert fault == "weight[1, 2] is nan: NaN and infinity equal nothing"


SETTINGS = [
    "backends.fp32_precision",
    "backends.cudnn.fp32_precision",
    "backends.cudnn.conv.fp32_precision",
    "backends.cuda.matmul.fp32_precision",
    "backends.mkldnn.fp32_precision",
    "backends.mkldnn.conv.fp32_precision",
    "backends.mkldnn.matmul.fp32_precision",
    "backends.cuda.matmul.allow_bf16_reduced_precision_reduction",
    "backends.cuda.matmul.allow_fp16_reduced_precision_reduction",
    "backends.cuda.matmul.allow_fp16_accumulation",
]


def put(setting: str, value: object) -> None:
    owner, _, name = setting.rpartition(".")
    setattr(attrgetter(owner)(torch), name, value)


@pytest.fixture
def settings() -> Iterator[Callable[[str, object], None]]:
    """Let a test change settings of torch, and put them back."""
    before = {setting: attrgetter(setting)(torch) for setting in SETTINGS}
    yield put
    for setting, value in before.items():
        put(setting, value)


CPU, CUDA = torch.device("cpu"), torch.device("cuda")
MODES = {
    "TF32 convolutions on CUDA": (CUDA, "backends.cudnn.conv.fp32_precision", "tf32", 2.0**-11),
    "TF32 matrix products on CUDA": (CUDA, "backends.cuda.matmul.fp32_precision", "tf32", 2.0**-11),
    "bfloat16 matrix products on the CPU": (CPU, "backends.mkldnn.matmul.fp32_precision", "bf16", 2.0**-8),
    "bfloat16 convolutions on the CPU": (CPU, "backends.mkldnn.conv.fp32_precision", "bf16", 2.0**-8),
}


@pytest.mark.parametrize(("device", "setting", "mode", "factor"), MODES.values(), ids=MODES.keys())
def test_modes_of_float32_are_read_and_said(
    settings: Callable[[str, object], None], device: torch.device, setting: str, mode: str, factor: float
) -> None:
    for each in SETTINGS[:7]:
        settings(each, "ieee")
    assert arithmetic(torch.float32, device).factor == 0
    assert arithmetic(torch.float32, device).notes == ()
    settings(setting, mode)
    unit = arithmetic(torch.float32, device)
    assert unit.factor == factor
    [note] = unit.notes
    assert note.startswith(f"reduced precision: torch.{setting} is {mode}: factors of float32 products keep fewer bits")
    assert arithmetic(torch.float64, device).factor == 0


REDUCTIONS = {
    "bfloat16 reductions": (torch.bfloat16, "allow_bf16_reduced_precision_reduction"),
    "float16 reductions": (torch.float16, "allow_fp16_reduced_precision_reduction"),
    "float16 accumulation": (torch.float16, "allow_fp16_accumulation"),
}


@pytest.mark.parametrize(("dtype", "name"), REDUCTIONS.values(), ids=REDUCTIONS.keys())
def test_reductions_in_half_precision_are_read_and_said(
    settings: Callable[[str, object], None], dtype: torch.dtype, name: str
) -> None:
    for setting in SETTINGS[7:]:
        settings(setting, False)
    assert arithmetic(dtype, CUDA).accumulator == torch.finfo(torch.float32).eps / 2
    settings(f"backends.cuda.matmul.{name}", True)
    unit = arithmetic(dtype, CUDA)
    assert unit.accumulator == unit.output == torch.finfo(dtype).eps / 2
    assert [name in note for note in unit.notes] == [True]
    assert arithmetic(dtype, CPU).accumulator < unit.accumulator


def test_a_mode_stands_in_the_notes_of_a_result_and_widens_its_bound(settings: Callable[[str, object], None]) -> None:
    before = verify(claim())
    settings("backends.mkldnn.matmul.fp32_precision", "bf16")
    after = verify(claim())
    assert after.verdict is Verdict.EQUAL
    assert any("torch.backends.mkldnn.matmul.fp32_precision is bf16" in str(note) for note in after.notes)
    assert (after.error.bound or 0) > 1000 * (before.error.bound or 0)


def test_factors_rounded_to_tf32_stay_within_the_bound_and_not_within_that_of_float32(
    settings: Callable[[str, object], None],
) -> None:
    """TF32 is made by hand here: a candidate whose factors keep ten bits, as CUDA would take them."""
    settings("backends.mkldnn.matmul.fp32_precision", "ieee")
    asked = claim()
    pair = build_pair(asked)

    def short(tensor: Tensor) -> Tensor:
        bits = tensor.view(torch.int32)
        return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)

    class Tf32(Pair):
        def run_candidate(self, sample: Sample) -> Tensor:
            if sample.inputs[0].dtype == torch.float32:
                weight = {"weight": short(sample.parameters["weight"])}
                sample = Sample((short(sample.inputs[0]),), {**sample.parameters, **weight})
            return super().run_candidate(sample)

    rounded = as_kind(Tf32, pair)
    assert asked.rewrite is not None
    drawn = floating_point.draw(rounded, asked.case)
    assert floating_point.measure(rounded, asked.case, drawn).faults
    settings("backends.mkldnn.matmul.fp32_precision", "tf32")
    within = floating_point.measure(rounded, asked.case, drawn)
    assert not within.faults
    assert (within.deviation.ratio or 0) > 0.01


def test_a_device_that_cannot_run_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = claim()
    assert asked.rewrite is not None
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    case = dataclasses.replace(asked.case, device="cuda:0")
    pair = build_pair(asked)
    with pytest.raises(CannotRunError, match="sees no CUDA device here"):
        floating_point.measure(pair, case, floating_point.draw(pair, case))


def at_scales(*powers: float) -> Callable[[Sample], Sample]:
    """Scale the input, and each parameter in turn, by a power of ten."""

    def change(sample: Sample) -> Sample:
        first, *others = (10.0**power for power in powers)
        parameters = zip(sample.parameters.items(), others, strict=True)
        return Sample(
            tuple(each * first for each in sample.inputs), {name: each * by for (name, each), by in parameters}
        )

    return change


UNDERFLOWS = {
    "every product that is stored": ("Linear(65299, 3, bias=False)", (1, 65299), "broadcast-sum", (-3.4, -0.8)),
    "every product of a window": ("Conv3d(3, 2, 3, bias=False)", (3, 3, 3, 3), "windows-sum", (-1.6, -3.3)),
    "what lies between two layers": (
        "Sequential(Conv3d(1, 2, (2, 2, 1), bias=False), Conv3d(2, 1, 1, bias=False))",
        (1, 1, 4, 4, 4),
        "merge-convs",
        (-4.3, -2.2, 4.7),
    ),
    "a merged weight": (
        "Sequential(Conv1d(1, 1, 1, bias=False), Conv1d(1, 1, 1, bias=False))",
        (1, 2),
        "merge-convs",
        (3.0, -4.5, -0.4),
    ),
}


@pytest.mark.parametrize(("layer", "shape", "name", "powers"), UNDERFLOWS.values(), ids=UNDERFLOWS.keys())
def test_what_is_lost_below_the_normal_range_is_in_the_bound(
    layer: str, shape: tuple[int, ...], name: str, powers: tuple[float, ...]
) -> None:
    parsed = parse_layer(layer)
    for seed in range(5):
        case = Case("case", parsed, (shape,), (name,), dtype="float16", seed=seed)
        result = verify(on(Claim(case, name, catalogue()[name], ()), at_scales(*powers)))
        assert result.verdict is Verdict.EQUAL, result.reason


def test_what_overflows_between_two_layers_is_said_as_overflow() -> None:
    layer = "Sequential(Conv2d(2, 4, 1, bias=False), Conv2d(4, 2, 1, bias=False))"
    parsed = parse_layer(layer)
    case = Case("case", parsed, ((2, 2, 3, 3),), ("merge-convs",), dtype="float16")
    claim = Claim(case, "merge-convs", catalogue()["merge-convs"], ())
    result = verify(on(claim, at_scales(3.0, 3.0, -5.0)))
    assert result.verdict is Verdict.ERROR
    assert "overflow: float16 holds numbers up to 6.55e+04, and" in (result.reason or "")
    assert "comes up on the way" in (result.reason or "")


def outweighed_by_bias(sample: Sample) -> Sample:
    """Make all products positive and tiny beside the bias, so that nearly all are lost when they are added to it."""
    weight, bias = sample.parameters["weight"].abs(), sample.parameters["bias"]
    return Sample((sample.inputs[0].abs(),), {"weight": weight * 1e-4, "bias": bias * 1e4})


def outweighed_by_a_channel(sample: Sample) -> Sample:
    """Make all products positive, and those of the first channel 10^7 times as large as the others."""
    x = sample.inputs[0].abs().clone()
    x[:, 0] *= 1e7
    return Sample((x,), {name: each.abs() for name, each in sample.parameters.items()})


LONG, LONG_INPUT = parse_layer("Conv3d(3621, 2, 3)"), (2, 3621, 3, 3, 3)
FLATTEN = catalogue()["flatten-linear"]


@pytest.mark.parametrize("change", [outweighed_by_bias, outweighed_by_a_channel])
@pytest.mark.parametrize("name", ["flatten-linear", "unfold-matmul", "windows-sum"])
def test_products_that_are_lost_beside_a_larger_one_are_in_the_bound(
    name: str, change: Callable[[Sample], Sample]
) -> None:
    """Such errors are not independent: all of them have the sign of what is lost."""
    for seed in range(3):
        case = Case("case", LONG, (LONG_INPUT,), (name,), seed=seed)
        result = verify(on(Claim(case, name, catalogue()[name], ()), change))
        assert result.verdict is Verdict.EQUAL, result.reason


class LargestFirst(Pair):
    """A pair whose candidate adds products one after another in float32, the largest first, so that others are lost.

    Its reference is the truth, rounded once: some kernels add in this very order, and lose as much.
    """

    def run_reference(self, sample: Sample) -> Tensor:
        return super().run_reference(sample.mapped(Tensor.double)).to(sample.inputs[0].dtype)

    def run_candidate(self, sample: Sample) -> Tensor:
        if sample.inputs[0].dtype != torch.float32:
            return super().run_candidate(sample)
        x, weight, bias = sample.inputs[0], sample.parameters["weight"], sample.parameters["bias"]
        products = (x[:, None] * weight[None]).flatten(2)
        addends = torch.cat([bias.expand(len(x), -1)[..., None], products], -1)
        addends = addends.gather(-1, addends.abs().argsort(-1, descending=True))
        # A sum that torch makes may be made in parts, or in more precision; this one rounds at every step.
        assert addends.dtype == torch.float32
        sums = np.add.accumulate(addends.numpy(), axis=-1)[..., -1]
        return torch.from_numpy(sums)[..., None, None, None]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("change", [outweighed_by_bias, outweighed_by_a_channel])
def test_the_bound_is_exceeded_by_what_is_lost_beside_a_larger_product_if_the_norm_is_left_out(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Sample], Sample], seed: int
) -> None:
    case = Case("case", LONG, (LONG_INPUT,), ("flatten-linear",), seed=seed)
    claim = Claim(case, "flatten-linear", FLATTEN, ())
    pair = build_pair(claim)
    by_hand = as_kind(LargestFirst, pair)
    drawn = change(floating_point.draw(pair, case))

    def ratio() -> float:
        return floating_point.measure(by_hand, case, drawn).deviation.ratio or 0

    assert ratio() <= 1
    right = rounding.Truth
    monkeypatch.setattr(
        rounding, "Truth", lambda **known: right(**{**known, "norm": torch.zeros_like(known["magnitude"])})
    )
    assert ratio() > 1


class Neighbours(Pair):
    """A pair whose sides are the two numbers of the dtype between which the truth is."""

    def run_reference(self, sample: Sample) -> Tensor:
        return self._rounded(sample, down=True)

    def run_candidate(self, sample: Sample) -> Tensor:
        return self._rounded(sample, down=False)

    def _rounded(self, sample: Sample, *, down: bool) -> Tensor:
        truth = super().run_reference(sample.mapped(Tensor.double))
        dtype = sample.inputs[0].dtype
        nearest = truth.to(dtype)
        beyond = nearest.double() > truth if down else nearest.double() < truth
        towards = torch.full_like(nearest, -math.inf if down else math.inf)
        return torch.where(beyond, torch.nextafter(nearest, towards), nearest)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_truth_rounded_up_and_down_uses_most_of_the_bound_and_no_more_than_all(dtype: DType) -> None:
    """In half precision one rounding is most of the error, and two neighbours are as far apart as it allows."""
    asked = claim(dtype)
    assert asked.rewrite is not None
    pair = as_kind(Neighbours, build_pair(asked))
    seen = floating_point.measure(pair, asked.case, floating_point.draw(pair, asked.case))
    assert 0.5 < (seen.deviation.ratio or 0) <= 1


def test_inputs_and_weights_are_not_correlated() -> None:
    """They come from different streams of the seed."""
    layer = parse_layer("Linear(5000, 8, bias=False)")
    for seed in range(5):
        case = Case("case", layer, ((8, 5000),), ("linear-as-conv1x1",), seed=seed)
        pair = build_pair(Claim(case, "linear-as-conv1x1", catalogue()["linear-as-conv1x1"], ()))
        drawn = floating_point.draw(pair, case)
        x, weight = drawn.inputs[0], drawn.parameters["weight"]
        correlation = torch.corrcoef(torch.cat([x, weight]))[:8, 8:]
        # Of independent rows of n numbers it has a standard deviation of 1 / sqrt(n).
        assert correlation.abs().max() < 5 / 5000**0.5


def constant(sample: Sample) -> Sample:
    """Make all inputs equal, and all weights."""
    return sample.mapped(lambda each: torch.full_like(each, float(each.flatten()[0])))


REPEATED = {
    "a matrix product": ("Linear(89511, 3, bias=False)", (1, 89511), "broadcast-sum", "float64"),
    "loops": ("Conv1d(33578, 4, 1, groups=2)", (33578, 2), "loops", "float64"),
    "a transposed convolution": (
        "ConvTranspose3d(50071, 2, 1, bias=False)",
        (1, 50071, 1, 1, 2),
        "matmul-fold",
        "float32",
    ),
    "merged convolutions": (
        "Sequential(Conv1d(13423, 2, 3), Conv1d(2, 2, 1))",
        (2, 13423, 3),
        "merge-convs",
        "float32",
    ),
}


@pytest.mark.parametrize(("layer", "shape", "name", "dtype"), REPEATED.values(), ids=REPEATED.keys())
def test_errors_that_repeat_are_in_the_bound(layer: str, shape: tuple[int, ...], name: str, dtype: DType) -> None:
    """Adding the same number again and again makes the same error again and again."""
    parsed = parse_layer(layer)
    for seed in range(4):
        case = Case("case", parsed, (shape,), (name,), dtype=dtype, seed=seed)
        result = verify(on(Claim(case, name, catalogue()[name], ()), constant))
        assert result.verdict is Verdict.EQUAL, result.reason


def test_products_that_differ_have_the_moment_of_their_number_and_equal_ones_its_square() -> None:
    layer = parse_layer("Linear(4000, 5, bias=False)")
    case = Case("case", layer, ((20, 4000),), ("linear-as-conv1x1",))
    pair = build_pair(Claim(case, "linear-as-conv1x1", catalogue()["linear-as-conv1x1"], ()))
    drawn = floating_point.draw(pair, case).mapped(Tensor.double)
    assert moment(pair, drawn, 4000, 2.0**-24) == 4000
    assert moment(pair, constant(drawn), 4000, 2.0**-24) == 4000**2
    blocks = drawn.mapped(lambda each: each[:, :40].repeat_interleave(100, 1))
    assert 4000 * 100 / 4 < moment(pair, blocks, 4000, 2.0**-24) < 4000 * 100 * 8


@pytest.mark.parametrize("eps", [2.0**-17, 0.25])
def test_a_batchnorm_behind_a_sum_changes_nothing_of_its_moment_whatever_the_eps(eps: float) -> None:
    """It scales whole channels; the sign of its bias is one more beside thousands."""

    def blocks(text: str, rewrite: str) -> float:
        case = Case("case", parse_layer(text), ((20, 4000),), (rewrite,))
        pair = build_pair(Claim(case, rewrite, catalogue()[rewrite], ()))
        drawn = floating_point.draw(pair, case).mapped(Tensor.double)
        # Only the vectors of a BatchNorm have one axis.
        repeated = drawn.mapped(lambda each: each[:, :40].repeat_interleave(100, 1) if each.ndim == 2 else each)
        return moment(pair, repeated, 4000, 2.0**-24)

    chain = f"Sequential(Linear(4000, 5, bias=False), BatchNorm1d(5, eps={eps}))"
    alone = blocks("Linear(4000, 5, bias=False)", "linear-as-conv1x1")
    assert alone > 4000 * 100 / 4
    assert blocks(chain, "fold-batchnorm") == pytest.approx(alone, rel=0.05)
