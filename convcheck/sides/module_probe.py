"""Runs a user's module on a probe, forwards and backwards, and holds it against the layer that it was read as.

Attributes are what a module says of itself; what it computes is its call. The layer is built anew and computes with the
same tensors, on the same device and in the same dtype. It goes through the same kernels, so outputs and gradients are
the same bit for bit, or the module is something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from convcheck.errors import CannotRunError
from convcheck.modules.build import build
from convcheck.modules.operations import AttentionOutput
from convcheck.sides import samples
from convcheck.sides.effective_tensors import left_as_it_was
from convcheck.sides.read_weights import ModuleWeights
from convcheck.sides.sample import Sample
from convcheck.sides.side import torch_may_refuse
from convcheck.sizes.patterns import Shape, Shapes

EIGHTHS = 16
"""Numbers of a probe are so many eighths at most, which every dtype holds."""

EXPONENTS = ((0, 1), (-3, 7))
"""For every probe, the range of powers of two that its numbers are multiplied with: what is added shows beside small
numbers, and what is clipped at large ones."""


_WAY_OUT = "pass a plain module of torch, or say as layers what it computes"

Compute = Callable[..., Tensor]


@dataclass(frozen=True)
class _Run:
    """An output, and its gradients by name; a parameter that is frozen has none."""

    output: Tensor
    gradients: Mapping[str, Tensor]


def departures(module: nn.Module, read: ModuleWeights, shapes: Shapes, seed: int) -> tuple[str, ...]:
    """Return sentences on where a module in eval mode is not the layer that it was read as. It is left as it was.

    Raises:
        CannotRunError: torch cannot run the layer on the module's device, in its dtype.
    """
    generator = torch.Generator().manual_seed(seed)
    name = type(module).__name__
    # Tensors that were made in inference mode take no gradients.
    inference = any(tensor.is_inference() for tensor in read.tensors.values())
    with left_as_it_was(module) as changed, torch.inference_mode(inference):
        for exponents in EXPONENTS:
            inputs = _inputs(read, shapes, exponents, generator)
            cotangent = _numbers(read.layer.output_shape(*shapes), exponents, generator)
            try:
                with torch_may_refuse():
                    due = _run(*_described(read), inputs, cotangent)
            except CannotRunError as error:
                raise CannotRunError(f"{read.layer} on the device and in the dtypes of {name}: {error}") from None
            try:
                faults = tuple(_unlike(_run(_call(module), _stored(read), inputs, cotangent), due))
            except Exception as error:  # whatever the user's code raises
                lines = str(error).splitlines() or [""]
                faults = (f"raises {type(error).__name__} where {read.layer} computes: {lines[0]}",)
            faults += tuple(f"changes its {tensor} when it is called" for tensor in changed())
            if faults:
                return (*(f"{name} {fault}" for fault in faults), _WAY_OUT)
    return ()


def _inputs(
    read: ModuleWeights, shapes: Shapes, exponents: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Draw inputs on the module's device and in its dtype."""
    like = next(iter(read.tensors.values()), torch.empty(()))
    masks = read.layer.boolean_inputs()
    return tuple(
        samples.masks(shape, generator).to(like.device)
        if number in masks
        else _numbers(shape, exponents, generator).to(like)
        for number, shape in enumerate(shapes)
    )


def _numbers(shape: Shape, exponents: tuple[int, int], generator: torch.Generator) -> Tensor:
    eighths = torch.randint(-EIGHTHS, EIGHTHS + 1, shape, generator=generator)
    return torch.ldexp(eighths / 8, torch.randint(*exponents, shape, generator=generator))


def _described(read: ModuleWeights) -> tuple[Compute, dict[str, Tensor]]:
    """Return the layer as a function, and what its gradients are taken in: copies that share the module's memory."""
    with torch.device("meta"):
        # A run uses the module's tensors only.
        built = build(read.layer).eval()
    tensors = {name: tensor.detach() for name, tensor in read.tensors.items()}
    # torch may choose another kernel where a weight asks for a gradient.
    for name in read.trained:
        tensors[name].requires_grad_()
    return lambda *inputs: functional_call(built, tensors, inputs), {name: tensors[name] for name in _stored(read)}


def _stored(read: ModuleWeights) -> dict[str, Tensor]:
    """Return the module's parameters, by the layer's names, that are stored as such and take a gradient."""
    stored = {name: owner._parameters.get(attribute) for name, (owner, attribute) in read.homes.items()}
    return {name: tensor for name, tensor in stored.items() if tensor is not None and name in read.trained}


def _call(module: nn.Module) -> Compute:
    """Return the module as a function with one output."""
    if not isinstance(module, nn.MultiheadAttention) or isinstance(module, AttentionOutput):
        return module

    def attend(*inputs: Tensor) -> Tensor:
        query, key, value = inputs[:3] if len(inputs) > 1 else inputs * 3
        mask = inputs[3] if len(inputs) > 3 else None
        output: Tensor = module(query, key, value, need_weights=False, attn_mask=mask)[0]
        return output

    return attend


def _run(compute: Compute, variables: Mapping[str, Tensor], inputs: tuple[Tensor, ...], cotangent: Tensor) -> _Run:
    """Return the output, and the gradients of the inputs of numbers and of `variables`, which keep those they hold."""
    # Both sides draw the same numbers, if any.
    torch.default_generator.manual_seed(0)
    graded = not torch.is_inference_mode_enabled()
    leaves = tuple(tensor.clone().requires_grad_(graded and tensor.is_floating_point()) for tensor in inputs)
    output = compute(*leaves)
    if not isinstance(output, Tensor):
        raise TypeError(f"its output is a {type(output).__name__}")
    named = Sample(leaves, variables).variables()
    before = {name: leaf.grad for name, leaf in named.items()}
    try:
        for leaf in named.values():
            leaf.grad = None
        if output.requires_grad:
            torch.autograd.backward(output, cotangent.to(output), inputs=list(named.values()))
        gradients = {
            name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad.clone() for name, leaf in named.items()
        }
    finally:
        for name, leaf in named.items():
            leaf.grad = before[name]
    return _Run(output.detach(), gradients)


def _unlike(real: _Run, due: _Run) -> Iterator[str]:
    """Yield sentences on what of a run is not as it is due."""
    if real.output.shape != due.output.shape or real.output.dtype != due.output.dtype:
        sides = (f"{side.output.dtype} of {list(side.output.shape)}" for side in (real, due))
        yield "computes {}, and its attributes say {}".format(*sides)
        return
    same = _same(real.output, due.output)
    if not same.all():
        place = tuple((~same).nonzero()[0].tolist())
        values = (float(output[place]) for output in (real.output, due.output))
        yield (
            f"computes something else than its attributes say: on a probe {int((~same).sum())} of {same.numel()} "
            "outputs differ, the first at {}: {:.9g} against {:.9g}".format(list(place), *values)
        )
    names = [name for name, gradient in due.gradients.items() if not _same(real.gradients[name], gradient).all()]
    if names:
        yield f"has other gradients than its attributes say: on a probe, those of {', '.join(names)} differ"


def _same(a: Tensor, b: Tensor) -> Tensor:
    """Tell of every entry whether it is the same number, or NaN on both sides."""
    return (a == b) | (a.isnan() & b.isnan())
