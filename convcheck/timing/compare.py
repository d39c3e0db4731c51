"""Times both sides of one claim in one way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from convcheck.catalogue.claims import Claim
from convcheck.errors import CannotRunError
from convcheck.results import Result, Sides
from convcheck.timing.comparison import Comparison, Cost, Pass, Settings
from convcheck.timing.compiler import compiled, compiling
from convcheck.timing.intervals import middle_half, ratio_interval, say
from convcheck.timing.modules import CHANNELS_LAST, Standing, may_fail
from convcheck.timing.peak import peak_bytes
from convcheck.timing.rounds import first_call, interleaved


class Runs(NamedTuple):
    """What of a side is timed, and the call whose memory is measured."""

    timed: Callable[[], object]
    whole: Callable[[], object]


def compare(
    claim: Claim, result: Result, modules: Sides[Standing], settings: Settings, threads: int, direction: Pass
) -> Comparison:
    """Time both sides of a claim that was verified.

    Raises:
        CannotRunError: a side cannot be run in this way.
    """
    device, backward = torch.device(claim.case.device), direction is Pass.BACKWARD
    with (
        may_fail(claim),
        torch.random.fork_rng(devices=[]),
        torch.set_grad_enabled(backward),
        # The clock waits for the current device.
        torch.cuda.device(device) if device.type == "cuda" else nullcontext(),
        compiling() if settings.compile else nullcontext(),
    ):
        make = partial(_runs, compile=settings.compile, backward=backward)
        reference, candidate = make(modules.reference), make(modules.candidate)
        cold = Sides(first_call(reference.timed, threads), first_call(candidate.timed, threads))
        seconds = interleaved(Sides(reference.timed, candidate.timed), threads)
        peak = Sides(peak_bytes(reference.whole, device), peak_bytes(candidate.whole, device))
    ratio = ratio_interval(seconds.reference, seconds.candidate)

    def cost(side: str) -> Cost:
        macs, module = getattr(result.macs, side), getattr(modules, side)
        spread = middle_half(getattr(seconds, side))
        moved = module.held_bytes() + _output_bytes(result)
        # What a backward pass computes and reads depends on what of it is constant, and is not counted.
        return Cost(
            *spread,
            cold=getattr(cold, side),
            gflops=None if backward or not macs else 2e-9 * macs / spread.median,
            gb_per_s=None if backward else 1e-9 * moved / spread.median,
            peak_bytes=getattr(peak, side),
        )

    return Comparison(
        case=result.case,
        rewrite=result.rewrite,
        dtype=result.dtype,
        threads=threads,
        device=result.device,
        direction=direction,
        channels_last=settings.channels_last and any(len(shape) in CHANNELS_LAST for shape in claim.case.inputs),
        compile=settings.compile,
        rounds=len(seconds.reference),
        reference=cost("reference"),
        candidate=cost("candidate"),
        ratio=ratio,
        said=say(ratio),
    )


def _runs(one: Standing, *, compile: bool, backward: bool) -> Runs:
    """Return what is timed of a module. Raises CannotRunError if there is nothing to take gradients in."""
    module: Callable[..., Tensor] = compiled(one.module) if compile else one.module
    forward = partial(module, *one.inputs)
    if not backward:
        return Runs(forward, forward)
    output, variables = forward(), one.variables()
    if not output.requires_grad:
        raise CannotRunError("no gradient is taken in anything")
    cotangent = torch.ones_like(output)
    _load_gradients()
    pull_back = partial(_pull_back, variables=variables, cotangent=cotangent)
    return Runs(partial(pull_back, output), lambda: pull_back(forward()))


def _pull_back(output: Tensor, variables: Sequence[Tensor], cotangent: Tensor) -> tuple[Tensor | None, ...]:
    return torch.autograd.grad([output], variables, [cotangent], retain_graph=True, allow_unused=True)


def _load_gradients() -> None:
    """Take some gradient, at the first of which torch loads what no first call of a side is to blame for."""
    one = torch.ones(1, requires_grad=True)
    _pull_back(one * 1, [one], torch.ones(1))


def _output_bytes(result: Result) -> int:
    size = torch.empty((), dtype=getattr(torch, result.dtype)).element_size()
    return math.prod(result.output_shape.reference or ()) * size
