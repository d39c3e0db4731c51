"""What the reference makes of its tensors alone, such as the root of a variance: as Python, and as numbers."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx

from convcheck.sizes.patterns import Shape
from convcheck.solving.graphs import OURS
from convcheck.solving.origins import STATE

SIGNS: Mapping[str, str] = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
FIRST_LABEL = 2**40


@dataclass(frozen=True)
class Derived:
    """A node of a graph that depends on tensors of the reference alone."""

    node: fx.Node
    number: int | None
    """Which of its results, where it has several."""
    graph: fx.GraphModule
    names: Mapping[fx.Node, str]
    has: Mapping[str, Shape]

    @property
    def shape(self) -> Shape:
        made = self._chosen(self.node.meta["val"])
        return tuple(int(size) for size in made.shape)

    @cached_property
    def _inputs(self) -> dict[fx.Node, str]:
        """The tensors of the reference that it depends on, by their placeholders."""
        met: dict[fx.Node, str] = {}
        todo = [self.node]
        while todo:
            node = todo.pop()
            if node.op == "placeholder":
                met[node] = self.names[node].removeprefix(OURS)
            todo += node.all_input_nodes
        return met

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._inputs.values()))

    @property
    def expression(self) -> str:
        """The node as Python."""
        return self._text(self.node) + ("" if self.number is None else f"[{self.number}]")

    def _chosen(self, results: Any) -> Any:
        return results if self.number is None else results[self.number]

    @property
    def text(self) -> str:
        """The node for a reader."""
        text = self.expression
        for name in self.sources:
            text = text.replace(f'{STATE}["{name}"]', name)
        return text.replace("torch.", "")

    def _text(self, node: Any) -> str:
        if isinstance(node, (list, tuple)):
            return f"[{', '.join(map(self._text, node))}]"
        if not isinstance(node, fx.Node):
            return repr(node)
        if node.op == "placeholder":
            return f'{STATE}["{self._inputs[node]}"]'
        if node.op == "get_attr":
            return f"torch.tensor({getattr(self.graph, str(node.target)).tolist()!r})"
        if node.target is operator.getitem:
            return f"{self._text(node.args[0])}[{node.args[1]}]"
        name, _, overload = str(node.target).removeprefix("aten.").partition(".")
        arguments = [self._text(one) for one in node.args]
        if name in SIGNS and not node.kwargs and len(arguments) == 2:
            return f"({arguments[0]} {SIGNS[name]} {arguments[1]})"
        if name == "_softmax":
            return f"torch.softmax({arguments[0]}, {arguments[1]})"
        if len(arguments) == 1 and not node.kwargs and hasattr(torch, name):
            return f"torch.{name}({arguments[0]})"
        if name in ("view", "_unsafe_view"):
            return f"{arguments[0]}.reshape({arguments[1]})"
        keywords = [f"{key}={self._text(value)}" for key, value in node.kwargs.items()]
        return f"torch.ops.aten.{name}.{overload}({', '.join([*arguments, *keywords])})"

    def value(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the node at tensors of the reference."""
        known: dict[fx.Node, Any] = {}

        def compute(node: fx.Node) -> Any:
            if node not in known:
                if node.op == "placeholder":
                    known[node] = tensors[self._inputs[node]]
                elif node.op == "get_attr":
                    known[node] = getattr(self.graph, str(node.target))
                else:
                    arguments = fx.node.map_arg((node.args, node.kwargs), compute)
                    known[node] = node.target(*arguments[0], **arguments[1])  # type: ignore[operator]
            return known[node]

        result: Tensor = self._chosen(compute(self.node))
        return result

    def moved(self) -> tuple[str | None, Tensor | None]:
        """Return the tensor whose entries it has, and which they are, where it only moves them; None and None else."""
        if len(self.sources) != 1:
            return None, None
        (name,) = self.sources
        shape = self.has[name]
        count = torch.Size(shape).numel()
        labels = torch.arange(FIRST_LABEL, FIRST_LABEL + count, dtype=torch.float64).reshape(shape)
        made = self.value({name: labels})
        index = made - FIRST_LABEL
        if made.shape != self.shape or not bool(((index >= 0) & (index < count) & (index == index.round())).all()):
            return None, None
        drawn = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        if not torch.equal(self.value({name: drawn}), drawn.flatten()[index.long()]):
            return None, None
        return name, index.long()
