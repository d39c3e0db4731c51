"""Shapes, parameters and multiply-accumulates of all layers of a model, as it calls them in a run on fake tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from convcheck.calculator.figures import BYTES, LayerShape, Total
from convcheck.config.checks import DType
from convcheck.errors import ConvcheckError
from convcheck.models.example import Example, as_it_was, call, outputs_of, placed
from convcheck.sides.describe import describe
from convcheck.sizes.patterns import Shape, Shapes


def layer_shapes(
    model: nn.Module, given: Example, dtype: DType
) -> tuple[list[LayerShape], Total, Shapes, tuple[str, ...]]:
    """Return a row for every call of a layer, in order, what all of it sums to, the model's outputs, and notes.

    Notes say what is in no row.

    Nothing is computed where fake tensors are enough; where a model asks for values, it is run.

    Raises:
        ConvcheckError: the model raises.
    """
    example = placed(model, given)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            fake = Example(*tree_map_only(Tensor, mode.from_tensor, (example.positional, dict(example.keywords))))
            rows, total, made = _run(model, fake, dtype)
    except ConvcheckError:
        rows, total, made = _run(model, example, dtype)
    notes = (f"the model gives {', '.join(str(list(shape)) for shape in made)}", *_notes(rows, total))
    return rows, total, tuple(made), notes


def _run(model: nn.Module, example: Example, dtype: DType) -> tuple[list[LayerShape], Total, list[Shape]]:
    rows: list[LayerShape] = []
    counter = FlopCounterMode(display=False)
    with as_it_was(model), counter:
        handles = [
            handle
            for path, module in model.named_modules()
            if not module._modules or _is_whole(module)
            for handle in _watch(path, module, rows, counter, dtype)
        ]
        try:
            output = call(model, example)
        finally:
            for handle in handles:
                handle.remove()
    weight, bias = _counts(model)
    flops = counter.get_total_flops()
    largest = max((row.activation for row in rows), default=None)
    total = Total(weight + bias, weight, bias, flops // 2, flops, largest, None, (), ())
    return rows, total, [tuple(value.shape) for _, value in outputs_of(output)]


def _is_whole(module: nn.Module) -> bool:
    """Tell whether what a module holds is a part of it, and not called by itself."""
    return isinstance(module, nn.MultiheadAttention)


def _watch(
    path: str, module: nn.Module, rows: list[LayerShape], counter: FlopCounterMode, dtype: DType
) -> Iterator[Any]:
    """Add a row for every call of a layer."""
    begun: list[int] = []

    def before(_module: nn.Module, _inputs: Any) -> None:
        begun.append(counter.get_total_flops())

    def after(_module: nn.Module, inputs: tuple[Any, ...], _keywords: Any, output: Any) -> None:
        flops = counter.get_total_flops() - begun.pop()
        shapes = [tuple(value.shape) for value in inputs if isinstance(value, Tensor)]
        made: Shape = next((tuple(value.shape) for _, value in outputs_of(output)), ())
        weight, bias = _counts(module)
        rows.append(
            LayerShape(
                case=None,
                layer=_text(module),
                input=shapes[0] if len(shapes) == 1 else tuple(shapes),
                output=made,
                params=weight + bias,
                macs=flops // 2,
                dropped=None,
                weight=weight,
                bias=bias,
                flops=flops,
                activation=math.prod(made) * BYTES[dtype],
                name=path or None,
            )
        )

    yield module.register_forward_pre_hook(before)
    yield module.register_forward_hook(after, with_kwargs=True)


def _counts(module: nn.Module) -> tuple[int, int]:
    """Return how many parameters are no biases, and how many are; one that stands in several places counts once."""
    bias = sum(value.numel() for name, value in module.named_parameters() if "bias" in name.rpartition(".")[2])
    return sum(value.numel() for value in module.parameters()) - bias, bias


def _text(module: nn.Module) -> str:
    """Return a module as a layer's text; where it is no layer, as torch prints its first line."""
    try:
        return str(describe(module))
    except ConvcheckError:
        extra = " ".join(module.extra_repr().split())
        return f"{type(module).__name__}({extra})"


def _notes(rows: list[LayerShape], total: Total) -> Iterator[str]:
    macs = (total.macs or 0) - sum(row.macs for row in rows)
    own = (total.params or 0) - sum({row.name: row.params for row in rows}.values())
    if macs:
        yield f"{macs:,} MACs are of functions that forward calls outside of the layers listed"
    if own > 0:
        yield f"{own:,} parameters are in no layer listed: of modules that hold others, or that are not called"
    calls = [row.name for row in rows]
    if len(calls) > len(set(calls)):
        again = sorted({name for name in calls if name and calls.count(name) > 1})
        yield f"called more than once, with a row for every call: {', '.join(again[:8])}"
