"""A convolution in strips is what torch computes at once: bit for bit on whole numbers, forwards and backwards."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from convcheck import verify
from convcheck.proof import batch, strips
from convcheck.proof.observations import pull_back
from convcheck.proof.strip import Strip
from convcheck.results import Verdict
from convcheck.sizes.patterns import Shape

CLAIMS = [
    ("Conv2d(2, 3, 3, padding=1)", (1, 2, 12, 9), "explicit-pad"),
    ("Conv1d(2, 3, 3, padding=2, dilation=2, padding_mode='reflect')", (1, 2, 40), "explicit-pad"),
    ("Conv3d(2, 2, 3, groups=2)", (1, 2, 6, 5, 4), "time-sum"),
    ("ConvTranspose2d(2, 3, 3, stride=2)", (1, 2, 9, 7), "zeroinsert-conv"),
    # torch.nn.grad has one number for all axes.
    ("ConvTranspose2d(3, 2, 3, padding=1)", (1, 3, 6, 7), "transposed-as-gradient"),
]


class Drawn(NamedTuple):
    """What torch's operator for convolutions takes."""

    given: Tensor
    weight: Tensor
    bias: Tensor | None
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    transposed: bool
    output_padding: list[int]
    groups: int

    @property
    def variables(self) -> list[Tensor]:
        return [tensor for tensor in self[:3] if isinstance(tensor, Tensor)]


@st.composite
def convolutions(draw: st.DrawFn) -> Drawn:
    """Draw a convolution of whole numbers, of one to three dimensions, that torch computes."""
    dims, transposed, groups = draw(st.integers(1, 3)), draw(st.booleans()), draw(st.integers(1, 3))

    def lengths(least: int, most: int) -> list[int]:
        return draw(st.lists(st.integers(least, most), min_size=dims, max_size=dims))

    ours, theirs = groups * draw(st.integers(1, 2)), draw(st.integers(1, 2))
    taps, space, stride, dilation = lengths(1, 4), lengths(1, 9), lengths(1, 4), lengths(1, 3)
    # More than a kernel reaches: the first windows then meet zeros alone.
    padding = lengths(0, 9)
    more = [draw(st.integers(0, max(step, apart) - 1)) for step, apart in zip(stride, dilation, strict=True)]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))

    def whole(*shape: int) -> Tensor:
        return torch.randint(-99, 100, shape, generator=generator).double().requires_grad_()

    shapes = (theirs * groups, ours // groups) if not transposed else (ours, theirs)
    given = whole(draw(st.integers(1, 3)), ours, *space)
    if dims == 2 and draw(st.booleans()):
        given = given.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    channels = theirs * groups
    bias = whole(channels) if draw(st.booleans()) else None
    drawn = Drawn(given, whole(*shapes, *taps), bias, stride, padding, dilation, transposed, more, groups)
    return drawn if transposed else drawn._replace(output_padding=[0] * dims)


def results(drawn: Drawn) -> list[Tensor]:
    """Return the output of torch's operator, and the gradients of a sum of all entries, each once to seven times."""
    output = torch.convolution(*drawn)
    times = torch.arange(output.numel(), dtype=torch.float64).reshape(output.shape) % 7 + 1
    return [output, *pull_back(output, drawn.variables, times)]


def in_strips_of(values: int, drawn: Drawn) -> list[Tensor]:
    """Return the same, strip by strip."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "are_many", lambda *_: True)
        patch.setattr(strips, "STRIP", values)
        with strips.Strips():
            return results(drawn)


def at_once(drawn: Drawn) -> list[Tensor]:
    """Return what torch computes; discard an example of which it computes nothing."""
    try:
        return results(drawn)
    except RuntimeError:
        # No output is left.
        assume(False)
        raise


@given(convolutions(), st.integers(1, 200))
def test_whole_numbers_are_the_same_bit_for_bit(drawn: Drawn, values: int) -> None:
    for whole, in_strips in zip(at_once(drawn), in_strips_of(values, drawn), strict=True):
        assert torch.equal(whole, in_strips)


@given(convolutions(), st.integers(1, 200))
def test_other_numbers_are_the_same_but_for_rounding(drawn: Drawn, values: int) -> None:
    torch.manual_seed(0)
    numbers = [
        torch.randn_like(tensor).requires_grad_() if isinstance(tensor, Tensor) else None for tensor in drawn[:3]
    ]
    drawn = drawn._make((*numbers, *drawn[3:]))
    at_one_time, in_turn = at_once(drawn), in_strips_of(values, drawn)
    sizes = results(drawn._make((*(None if one is None else one.abs() for one in numbers), *drawn[3:])))
    for whole, in_strips, size in zip(at_one_time, in_turn, sizes, strict=True):
        # No sum has more products.
        terms = drawn.given.numel() * drawn.weight.numel()
        assert bool(((whole - in_strips).abs() <= 2 * terms * 2.0**-53 * size).all())


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_no_more_windows_are_laid_out_than_a_strip_has(
    monkeypatch: pytest.MonkeyPatch, transposed: bool, groups: int
) -> None:
    monkeypatch.setattr(batch, "MANY", 1)
    monkeypatch.setattr(strips, "STRIP", 4 * 9 * 40 * 2)
    kind = torch.nn.ConvTranspose2d if transposed else torch.nn.Conv2d
    layer = kind(4 * groups, 4 * groups, 3, padding=1, groups=groups, dtype=torch.float64)
    x = torch.randn(1, 4 * groups, 40, 40, dtype=torch.float64, requires_grad=True)

    def largest() -> int:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            y = layer(x)
            pull_back(y, [x, layer.weight], torch.ones_like(y))
        return max(event.nbytes() for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]")

    whole = largest()
    with strips.Strips():
        in_strips = largest()
    assert whole >= 8 * 4 * 9 * 1600
    assert in_strips <= 8 * x.numel()


@pytest.mark.parametrize(("layer", "shape", "rewrite"), CLAIMS)
def test_a_proof_says_the_same(monkeypatch: pytest.MonkeyPatch, layer: str, shape: Shape, rewrite: str) -> None:
    whole = verify(layer, shape, rewrite)
    made = []

    def strip(*given: object) -> Strip:
        made.append(given)
        return Strip(*given)

    monkeypatch.setattr(strips, "Strip", strip)
    for module, name, value in ((batch, "MANY", 1), (strips, "MANY", 1), (strips, "STRIP", 300)):
        monkeypatch.setattr(module, name, value)
    in_strips = verify(layer, shape, rewrite)
    assert in_strips.verdict is whole.verdict is Verdict.EQUAL
    assert (in_strips.exact, in_strips.gradients, in_strips.notes) == (whole.exact, whole.gradients, whole.notes)
    assert len(made) > 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_dtypes_are_left_to_torch(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    monkeypatch.setattr(batch, "MANY", 1)
    monkeypatch.setattr(strips, "Strip", None)
    with strips.Strips():
        torch.nn.Conv2d(2, 3, 3, dtype=dtype)(torch.ones(1, 2, 9, 9, dtype=dtype)).sum().backward()


def test_a_small_proof_enters_no_mode() -> None:
    assert not isinstance(strips.in_strips(batch.MANY), strips.Strips)
    assert isinstance(strips.in_strips(batch.MANY + 1), strips.Strips)


def test_torch_loads_no_compiler_for_the_mode() -> None:
    program = (
        "import sys, torch; from convcheck.proof.strips import Strips\n"
        "with Strips(): torch.ones(3) + 1\n"
        "print(*(name for name in ('sympy', 'torch._dynamo') if name in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert not run.stdout.strip()
