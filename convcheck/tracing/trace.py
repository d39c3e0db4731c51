"""Traces a module: what it computes, as a graph of functional ATen operators, and which tensors go in.

A trace holds for the shapes it was made with. It is made from a copy in float64, and believed only after it gave what
the module gives on other numbers, twice: data that leave torch on the way would be constants of the graph.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, fx, nn

from convcheck.tracing import capture
from convcheck.tracing.agreement import compare
from convcheck.tracing.capture import Captured, NotOneTensorError
from convcheck.tracing.float64_copy import CastsWidened, float64_by_default, float64_copy, widened
from convcheck.tracing.places import place_of_error, place_of_node
from convcheck.tracing.tidy import tidy

_TAKES_OUT = "takes numbers out of a tensor (item, tolist or float)"


class CannotTrace(Exception):  # noqa: N818  # it is an answer, not a fault
    """A module cannot be traced: `why`, and the line of the user's file that is to blame, where it is known."""

    def __init__(self, why: str, place: str | None = None) -> None:
        self.why, self.place = why, place
        super().__init__(f"{place}: {why}" if place else why)


class ForwardRaises(CannotTrace):
    """The module itself raises when it is called; `why` begins with the name of the exception."""


class NotInFloat64(CannotTrace):
    """The module runs as it is, and not in float64."""


class NoteKind(Enum):
    """What a note is about."""

    GRADIENT = "gradient"
    """Gradients are not those of what is computed, or not known to be."""
    BACKWARD = "backward"
    """Gradients are computed by code of the module's own, which may be anything."""
    WRITE = "write"
    """An input is written to."""
    STATE = "state"
    """A parameter or buffer is written to, which the output does not read."""
    CAST = "cast"
    """Numbers are cast to a narrower dtype on the way."""


@dataclass(frozen=True)
class Note:
    """Something to say of a module beside what it computes."""

    kind: NoteKind
    text: str
    place: str | None = None


@dataclass(frozen=True)
class Placeholder:
    """A tensor that goes into a graph: a parameter, buffer, constant or input.

    `name` is torch's, of an input its number, from "0"; `aliases` are other names of one tied tensor. `value` is set
    for buffers and constants.
    """

    kind: str
    name: str
    value: Tensor | None = None
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)


