"""The inputs that a model is called with, and its call."""

from __future__ import annotations

import copy
import inspect
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convcheck.config.input_specs import InputSpec, parse_specs
from convcheck.errors import ConvcheckError, shown
from convcheck.sides.effective_tensors import left_as_it_was
from convcheck.user_code.failures import describe
from convcheck.user_code.imports import user_code_runs
from convcheck.user_code.settings import settings_restored
from convcheck.user_code.user_module import draw_inputs

SEED = 0


@dataclass(frozen=True)
class Example:
    """Positional and keyword arguments of a call, on the CPU and as wide as they came."""

    positional: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def to(self, device: torch.device, dtype: torch.dtype) -> Example:
        """Return the inputs on a device; numbers with a fraction in a dtype."""

        def moved(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            return value.to(device, dtype if value.is_floating_point() else value.dtype)

        return Example(
            tuple(map(moved, self.positional)), {name: moved(value) for name, value in self.keywords.items()}
        )


def read_example(inputs: object) -> Example:
    """Return the inputs of a model: tensors as they are, shapes and texts as `verify` reads them.

    `inputs` is a tensor, a tuple or list of tensors, a mapping of keyword inputs, a shape, or a list of shapes and of
    texts such as `int 2,7`, `mask=bool 4,4` and `inputs.safetensors:x`.

    Raises:
        ConvcheckError: they cannot be read.
    """
    if isinstance(inputs, Tensor):
        return Example((inputs,), {})
    if isinstance(inputs, Mapping):
        return Example((), {str(name): _tensor(name, value) for name, value in inputs.items()})
    if isinstance(inputs, Sequence) and inputs and all(isinstance(value, Tensor) for value in inputs):
        return Example(tuple(inputs), {})
    specs = parse_specs(inputs)
    drawn = draw_inputs(specs, torch.Generator().manual_seed(SEED))
    pairs = [(spec, _stored(spec) if spec.file else tensor) for spec, tensor in zip(specs, drawn, strict=True)]
    return Example(
        tuple(tensor for spec, tensor in pairs if not spec.keyword),
        {spec.keyword: tensor for spec, tensor in pairs if spec.keyword},
    )


def _tensor(name: object, value: object) -> object:
    if isinstance(value, Tensor | bool | int | float) or value is None:
        return value
    (spec,) = parse_specs(value)
    if spec.keyword:
        raise ConvcheckError(f"inputs: {shown(str(name))} is a name already; write {str(spec).partition('=')[2]}")
    return _stored(spec) if spec.file else draw_inputs((spec,), torch.Generator().manual_seed(SEED))[0]


def _stored(spec: InputSpec) -> Tensor:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(spec.file, framework="pt") as file:
            tensor: Tensor = file.get_tensor(spec.key)
    except (OSError, SafetensorError) as error:
        raise ConvcheckError(f"{Path(str(spec.file)).name} cannot be read: {error}") from None
    return tensor


def placed(model: nn.Module, example: Example) -> Example:
    """Return the inputs on the model's device and in its dtype.

    Raises:
        ConvcheckError: its weights are on the meta device, where there are no numbers.
    """
    tensors = [*model.parameters(), *model.buffers()]
    if any(tensor.is_meta for tensor in tensors):
        raise ConvcheckError("the model is on the meta device, where there are no numbers; load its weights first")
    like = next((tensor for tensor in tensors if tensor.is_floating_point()), torch.zeros(()))
    return example.to(like.device, like.dtype)


@contextmanager
def as_it_was(model: nn.Module) -> Iterator[None]:
    """Run a model in eval mode without gradients; mode, hooks, caches, settings and random numbers are given back."""
    # Libraries put hooks on their layers in the first call, and remember in an attribute that they did.
    stores = [
        (value, copy.copy(value))
        for module in model.modules()
        for value in vars(module).values()
        if type(value) in (dict, OrderedDict, list, set)
    ]
    with settings_restored(), left_as_it_was(model), torch.no_grad():
        try:
            yield
        finally:
            for store, content in stores:
                store.clear()
                (store.extend if isinstance(store, list) else store.update)(content)


def call(model: nn.Module, example: Example) -> Any:
    """Return a model's output, drawn from a known seed. Raises ConvcheckError with the user's line if it raises."""
    torch.default_generator.manual_seed(SEED)
    try:
        with user_code_runs():
            return model(*example.positional, **example.keywords)
    except (Exception, SystemExit) as error:
        raise ConvcheckError(f"the model raises: {describe(error)}{_signature(model, error)}") from None


def _signature(model: nn.Module, error: BaseException) -> str:
    """Return what a model takes, where it was called with something else."""
    try:
        inspect.signature(model.forward).bind()
        fits = True
    except (TypeError, ValueError):
        fits = False
    if not isinstance(error, TypeError) or "argument" not in str(error) or fits:
        return ""
    names = inspect.signature(model.forward).parameters.values()
    plain = ", ".join(str(entry.replace(annotation=inspect.Parameter.empty)) for entry in names)
    return f"; it takes ({plain}); give an input for each, -i NAME=SHAPE by keyword"


def outputs_of(value: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of numbers in an output with their paths: of tuples, mappings and dataclasses."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield path, value
        return
    if isinstance(value, Mapping):
        parts = value.items()
    elif is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}.items()
    elif isinstance(value, list | tuple):
        parts = dict(enumerate(value)).items()
    elif hasattr(value, "to_tuple"):
        parts = vars(value).items()
    else:
        return
    for name, part in parts:
        yield from outputs_of(part, f"{path}.{name}" if path else str(name))
