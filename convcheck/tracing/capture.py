"""Captures what a module computes as one graph of functional ATen operators, by torch.export or by make_fx.

`run_decompositions({})` is what makes an exported graph functional. It keeps operators such as einsum, pad or layer
norm whole, where the table of core operators makes several of each, with names that say less.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from traceback import StackSummary
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import InputKind, OutputKind
from torch.func import functional_call, functionalize
from torch.fx.experimental.proxy_tensor import make_fx

from convcheck.tracing.places import is_of_a_user, place_of_node

_KINDS = {
    InputKind.PARAMETER: "parameter",
    InputKind.BUFFER: "buffer",
    InputKind.CONSTANT_TENSOR: "constant",
    InputKind.USER_INPUT: "input",
}


@dataclass(frozen=True)
class Captured:
    """A graph with one output; a (kind, name, value) for every placeholder; what was seen of writes and gradients.

    `written` are the (kind, name) of placeholders that the module writes to; `unrecorded` the places where it computes
    without a gradient.
    """

    graph: fx.GraphModule
    placeholders: tuple[tuple[str, str, Tensor | None], ...]
    written: tuple[tuple[str, str], ...] = ()
    unrecorded: tuple[str | None, ...] = field(default=())


class NotOneTensorError(Exception):
    """The module does not return one tensor."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings, logs and prints of torch's tracers to ourselves: what matters of them is raised as well.

    What the module prints goes the same way, since it is called several times.
    """
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    # This logger is enabled whatever is disabled; pytest shows its records with every test that fails.
    structured = logging.getLogger("torch.__trace")
    handlers, structured.handlers = structured.handlers, []
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        structured.handlers = handlers
        logging.disable(disabled)


@contextmanager
def _all_frames() -> Iterator[None]:
    """Have tracers record all functions between the module and an operator, where they would leave out helpers."""
    tracer: Any = torch.fx.proxy.TracerBase
    filtered = tracer._filter_traceback_frames

    def below_this_file(_: object, stack: StackSummary) -> StackSummary:
        inside = [number for number, frame in enumerate(stack) if frame.filename == __file__]
        below = stack[inside[-1] + 1 if inside else 0 :]
        return StackSummary.from_list([frame for frame in below if is_of_a_user(frame.filename)])

    tracer._filter_traceback_frames = below_this_file
    try:
        yield
    finally:
        tracer._filter_traceback_frames = filtered


def by_export(module: nn.Module, inputs: tuple[Tensor, ...]) -> Captured:
    """Export a module. Raises whatever torch.export raises, and NotOneTensorError."""
    with _all_frames():
        exported = torch.export.export(module, inputs, strict=False)
    unrecorded = tuple(_without_gradient(exported.graph_module))
    exported = exported.run_decompositions({})
    signature = exported.graph_signature
    values: Mapping[str, Any] = {**exported.state_dict, **exported.constants}
    numbers = iter(range(len(inputs)))
    placeholders = []
    for spec in signature.input_specs:
        kind = _KINDS[spec.kind]
        name = str(next(numbers)) if kind == "input" else str(spec.target)
        placeholders.append((kind, name, values[name] if kind in ("buffer", "constant") else None))
    names = {spec.arg.name: entry for spec, entry in zip(signature.input_specs, placeholders, strict=True)}
    written, outputs = [], []
    results = exported.graph.output_node().args[0]
    assert isinstance(results, (tuple, list))
    for output, node in zip(signature.output_specs, results, strict=True):
        if output.kind == OutputKind.USER_OUTPUT:
            outputs.append(node)
        elif output.kind == OutputKind.USER_INPUT_MUTATION:
            written.append(names[str(output.target)][:2])
        else:
            kind = "buffer" if output.kind == OutputKind.BUFFER_MUTATION else "parameter"
            written.append((kind, str(output.target)))
    graph = fx.GraphModule(exported.graph_module, exported.graph)
    _return_one(graph, outputs)
    return Captured(graph, tuple(placeholders), tuple(written), unrecorded)


def by_make_fx(module: nn.Module, inputs: tuple[Tensor, ...]) -> Captured:
    """Run a module on proxies of real tensors. Data that leave them are constants of the graph without a word.

    Raises whatever make_fx raises, and NotOneTensorError.
    """
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    tensors = [tensor.detach().clone() for tensor in (*state.values(), *inputs)]
    parameters = dict(module.named_parameters())

    def run(*arguments: Tensor) -> object:
        given = dict(zip(state, arguments[: len(state)], strict=True))
        return functional_call(module, given, arguments[len(state) :])

    functional: Callable[..., Any] = functionalize(run)
    with _all_frames():
        traced = make_fx(functional, record_stack_traces=True)(*tensors)
    placeholders: list[tuple[str, str, Tensor | None]] = [
        ("parameter", name, None) if name in parameters else ("buffer", name, tensor.detach())
        for name, tensor in state.items()
    ]
    placeholders += [("input", str(number), None) for number in range(len(inputs))]
    written = []
    for node, (kind, name, _) in zip(traced.graph.find_nodes(op="placeholder"), placeholders, strict=True):
        for user in list(node.users):
            if user.target == torch.ops.aten.copy_.default and user.args[0] is node:
                written.append((kind, name))
                user.replace_all_uses_with(user.args[1])
                traced.graph.erase_node(user)
    for number, node in enumerate(traced.graph.find_nodes(op="get_attr")):
        value = getattr(traced, str(node.target))
        with traced.graph.inserting_before(next(iter(traced.graph.nodes))):
            lifted = traced.graph.placeholder(f"lifted_{number}")
        lifted.meta.update(node.meta, val=value)
        node.replace_all_uses_with(lifted)
        traced.graph.erase_node(node)
        placeholders.insert(0, ("constant", str(node.target), value))
    result = traced.graph.output_node().args[0]
    _return_one(traced, list(result) if isinstance(result, (tuple, list)) else [result])
    return Captured(traced, tuple(placeholders), tuple(written))


def by_fake_tensors(run: Callable[..., Any], tensors: Sequence[Tensor]) -> fx.GraphModule:
    """Run a function on proxies of tensors without values, whose lengths may be symbols. Raises what make_fx raises."""
    with _all_frames():
        traced = make_fx(functionalize(run), record_stack_traces=True, _allow_non_fake_inputs=True)
        graph: fx.GraphModule = traced(*tensors)
    return graph


def _return_one(graph: fx.GraphModule, outputs: list[Any]) -> None:
    """Have the graph return its one output bare, and drop what does not lead to it.

    Raises:
        NotOneTensorError: there are several, or it is no tensor.
    """
    if len(outputs) != 1 or not isinstance(outputs[0], fx.Node):
        raise NotOneTensorError
    graph.graph.output_node().args = (outputs[0],)
    # Checks that tracers leave behind return nothing, and would count as of use.
    for node in reversed(graph.graph.nodes):
        if node.op not in ("placeholder", "output") and not node.users:
            graph.graph.erase_node(node)
    graph.recompile()


def _without_gradient(graph: fx.GraphModule) -> Iterator[str | None]:
    """Yield the places of operators that run without a gradient being recorded: detach, and regions of no_grad."""
    for node in graph.graph.nodes:
        name = str(node.target)
        if name.startswith("aten.detach"):
            yield place_of_node(node)
        elif name.startswith("wrap_with_set_grad_enabled") and node.args[0] is False:
            inner = getattr(graph, str(node.args[1].target))
            places = (place_of_node(one) for one in inner.graph.nodes if one.op == "call_function")
            yield next((place for place in places if place), None)