@dataclass(frozen=True)
class Trace:
    """A module at one shape. `identical` says whether it gave the module's very bits on the probes."""

    graph: fx.GraphModule
    placeholders: tuple[Placeholder, ...]
    notes: tuple[Note, ...] = ()
    identical: bool = True

    def arguments(self, inputs: tuple[Tensor, ...], tensors: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Return what the graph is called with: parameters from `tensors`, and buffers where they are in it.

        Raises:
            KeyError: a parameter is missing.
        """
        # The graph was traced on tensors in this layout, and has views that hold for it alone.
        return tuple(self._argument(one, inputs, tensors).contiguous() for one in self.placeholders)

    @staticmethod
    def _argument(one: Placeholder, inputs: tuple[Tensor, ...], tensors: Mapping[str, Tensor]) -> Tensor:
        if one.kind == "input":
            return inputs[int(one.name)]
        for name in one.names:
            if name in tensors and one.kind != "constant":
                return tensors[name]
        if one.value is None:
            raise KeyError(one.name)
        return one.value

    @staticmethod
    def place_of(node: fx.Node) -> str | None:
        """Return `model.py:12`, the innermost frame in the user's file; None where there is none."""
        return place_of_node(node)


def trace(module: nn.Module, inputs: tuple[Tensor, ...]) -> Trace:
    """Trace a module, which returns one tensor, in float64, at inputs of these shapes and dtypes. It is left as it was.

    Raises:
        ForwardRaises: the module cannot be called with these inputs.
        CannotTrace: torch cannot trace it, data leave the graph, or it does not give the same twice.
    """
    try:
        return _trace(module, inputs)
    except NotInFloat64:
        with CastsWidened():
            return _trace(module, inputs)


def _trace(module: nn.Module, inputs: tuple[Tensor, ...]) -> Trace:
    wide_inputs = tuple(widened(tensor.detach()) for tensor in inputs)
    with capture.quiet(), float64_by_default(), torch.enable_grad():
        try:
            wide = float64_copy(module)
        except Exception as error:  # whatever the user's code raises
            raise CannotTrace(f"cannot be copied: {_said(error)}", place_of_error(error)) from None
        _run(module, wide, inputs, wide_inputs)
        captured = _tied(_captured(wide, wide_inputs), wide)
        tidy(captured.graph)
        _refuse(captured)
        placeholders = tuple(
            Placeholder(kind, name, value, _aliases(wide, name)) for kind, name, value in captured.placeholders
        )
        result = Trace(captured.graph, placeholders)
        agreement = compare(wide, result.graph, result.arguments, wide_inputs)
    if agreement.unlike is not None:
        raise CannotTrace(agreement.unlike, agreement.place)
    notes = (
        *_notes(captured),
        *(Note(NoteKind.BACKWARD, text, place) for text, place in agreement.backwards),
        *(Note(NoteKind.GRADIENT, text, place) for text, place in agreement.gradients),
    )
    return Trace(result.graph, result.placeholders, notes, agreement.identical)


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _run(module: nn.Module, wide: nn.Module, inputs: tuple[Tensor, ...], wide_inputs: tuple[Tensor, ...]) -> None:
    """Call a copy of the module. Raises ForwardRaises, and CannotTrace if it does not return one tensor of floats."""
    try:
        output = float64_copy(wide)(*(tensor.clone() for tensor in wide_inputs))
    except Exception as error:  # whatever the user's code raises
        try:
            copy.deepcopy(module)(*(tensor.detach().clone() for tensor in inputs))
        except Exception as usual:  # likewise
            raise ForwardRaises(_said(usual), place_of_error(usual)) from None
        raise NotInFloat64(f"does not run in float64: {_said(error)}", place_of_error(error)) from None
    if not isinstance(output, Tensor):
        raise CannotTrace(f"returns {type(output).__name__}, and not one tensor")
    if not output.is_floating_point():
        raise CannotTrace(f"returns a tensor of {str(output.dtype).removeprefix('torch.')}, and not of floats")


def _captured(module: nn.Module, inputs: tuple[Tensor, ...]) -> Captured:
    """Export a copy of the module, or run it on proxies where that fails. Raises CannotTrace."""
    try:
        return capture.by_export(float64_copy(module), tuple(tensor.clone() for tensor in inputs))
    except NotOneTensorError:
        raise CannotTrace("does not return one tensor") from None
    except Exception as error:  # torch.export raises dozens of kinds
        refused = error
    try:
        return capture.by_make_fx(float64_copy(module), tuple(tensor.clone() for tensor in inputs))
    except Exception:  # so does make_fx
        place = place_of_error(refused)
        why = f"cannot be traced: {_said(refused)}"
        if "extract specialized" in str(refused) or getattr(getattr(refused, "cond", None), "is_Symbol", False):
            why = _TAKES_OUT
        elif "data-dependent" in str(refused):
            why = "branches on the values of a tensor"
        raise CannotTrace(why, place) from None


def _aliases(module: nn.Module, name: str) -> tuple[str, ...]:
    """Return the other names of a tied parameter or buffer."""
    tensors = dict(_all_tensors(module))
    return tuple(other for other, tensor in tensors.items() if other != name and tensor is tensors.get(name))


def _all_tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    parameters = module.named_parameters(remove_duplicate=False)
    return [*parameters, *module.named_buffers(remove_duplicate=False)]


def _tied(captured: Captured, module: nn.Module) -> Captured:
    """Join the placeholders of one tied tensor to that of its first name."""
    graph, kept = captured.graph, []
    first: dict[int, fx.Node] = {}
    tensors = dict(_all_tensors(module))
    nodes = list(graph.graph.find_nodes(op="placeholder"))
    for node, (kind, name, value) in zip(nodes, captured.placeholders, strict=True):
        tensor = tensors.get(name) if kind in ("parameter", "buffer") else None
        if tensor is not None and id(tensor) in first:
            node.replace_all_uses_with(first[id(tensor)])
            graph.graph.erase_node(node)
            continue
        if tensor is not None:
            first[id(tensor)] = node
        kept.append((kind, name, value))
    graph.recompile()
    return Captured(graph, tuple(kept), captured.written, captured.unrecorded)


def _refuse(captured: Captured) -> None:
    """Raise CannotTrace for random numbers, numbers that leave a tensor, and outputs that read what is written."""
    for node in captured.graph.graph.nodes:
        if node.op != "call_function":
            continue
        if _draws(node):
            raise CannotTrace(f"draws random numbers in forward ({_name(node)})", place_of_node(node))
        if str(node.target) in ("aten.item.default", "aten._local_scalar_dense.default"):
            raise CannotTrace(_TAKES_OUT, place_of_node(node))
        if not str(node.target).startswith(("aten.", "prims.")) and "getitem" not in str(node.target):
            raise CannotTrace(f"computes with {_name(node)}, which is no operator of torch's", place_of_node(node))
    nodes = captured.graph.graph.find_nodes(op="placeholder")
    for node, (kind, name, _) in zip(nodes, captured.placeholders, strict=True):
        if kind != "input" and (kind, name) in captured.written and node.users:
            raise CannotTrace(f"reads its {kind} {name}, and writes to it", place_of_node(next(iter(node.users))))


def _draws(node: fx.Node) -> bool:
    """Return whether an operator draws random numbers: those of dropout do not in eval mode, or with probability 0."""
    if torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ()):
        return False
    schema = node.target._schema  # type: ignore[union-attr]  # an operator of torch's has one
    given = {argument.name: argument.default_value for argument in schema.arguments if argument.has_default_value()}
    given |= {argument.name: value for argument, value in zip(schema.arguments, node.args, strict=False)} | node.kwargs
    probability, train = given.get("dropout_p", given.get("p")), given.get("train", given.get("training", True))
    return bool(train) and not (isinstance(probability, (int, float)) and probability == 0)


def _name(node: fx.Node) -> str:
    return str(getattr(node.target, "_overloadpacket", node.target)).removeprefix("aten.")


def _notes(captured: Captured) -> list[Note]:
    notes = []
    for kind, name in captured.written:
        which = f"input {name}" if kind == "input" else f"its {kind} {name}"
        notes.append(Note(NoteKind.WRITE if kind == "input" else NoteKind.STATE, f"writes to {which}"))
    unrecorded = "computes without a gradient (detach or no_grad)"
    notes += [Note(NoteKind.GRADIENT, unrecorded, place) for place in dict.fromkeys(captured.unrecorded)]
    return notes
