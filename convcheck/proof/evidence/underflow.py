"""What is lost of values below the normal range where they are stored on the way, and then multiplied again.

Half of the smallest positive number, s/2, is lost at most of a value that is stored (a sum of two stored numbers loses
nothing there). In a chain, what follows multiplies it: what layer i loses, rounding R_i times, reaches the output as

    s/2 * R_i * |W_n| * ... * |W_(i+1)| * 1

and what is lost of a merged weight is multiplied with the input: s/2 * 1 * |x|, and s/2 of a merged bias.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from convcheck.layers import Sequential
from convcheck.proof.evidence import samples
from convcheck.proof.evidence.pair import Pair
from convcheck.proof.evidence.samples import Point
from convcheck.results import Sides
from convcheck.rewriting.transplant import Merge


def lost_between(pair: Pair, exactly: Point) -> Sides[Tensor | float]:
    """Return, for both sides, how often s/2 reaches an output besides what is lost of the output itself."""
    return Sides(_in_chain(pair, exactly), _in_merged(pair, exactly))


def _in_chain(pair: Pair, exactly: Point) -> Tensor | float:
    layer, chain = pair.layer, pair.reference
    if not isinstance(layer, Sequential):
        return 0.0
    assert isinstance(chain, nn.Sequential)
    at = samples.magnitudes(layer, exactly)
    (value,), lost = at.inputs, None
    for index, (each, module) in enumerate(zip(layer.layers, chain, strict=True)):
        own = {name.removeprefix(f"{index}."): p for name, p in at.parameters.items() if name.startswith(f"{index}.")}

        def run(x: Tensor, module: nn.Module = module, own: dict[str, Tensor] = own) -> Tensor:
            y: Tensor = functional_call(module, own, (x,))
            return y

        made = run(value)
        # Layers are affine: what comes in is multiplied, and the bias cancels.
        carried = torch.zeros_like(made) if lost is None else run(lost) - run(torch.zeros_like(lost))
        rounded = each.roundings()
        last = index == len(layer.layers) - 1
        lost, value = carried + (0 if last else rounded.sums + int(rounded.bias_apart)), made
    assert lost is not None
    return lost


def _in_merged(pair: Pair, exactly: Point) -> Tensor | float:
    if not pair.transplant.merges():
        return 0.0
    ones = {
        move.target: torch.full(move.result(), float(isinstance(move, Merge)), dtype=torch.float64)
        for move in pair.transplant.moves
    }
    inputs = tuple(each.abs() for each in exactly.inputs)
    lost: Tensor = functional_call(pair.candidate, ones, inputs)
    return lost
