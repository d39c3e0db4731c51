"""From text or a mapping to a layer. The text is read as a literal call, and never run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from convcheck.errors import LayerError, did_you_mean, nearest, note_once, shown
from convcheck.layers.base import Layer
from convcheck.layers.families import family_of, kind_names
from convcheck.layers.text.arguments import REQUIRED, BadValueError
from convcheck.layers.text.call import Call, read_call
from convcheck.layers.text.keras_names import of_keras

# torch has these two on every layer; they say where the numbers live, not which function is computed.
_ELSEWHERE = {"device": "--device", "dtype": "--dtype"}


def parse_layer(value: object) -> Layer:
    """Read a layer, from `Conv2d(3, 8, kernel_size=2)` or from `{op: Conv2d, in_channels: 3, ...}`.

    Raises:
        LayerError: with every fault that the text has.
    """
    if isinstance(value, Layer):
        return value
    if isinstance(value, Call):
        if value.words:
            from convcheck.layers.text.submodules import in_a_row

            return bind("Sequential", [layer for _, layer in in_a_row(value) or ()], {})
        return _of_children(value) or bind(value.kind, value.positional, value.named)
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, Mapping):
        arguments = {str(key): entry for key, entry in value.items()}
        op = arguments.pop("op", None)
        if not isinstance(op, str):
            raise LayerError([("op", "a layer as a mapping needs its kind, such as op: Conv2d")])
        return bind(op, [], arguments)
    raise LayerError(f"{shown(value)} is not a layer; write it as torch prints it, such as Conv2d(3, 8, 2)")


def _of_children(call: Call) -> Layer | None:
    """Return the layer that a print tells by the layers in it alone; None where it is another."""
    if not call.positional or call.kind == "Sequential":
        return None
    from convcheck.layers.text.from_children import from_children
    from convcheck.layers.text.submodules import submodules

    return from_children(call, dict(submodules(call.positional)))


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> Layer:
    """Read a layer from text, once for all cases of a sweep that have it."""
    return parse_layer(read_call(text, kind_names()))


def bind(kind: str, positional: Sequence[object], named: Mapping[str, object]) -> Layer:
    """Match arguments with torch's signature for `kind` and read every value.

    Raises:
        LayerError: with all faults: unknown kinds and arguments, missing ones, impossible values.
    """
    family = family_of(kind)
    if family is None:
        raise _unknown(kind)
    if family.IS_CONTAINER:
        layer = family(kind, _inner_layers(kind, positional, named))  # type: ignore[call-arg]  # the field of containers
    else:
        layer = family(kind, **family.completed(_arguments(family, kind, positional, named)))
    if impossible := list(layer.inconsistencies()):
        raise LayerError(impossible, kind=kind)
    return layer


def _unknown(kind: str) -> LayerError:
    """Return the error for a kind that cannot be read. What is called alike in torch may compute something else."""
    from convcheck.layers.torch_names import advice, torch_names

    in_torch, near = kind in torch_names(), nearest(kind, kind_names())
    if keras := of_keras(kind):
        return LayerError(f"unknown layer {shown(kind)}; {keras}")
    reason = ", which torch has and convcheck cannot read" if in_torch else ""
    if in_torch and (what := advice(kind)):
        return LayerError(f"unknown layer {shown(kind)}{reason}; {what}")
    if near:
        like = f"; the nearest that can be read is {near}" if in_torch else f"; did you mean {near}?"
    else:
        names = f"layers that can be read: {', '.join(kind_names())}"
        like = "" if note_once(names) else f"; {names}"
    return LayerError(f"unknown layer {shown(kind)}{reason}{like}")


def _arguments(
    family: type[Layer], kind: str, positional: Sequence[object], named: Mapping[str, object]
) -> dict[str, object]:
    """Return the value of every argument, read."""
    signature = family.SIGNATURE
    names = [argument.name for argument in signature]
    positions = [argument.name for argument in signature if not argument.by_name]
    faults: list[tuple[str | None, str]] = []
    if len(positional) > len(positions):
        by_name = " by position" if len(positions) < len(names) else ""
        faults.append((None, f"takes {len(positions)} arguments{by_name}, and {len(positional)} were given"))
    given = dict(zip(positions, positional, strict=False))
    keywords: dict[str, object] = {}
    for name, value in named.items():
        if name in given:
            faults.append((name, f"{name} is given twice"))
        elif name in names:
            given[name] = value
        elif family.KEYWORDS is not None:
            keywords[name] = value
        elif name in _ELSEWHERE:
            faults.append((name, f"{name} is not part of the layer; use the option {_ELSEWHERE[name]}"))
        else:
            faults.append((name, f"unknown argument {shown(name)}; {did_you_mean(name, names, say_known='torch has')}"))
    if family.KEYWORDS is not None:
        signature = (*signature, family.KEYWORDS)
        given[family.KEYWORDS.name] = keywords
    arguments: dict[str, object] = {}
    dims = family.dims_of(kind)
    for argument in signature:
        value = given.get(argument.name, argument.default)
        if value is REQUIRED:
            faults.append((argument.name, f"{argument.name} is missing"))
            continue
        try:
            arguments[argument.name] = argument.read(value, dims)
        except BadValueError as legal:
            faults.append((argument.name, f"{argument.name} is {shown(value)}; it must be {legal}"))
    if faults:
        raise LayerError(faults, kind=kind)
    return arguments


def _inner_layers(kind: str, positional: Sequence[object], named: Mapping[str, object]) -> tuple[Layer, ...]:
    """Return the layers of a container, or raise the faults of all of them together."""
    if set(named) - {"layers"} or (named and positional):
        raise LayerError("takes layers, one after the other, and nothing else", kind=kind)
    values: Sequence[Any] = [named["layers"]] if named else positional
    if len(values) == 1 and isinstance(values[0], (tuple, list)) and not _is_named(values[0]):
        # A list, as in *[...] or a mapping of YAML, or an OrderedDict.
        values = values[0]
    layers, faults = [], []
    for number, value in enumerate(values):
        try:
            # Names are not kept: parameters are counted through, as torch does without names.
            layers.append(parse_layer(value[1] if _is_named(value) else value))
        except LayerError as error:
            faults.append((None, f"layer {number}: {error}"))
    if faults:
        raise LayerError(faults, kind=kind)
    return tuple(layers)


def _is_named(value: Any) -> bool:
    """Tell whether a value is a name and its layer; a list of two layers as text is not."""
    return isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[1], Call)
