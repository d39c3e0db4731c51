"""The ways to plant a fault in a rewrite: in its weights, around its module, or in the layer that it is told of.

A planted rewrite is a rewrite like any other, and goes the whole way of a claim.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from convcheck.catalogue.claims import Claim
from convcheck.layers import Layer
from convcheck.rewriting.parameter_move import ParameterMove
from convcheck.rewriting.rewrite import Recipe, Rewrite
from convcheck.rewriting.transplant import Merge, Move
from convcheck.sizes.patterns import Shape

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Fault:
    """A rewrite with a fault in it. `kind` is one of the catalogue of faults, `place` says where it was planted."""

    kind: str
    place: str
    rewrite: Rewrite
    change: Change | None = None
    """The fault itself where it is a linear map of one tensor, of `shape`; None where it is more than that."""
    shape: Shape = ()
    parameter: str | None = None
    """The candidate's only parameter that it reaches, if it is in the weights."""
    number: int | None = None
    """The only input that it reaches, if it is in an input."""
    other: Layer | None = None
    """The layer that the rewrite was told of, if it is not the claim's."""


def stages(move: ParameterMove) -> list[Shape]:
    """Return the shapes of the tensors that a move goes through; of what is merged, only the last can be reached."""
    return move.shapes() if isinstance(move, Move) else [move.result()]


def in_weights(claim: Claim, target: str, stage: int, change: Change) -> Rewrite:
    """Return the claim's rewrite with a change of one parameter, `stage` steps into its move.

    All parameters become merges, since from those no way back is asked: what finds the fault is the evidence on values,
    and not that the weights do not come back.
    """
    assert claim.rewrite is not None

    def spoilt(move: ParameterMove) -> Merge:
        def compute(*tensors: Tensor) -> Tensor:
            here = move.target == target
            if not isinstance(move, Move):
                merged = move.forward(dict(zip(move.sources, tensors, strict=True)))
                return change(merged) if here else merged
            (tensor,) = tensors
            for number, step in enumerate(move.steps):
                tensor = step.forward(change(tensor) if here and number == stage else tensor)
            return change(tensor) if here and stage == len(move.steps) else tensor

        return Merge(move.sources, move.result(), compute, str(move))

    recipes: Mapping[str, Recipe | Merge] = {move.target: spoilt(move) for move in claim.transplant().moves}
    return dataclasses.replace(claim.rewrite, weights=recipes)


def around(claim: Claim, *, before: Mapping[int, Change] | None = None, after: Change | None = None) -> Rewrite:
    """Return the claim's rewrite with changes of some inputs of its module, by their numbers, or of its output."""
    return _hooked(claim, before or {}, lambda _inputs, output: after(output) if after else output)


def instead(claim: Claim, compute: Callable[[tuple[Tensor, ...], Tensor], Tensor]) -> Rewrite:
    """Return the claim's rewrite with an output that is made of the inputs and of the right output."""
    return _hooked(claim, {}, compute)


def built_for(claim: Claim, other: Layer) -> Rewrite:
    """Return what the claim's rewrite makes of another layer, cropped or filled up with zeros to the right shape."""
    rewrite, shapes = claim.rewrite, claim.case.inputs
    assert rewrite is not None
    wanted, known = claim.case.layer.output_shape(*shapes), rewrite.weights

    def candidate(_layer: Layer, *rest: Any) -> nn.Module:
        return hooked(rewrite.candidate(other, *rest), {}, lambda _inputs, output: fitted(output, wanted))

    weights = (lambda _layer, *rest: known(other, *rest)) if callable(known) else known
    return dataclasses.replace(rewrite, candidate=candidate, weights=weights)


def fitted(y: Tensor, shape: Shape) -> Tensor:
    """Crop every axis, or fill it up with zeros at its end, to the length that it has in `shape`."""
    if y.dim() != len(shape):
        raise ValueError(f"an output of {y.dim()} axes cannot be fitted to {list(shape)}")
    return functional.pad(y, [width for n, to in zip(y.shape[::-1], shape[::-1], strict=True) for width in (0, to - n)])


def hooked(
    module: nn.Module, before: Mapping[int, Change], compute: Callable[[tuple[Tensor, ...], Tensor], Tensor]
) -> nn.Module:
    """Change inputs and output of a module in place; its parameters keep their names."""

    def first(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(before[number](each) if number in before else each for number, each in enumerate(inputs))

    def last(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return compute(inputs, output)

    module.register_forward_pre_hook(first)
    module.register_forward_hook(last)
    return module


def _hooked(
    claim: Claim, before: Mapping[int, Change], compute: Callable[[tuple[Tensor, ...], Tensor], Tensor]
) -> Rewrite:
    rewrite = claim.rewrite
    assert rewrite is not None
    return dataclasses.replace(rewrite, candidate=lambda *args: hooked(rewrite.candidate(*args), before, compute))
