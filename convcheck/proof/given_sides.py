"""Both sides of a claim as a program writes them. Imports torch when a module is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from convcheck.errors import ConvcheckError, shown
from convcheck.layers import Layer
from convcheck.results import Sides
from convcheck.sides.layer_like import is_module, read_layer

if TYPE_CHECKING:
    import torch
    from torch import nn

    from convcheck.config.case import CodeLoader, WeightFile
    from convcheck.config.replacement import Replacement
    from convcheck.proof.real_weights import ModuleTensors
    from convcheck.sides.layer_like import LayerLike


def module_side(module: nn.Module, *, own: bool, train: bool) -> tuple[Layer, ModuleTensors | None]:
    """Return the layer that a module is, and the weights that it computes with.

    Beside a candidate of the user's `own` it may be any module, which keeps its weights itself; in training mode it is
    one, as layers are described in eval mode.
    """
    from convcheck.proof.real_weights import SAVED, ModuleTensors
    from convcheck.sides.module_probe import departures
    from convcheck.sides.read_weights import read_weights
    from convcheck.sides.user_sides import layer_of_module

    if own and train:
        return layer_of_module(module), None
    try:
        weights = read_weights(module)
    except ConvcheckError:
        if not own:
            raise
        return layer_of_module(module), None
    origin = (
        f"weights: the module's own; convcheck.save_weights(module, {SAVED!r}) writes them for the command that "
        "repeats this"
    )
    notes = ((origin,) if weights.tensors else ()) + weights.notes
    return weights.layer, ModuleTensors(weights.tensors, notes, partial(departures, module, weights))


def takes_parametrized(module: nn.Module, own: Replacement) -> bool:
    """Tell whether a candidate takes what weights of a module are computed of, and not those weights."""
    from torch.nn.utils import parametrize

    wanted = {name for source in own.sources().values() for name in source.names()}
    return own.map_by is None and any(
        isinstance(inner, parametrize.ParametrizationList) and f"{path}.{name}" in wanted
        for path, inner in module.named_modules()
        for name, _ in inner.named_parameters(recurse=False)
    )


def read_replacement(
    candidate: LayerLike | None,
    map: Mapping[str, str] | None,
    map_by: Callable[[dict[str, torch.Tensor]], Mapping[str, torch.Tensor]] | None,
    layout: str | None,
    load_code: CodeLoader,
) -> Replacement | None:
    """Return a candidate with how weights and outputs are mapped; None where there is none.

    Raises:
        ConvcheckError: a part of it cannot be read, or is about a candidate where there is none.
    """
    from convcheck.config.parse_source import parse_source
    from convcheck.config.python_options import mapping_option
    from convcheck.config.replacement import MapFunction, Replacement, parse_layout
    from convcheck.sides.user_sides import layer_of_module

    written = mapping_option("map", map, "{'weight': 'weight: o i kh kw -> o (i kh kw)'}")
    if candidate is None:
        if written or layout is not None or map_by is not None:
            raise ConvcheckError("map, map_by and layout are about a candidate, and there is none")
        return None
    sources = {name: parse_source(text) for name, text in written.items()}
    function = None
    if map_by is not None:
        if not callable(map_by):
            raise ConvcheckError(f"map_by: {shown(map_by)} is no function from a state dict to another one")
        function = MapFunction(map_by, getattr(map_by, "__qualname__", type(map_by).__name__))
    side = layer_of_module(candidate) if is_module(candidate) else read_layer(candidate, load_code)
    return Replacement(side, sources, parse_layout(layout) if layout is not None else None, function)


def held_by_both(
    layer: Layer, source: ModuleTensors | WeightFile | None, own: Replacement | None
) -> Sides[Mapping[str, torch.Tensor]]:
    """Return the tensors that both sides hold. Raises ConvcheckError if one holds none, as a layer as text does."""
    ours = layer.held_tensors() if source is None else getattr(source, "tensors", None)
    theirs = None if own is None else own.layer.held_tensors()
    if ours is None or theirs is None:
        raise ConvcheckError("weights: 'own' compares what two modules hold; a layer as text holds nothing")
    return Sides(ours, theirs)
