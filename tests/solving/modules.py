"""Modules whose weights are made of others as a map says, against modules that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convcheck.config.case import Case
from convcheck.config.input_specs import parse_specs
from convcheck.config.replacement import Replacement
from convcheck.config.sources import Source
from convcheck.rewriting.source_moves import SourceReader
from convcheck.sides.user_sides import layer_of_module
from convcheck.sizes.patterns import Shape


class Holding(nn.Module):
    """Holds parameters of any names."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            inner: nn.Module = self
            *path, last = name.split(".")
            for part in path:
                if not hasattr(inner, part):
                    inner.add_module(part, nn.Module())
                inner = getattr(inner, part)
            inner.register_parameter(last, nn.Parameter(torch.zeros(shape)))


class Mapped(Holding):
    """A Linear on a weight that is made of the module's parameters, and `bend` behind it."""

    def __init__(self, shapes: Mapping[str, Shape], source: Source, wanted: Shape, bend: Any = None) -> None:
        super().__init__(shapes)
        self.move = SourceReader(shapes, {}).move(source, "weight", wanted)
        self.bend = bend

    def forward(self, x: Tensor) -> Tensor:
        made = functional.linear(x, self.move.forward(dict(self.named_parameters())))
        return made if self.bend is None else self.bend(made)


class Plain(nn.Module):
    """A Linear on a weight of its own, and `bend` behind it."""

    def __init__(self, shape: Shape, bend: Any = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))
        self.bend = bend

    def forward(self, x: Tensor) -> Tensor:
        made = functional.linear(x, self.weight)
        return made if self.bend is None else self.bend(made)


def case_of(reference: nn.Module, candidate: nn.Module, *inputs: str) -> Case:
    """Return the case of two modules, without a map."""
    from convcheck.catalogue.claims import claims_of

    specs = parse_specs(list(inputs))
    case = Case(
        name="pair",
        layer=layer_of_module(reference),
        inputs=tuple(spec.shape for spec in specs),
        input_specs=specs,
        candidate=Replacement(layer_of_module(candidate), {}),
    )
    (claim,) = claims_of([case])
    return claim.case
