"""Pairs of plain modules with the same parameters, as evidence in parts takes them."""

from __future__ import annotations

from torch import nn

from convcheck.layers import Statistic
from convcheck.proof.pair import Pair
from convcheck.rewriting.transplant import Move, Transplant
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Shape


def pair_of(
    reference: nn.Module, candidate: nn.Module, *shapes: Shape, masks: tuple[int, ...] = (), added: tuple[int, ...] = ()
) -> Pair:
    """Return two modules as a pair; the inputs `masks` are of booleans, and `added` masks of numbers."""
    sides = (_side(one.eval(), shapes, masks, added) for one in (reference, candidate))
    moves = [
        Move(name, name, tuple(tensor.shape), ()) for name, tensor in reference.state_dict().items() if tensor.ndim
    ]
    return Pair(*sides, Transplant(tuple(moves)), input_scales=(1.0,) * len(shapes))  # type: ignore[arg-type]  # two


def _side(module: nn.Module, shapes: tuple[Shape, ...], masks: tuple[int, ...], added: tuple[int, ...]) -> Side:
    statistics = {}
    for name, part in module.named_modules():
        if isinstance(part, nn.BatchNorm2d):
            shape = (part.num_features,)
            statistics |= {f"{name}.running_mean": Statistic(shape), f"{name}.running_var": Statistic(shape, part.eps)}
    return Side(
        name=type(module).__name__,
        module=module,
        inputs=shapes,
        parameters={name: tuple(tensor.shape) for name, tensor in module.named_parameters()},
        degree=None,
        statistics=statistics,
        boolean_inputs=frozenset(masks),
        mask_inputs=frozenset({*masks, *added}),
    )
