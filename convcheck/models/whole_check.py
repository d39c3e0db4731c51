"""Holds a swapped model against the model on its example inputs: identical, within a bound, or different.

Where outputs are not identical, what rounding explains is measured, not guessed. On the inputs that a swapped layer
really gets, either side is within `B = (lambda sqrt(n) u_sum + r u) |W| * |x|` of the truth, entry by entry: n products
in a sum, r roundings to the dtype (Higham and Mary 2019, theorem 3.1). First it is seen that the distance of both sides
is below 2 B. Then the model is run with 2 B added to the outputs of these layers, with random signs: an error of
the layers of this size, through whatever the model does with it. The bound is the most that this moves an output, in
several draws. Errors of a swap are below 2 B, most of them far below, and of no other pattern, so they move outputs
less. It is an argument, not a proof: signs could be chosen that do worse than all draws.

The same is done in float64, where the model runs in it. There the bound is some 1e-9 of that in float32, and what a
wrong swap changes does not shrink with it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import ModuleType

import torch
from torch import Tensor, nn

from convcheck.catalogue.catalogue import catalogue
from convcheck.errors import ConvcheckError
from convcheck.models.example import Example, as_it_was, call, outputs_of, placed
from convcheck.models.records import Check, Place, write_place
from convcheck.models.swap_file import Key
from convcheck.modules.build import build
from convcheck.rounding.precision import LAMBDA, arithmetic

DRAWS = 4
"""How often the model is run with errors of random signs."""

TOP = 5
"""How many of the largest entries of a row are compared."""


def check(model: nn.Module, example: Example, code: ModuleType, swaps: Mapping[Place, Key]) -> Check:
    """Compare a model with a swapped copy of it, in its own dtype and in float64. The model is left as it was.

    Raises:
        ConvcheckError: the model raises.
    """
    swapped = copy.deepcopy(model)
    code.swap(swapped)
    with as_it_was(model), as_it_was(swapped):
        before = _outputs(model, example)
        try:
            after = _outputs(swapped, example)
        except ConvcheckError as error:
            return Check("different", None, None, reason=f"after the swap {error}")
        if reason := _unlike(before, after):
            return Check("different", None, None, reason=reason)
        agree = _agreement(before, after)
        distance = _distance(before, after)
        if _identical(before, after):
            return Check("identical", 0.0, 0.0, None, None, *agree)
        try:
            bound = _bound(model, swapped, example, swaps, before)
        except ValueError as error:
            return Check("different", distance, None, None, None, *agree, reason=str(error))
    wide, wide_bound = _in_float64(model, example, code, swaps)
    reasons = []
    if not distance <= bound:
        reasons.append(f"outputs are {distance:.3g} apart, and rounding explains {bound:.3g}")
    if wide is not None and wide_bound is not None and not wide <= wide_bound:
        reasons.append(f"in float64 outputs are {wide:.3g} apart, and rounding explains {wide_bound:.3g}")
    scale = max(float(tensor.double().square().mean().sqrt()) for tensor in before.values() if tensor.numel())
    if not reasons and wide is None and not bound < scale:
        reasons.append(f"the bound, {bound:.3g}, is no less than the outputs, and the model does not run in float64")
    status = "different" if reasons else "within-bound"
    return Check(status, distance, bound, wide, wide_bound, *agree, reason="; ".join(reasons) or None)


def _in_float64(
    model: nn.Module, example: Example, code: ModuleType, swaps: Mapping[Place, Key]
) -> tuple[float | None, float | None]:
    """Return the distance and its bound in float64; None where the model does not run in it."""
    with suppress(ConvcheckError):
        sides = [copy.deepcopy(model).double() for _ in range(2)]
        code.swap(sides[1])
        inputs = placed(sides[0], example)
        with as_it_was(sides[0]), as_it_was(sides[1]):
            before, after = _outputs(sides[0], inputs), _outputs(sides[1], inputs)
            try:
                bound = _bound(sides[0], sides[1], inputs, swaps, before)
            except ValueError:
                bound = 0.0
            return _distance(before, after), bound
    return None, None


def _outputs(model: nn.Module, example: Example) -> dict[str, Tensor]:
    # A model may write into what it returns, or into its inputs.
    inputs = Example(*copy.deepcopy((example.positional, dict(example.keywords))))
    return {path: tensor.clone() for path, tensor in outputs_of(call(model, inputs))}


def _unlike(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> str | None:
    shapes = [{path: tuple(tensor.shape) for path, tensor in side.items()} for side in (before, after)]
    if not before:
        return "the model returns no tensor of numbers, so nothing can be compared"
    return None if shapes[0] == shapes[1] else f"outputs are {shapes[1]} after the swap, and {shapes[0]} before"


def _identical(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> bool:
    return all(
        bool(((tensor == after[path]) | (tensor.isnan() & after[path].isnan())).all())
        for path, tensor in before.items()
    )


def _distance(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    """Return the largest distance of any entry; NaN or infinity on one side alone is infinitely far."""
    most = 0.0
    for path, tensor in before.items():
        ours, theirs = tensor.double(), after[path].double()
        apart = torch.where((ours == theirs) | (ours.isnan() & theirs.isnan()), 0.0, (ours - theirs).abs())
        most = max(most, float(apart.nan_to_num(math.inf).max()) if apart.numel() else 0.0)
    return most


def _agreement(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> tuple[float | None, float | None]:
    """Return the share of rows of logits with one argmax, and of those with the same largest entries."""
    path = next((path for path in before if path.rpartition(".")[2] == "logits"), next(iter(before)))
    ours, theirs = before[path], after[path]
    if not ours.dim() or ours.shape[-1] < 2 or not ours.numel():
        return None, None
    largest = [side.double().topk(min(TOP, side.shape[-1])).indices for side in (ours, theirs)]
    first = largest[0][..., 0] == largest[1][..., 0]
    same = (largest[0].sort().values == largest[1].sort().values).all(-1)
    return float(first.double().mean()), float(same.double().mean())


def _bound(
    model: nn.Module, swapped: nn.Module, example: Example, swaps: Mapping[Place, Key], before: Mapping[str, Tensor]
) -> float:
    """Return how far rounding in the swapped layers may move an output.

    Raises:
        ValueError: a swapped layer is farther from its layer than rounding explains, on the inputs that it gets.
    """
    generator = torch.Generator().manual_seed(0)
    most, faults = 0.0, list[str]()
    for draw in range(DRAWS):

        def disturb(place: Place, layer: nn.Module, x: Tensor, y: Tensor, first: bool = draw == 0) -> Tensor:
            limit = 2 * _error(layer, swaps[place], x, y)
            if first:
                apart = (swapped.get_submodule(place[0])(x).double() - y.double()).abs()
                if not bool((apart <= limit).all()):
                    ratio = float((apart / limit).nan_to_num(math.inf).max())
                    faults.append(
                        f"{write_place(place)}: on its inputs the swap is {ratio:.3g} times as far as rounding explains"
                    )
            signs = torch.randint(2, y.shape, generator=generator).to(y.device) * 2 - 1
            return (y.double() + signs * limit).to(y.dtype)

        with _disturbed(model, swaps, disturb):
            most = max(most, _distance(before, _outputs(model, example)))
        if faults:
            raise ValueError("; ".join(faults))
    return most


@contextmanager
def _disturbed(model: nn.Module, places: Iterable[Place], disturb: Callable[..., Tensor]) -> Iterator[None]:
    """Change the outputs of layers, and of chains, while a model runs."""
    handles = []
    for place in places:
        layers = [model.get_submodule(path) for path in place]
        taken: list[Tensor] = []

        def before(_layer: nn.Module, inputs: tuple[Tensor, ...], taken: list[Tensor] = taken) -> None:
            taken[:] = inputs

        def after(
            _layer: nn.Module,
            _inputs: object,
            output: Tensor,
            place: Place = place,
            layers: list[nn.Module] = layers,
            taken: list[Tensor] = taken,
        ) -> Tensor:
            layer = layers[0] if len(layers) == 1 else nn.Sequential(*layers)
            return disturb(place, layer, taken.pop(), output)

        handles += [layers[0].register_forward_pre_hook(before), layers[-1].register_forward_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _error(layer: nn.Module, key: Key, x: Tensor, y: Tensor) -> Tensor:
    """Return how far either side may be from the truth on an input: of the output's shape, or one number; float64."""
    described, shapes, rewrite = key
    unit = arithmetic(y.dtype, y.device)
    value = catalogue()[rewrite]
    weights = {name: tensor.detach().double().abs() for name, tensor in layer.state_dict().items()}
    # What is subtracted adds to the magnitude.
    weights |= {name: -tensor for name, tensor in weights.items() if name.endswith("running_mean")}
    with torch.device("meta"):
        plain = build(described).eval()
    magnitude = torch.func.functional_call(plain, weights, (x.double().abs(),))
    terms = max(1, described.macs(*shapes) // max(1, y.numel())) + 1
    sums = max(described.roundings().sums, value.roundings(described).sums) + 1
    per_sum = unit.accumulator * min(LAMBDA * math.sqrt(terms), terms) * sums + 2 * unit.factor
    error = (per_sum + unit.output * sums) * magnitude + sums * unit.underflow
    if value.transform is not None:
        most = float(x.abs().max()) * max(float(tensor.max()) for tensor in weights.values())
        error = error + unit.accumulator * value.transform.gain(described, *shapes) * most
    return torch.as_tensor(error)
