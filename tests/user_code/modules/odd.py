"""Modules with inputs and outputs of all kinds, and some whose forward cannot be proved."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  # as everybody calls it
from torch import Tensor, nn

from tests.user_code.modules.pairs import Product

# Forwards that cannot be proved, or do more than they should.


class Raises(Product):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[..., :2])  # the raise


class RaisesInTrouble(Product):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("not today")  # the ValueError


class Interrupted(Product):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyboardInterrupt


class Exits(Product):
    def forward(self, x: Tensor) -> Tensor:
        sys.exit("enough")  # the exit


class Counts(Product):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x) * self.calls


class Remembers(Product):
    """It keeps a number that is no tensor."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x) * self.calls


class Draws(Product):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.rand(())


class Prints(Product):
    def __init__(self) -> None:
        print("printed in __init__")
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        print("printed in forward")
        return super().forward(x)


# Outputs.


class Pair(NamedTuple):
    first: Tensor
    second: Tensor


@dataclass
class ModelOutput:
    """An output as those of transformers: a mapping by its fields, without those that are None."""

    last_hidden_state: Tensor
    attentions: Tensor | None = None

    def keys(self) -> Iterator[str]:
        return (field.name for field in fields(self) if getattr(self, field.name) is not None)

    def values(self) -> Iterator[Tensor]:
        return (getattr(self, name) for name in self.keys())


class Several(Product):
    def __init__(self, kind: str = "tuple") -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Any:
        y = super().forward(x)
        kinds = {
            "tuple": lambda: (x, y),
            "list": lambda: [x, y],
            "dict": lambda: {"x": x, "y": y},
            "named": lambda: Pair(x, y),
            "output": lambda: ModelOutput(y),
            "one": lambda: (y,),
            "none": lambda: (None, y),
            "nothing": lambda: None,
            "long": lambda: y.long(),
            "text": lambda: {"y": "text"},
        }
        return kinds[self.kind]()


def changed(kind: type[nn.Module], method: str) -> nn.Module:
    """Return a module whose output is changed by a call of a method, such as `transpose(1, 2)`."""
    name, _, arguments = method.partition("(")

    class Changed(kind):
        def forward(self, x: Tensor) -> Tensor:
            return getattr(super().forward(x), name)(*ast.literal_eval(f"({arguments[:-1]},)"))

    return Changed()


# Inputs of other kinds.


class Rows(nn.Module):
    rows = 5

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(self.rows, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.table(ids)


class RowsByProduct(Rows):
    def forward(self, ids: Tensor) -> Tensor:
        return F.one_hot(ids, self.rows).to(self.table.weight) @ self.table.weight


class OneRowWrong(Rows):
    def __init__(self, row: int) -> None:
        super().__init__()
        self.row = row

    def forward(self, ids: Tensor) -> Tensor:
        return super().forward(ids) * (1 + (ids == self.row).unsqueeze(-1))


class RowsPadded(Rows):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(self.rows, 3, padding_idx=0)


class Masked(Product):
    def forward(self, x: Tensor, *, mask: Tensor) -> Tensor:
        return super().forward(x) * mask.unsqueeze(-1)


class MaskedByChoice(Product):
    def forward(self, x: Tensor, *, mask: Tensor) -> Tensor:
        return torch.where(mask.unsqueeze(-1), super().forward(x), 0.0)


class MaskedOtherwise(Product):
    def forward(self, x: Tensor, *, mask: Tensor) -> Tensor:
        return super().forward(x) * ~mask.unsqueeze(-1)


class Counted(Product):
    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        return super().forward(x) * counts.unsqueeze(-1)


class CountedToOne(Counted):
    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        return super().forward(x, counts.clamp(max=1))
