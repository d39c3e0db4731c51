"""The layers of a model that rewrites are made for, as they are called in one run, or why nothing is tried on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from convcheck.catalogue.catalogue import catalogue
from convcheck.errors import ConvcheckError
from convcheck.layers import Layer, accept
from convcheck.layers.families import family_of
from convcheck.models.example import Example, as_it_was, call
from convcheck.sides.attributes import read
from convcheck.sides.describe import describe, kind_of
from convcheck.sides.read_weights import read_weights
from convcheck.sizes.patterns import Shapes

RUN_BY_ITS_PARENT = "is not called in this run; its parent may take its weights, or leave it out"


@dataclass(eq=False)
class Leaf:
    """A layer at a path of a model. `skipped` says why it is not tried; `layer` is None where it cannot be read."""

    path: str
    module: nn.Module
    text: str
    layer: Layer | None = None
    skipped: str | None = None
    calls: Counter[Shapes] = field(default_factory=Counter)
    """How often it was called, by the shapes of its inputs."""
    merged: tuple[str, ...] = ()
    """The layers behind it in a chain that may be one layer, by path; `module` and `layer` are then the whole chain."""


def leaves_of(model: nn.Module, example: Example, watch: Callable[[], list[Any]] = list) -> tuple[list[Leaf], Any]:
    """Run a model once, and return its layers for which there are rewrites, and its output. The model is left as it is.

    `watch` may put more hooks on it, and returns their handles.

    Raises:
        ConvcheckError: the model raises.
    """
    leaves = [leaf for leaf in parts_of(model) if _has_rewrites(kind_of(leaf.module))]
    with as_it_was(model):
        handles = [*map(_watch, leaves), *watch()]
        try:
            output = call(model, example)
        finally:
            for handle in handles:
                handle.remove()
    for leaf in leaves:
        if leaf.skipped is None and not leaf.calls:
            leaf.skipped = RUN_BY_ITS_PARENT
    return leaves, output


def parts_of(model: nn.Module) -> Iterator[Leaf]:
    """Yield the layers of a model that are no chains, of a module that stands in several places the first."""
    places = Counter(id(module) for _, module in model.named_modules(remove_duplicate=False))
    holders = Counter(
        id(tensor) for module in model.modules() for tensor in module._parameters.values() if tensor is not None
    )
    inside: list[str] = []
    for path, module in model.named_modules():
        kind = kind_of(module)
        if kind is None or kind == "Sequential" or any(path.startswith(outer) for outer in inside):
            continue
        if module._modules:
            # What it holds is a part of it, as the output of an attention.
            inside.append(f"{path}." if path else "")
        leaf = Leaf(path, module, _text(module, kind))
        leaf.skipped = _why_not(leaf, places, holders)
        yield leaf


@cache
def _has_rewrites(kind: str | None) -> bool:
    family = None if kind is None else family_of(kind)
    return family is not None and any(issubclass(family, rewrite.families) for rewrite in catalogue().values())


def _text(module: nn.Module, kind: str) -> str:
    """Return a module as a layer's text; where its attributes are no layer's, as torch prints it."""
    try:
        return str(read(module, kind))
    except ConvcheckError:
        return f"{type(module).__name__}(...)"


def _why_not(leaf: Leaf, places: Counter[int], holders: Counter[int]) -> str | None:
    """Return why nothing is tried on a layer before it is called; its `layer` is set where it can be read."""
    module = leaf.module
    if is_parametrized(module):
        names = ", ".join(module.parametrizations)  # type: ignore[arg-type]  # a ModuleDict, by is_parametrized
        return f"has parametrizations of {names}, which a swap would lose; remove them first"
    try:
        leaf.layer = describe(module)
        read_weights(module)
    except ConvcheckError as error:
        return "; ".join(text for _, text in getattr(error, "faults", ())) or str(error)
    leaf.text = str(leaf.layer)
    if places[id(module)] > 1:
        return f"stands in {places[id(module)]} places of the model"
    shared = [name for name, tensor in module._parameters.items() if tensor is not None and holders[id(tensor)] > 1]
    if shared:
        return f"shares its {' and '.join(shared)} with another module"
    if isinstance(module, nn.MultiheadAttention):
        return "returns its output and the weights of attention, and rewrites of it the output alone"
    return None


def _watch(leaf: Leaf) -> Any:
    """Count the calls of a layer by the shapes of their inputs; one with arguments beside them is skipped."""

    def before(_module: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        if leaf.skipped is not None:
            leaf.calls[tuple(tuple(value.shape) for value in inputs if isinstance(value, Tensor))] += 1
            return
        if keywords or not all(isinstance(value, Tensor) for value in inputs):
            given = ", ".join(keywords) or "what is no tensor"
            leaf.skipped = f"is called with {given}, of which its rewrites know nothing"
            return
        shapes = tuple(tuple(value.shape) for value in inputs)
        try:
            assert leaf.layer is not None
            accept(leaf.layer, shapes)
        except ConvcheckError as error:
            leaf.skipped = f"is called on {shapes}: {error}"
            return
        leaf.calls[shapes] += 1

    return leaf.module.register_forward_pre_hook(before, with_kwargs=True)
