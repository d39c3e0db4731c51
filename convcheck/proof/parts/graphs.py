"""The graphs of both sides: those of the user's own code, or those of a layer and its rewrite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from convcheck.proof.pair import Pair
from convcheck.proof.parts.fields import Unproven
from convcheck.results import Sides
from convcheck.sides import samples
from convcheck.tracing.capture import quiet
from convcheck.tracing.tidy import tidy
from convcheck.tracing.trace import Placeholder, Trace


def traces_of(pair: Pair) -> Sides[Trace]:
    """Return the graphs of a pair. Raises Unproven where there are none."""
    if pair.graphs is not None:
        return pair.graphs.traces
    if pair.black_box is not None:
        raise Unproven(pair.black_box)
    sample = samples.ones(pair.reference).mapped(Tensor.detach)
    mapped = pair.mapping.forward(sample.parameters)
    return Sides(
        trace_plainly(pair.reference.module, sample.inputs, sample.parameters),
        trace_plainly(pair.candidate.module, sample.inputs, mapped),
    )


def trace_plainly(module: nn.Module, inputs: tuple[Tensor, ...], tensors: Mapping[str, Tensor]) -> Trace:
    """Trace a module of convcheck's or torch's own, from which no data leave the graph, with these tensors in it.

    It is quicker than an export; attention stays whole as there.
    """
    constants = {name: tensor for name, tensor in module.named_buffers() if name not in tensors}

    def run(*arguments: Tensor) -> Any:
        given = dict(zip(tensors, arguments[: len(tensors)], strict=True))
        return functional_call(module, {**constants, **given}, arguments[len(tensors) :])

    with quiet(), torch.enable_grad():
        graph = make_fx(run, pre_dispatch=True)(*tensors.values(), *inputs)
    placeholders = [Placeholder("parameter", name) for name in tensors]
    placeholders += [Placeholder("input", str(number)) for number in range(len(inputs))]
    for number, node in enumerate(list(graph.graph.find_nodes(op="get_attr"))):
        value = getattr(graph, str(node.target))
        with graph.graph.inserting_before(next(iter(graph.graph.nodes))):
            lifted = graph.graph.placeholder(f"lifted_{number}")
        lifted.meta["val"] = value
        node.replace_all_uses_with(lifted)
        graph.graph.erase_node(node)
        placeholders.insert(0, Placeholder("constant", str(node.target), value))
    tidy(graph)
    return Trace(graph, tuple(placeholders))
