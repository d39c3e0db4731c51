"""Modules as users write them, each a side of some test; a comment marks a line that a message has to name."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  # as everybody calls it
from torch import Tensor, nn

FILE = Path(__file__)


def line_of(mark: str) -> int:
    """Return the number of the one line that ends in `# MARK`."""
    (number,) = [n for n, text in enumerate(FILE.read_text().splitlines(), 1) if text.endswith(f"# {mark}")]
    return number


class Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, 4, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class PatchesLinear(nn.Module):
    order = (0, 2, 4, 1, 3, 5)

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // 2, 2, w // 2, 2).permute(*self.order)
        return self.proj(x.reshape(b, -1, 4 * c))


class PatchesColumnsFirst(PatchesLinear):
    order = (0, 2, 4, 1, 5, 3)


class PatchesShifted(PatchesLinear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.roll(1, -1))


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(3, 6), nn.Linear(6, 3)

    def act(self, x: Tensor) -> Tensor:
        return F.gelu(x)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.outer(self.act(self.inner(x)))


class MlpByHand(Mlp):
    def act(self, x: Tensor) -> Tensor:
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


class MlpTanh(Mlp):
    def act(self, x: Tensor) -> Tensor:
        return F.gelu(x, approximate="tanh")


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(4, 12, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return F.scaled_dot_product_attention(q, k, v)


class AttentionByHand(Attention):
    scale = 4**-0.5

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = (q @ k.transpose(-1, -2)) * self.scale
        return scores.softmax(-1) @ v  # the softmax


class AttentionUnscaled(AttentionByHand):
    scale = 1.0


class Product(nn.Module):
    """A Linear; the ones below do the same in other ways, or not quite."""

    def __init__(self, inputs: int = 3, outputs: int = 4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("...i,oi->...o", x, self.weight) + self.bias


class ProductInNumpy(Product):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.detach().numpy() @ self.weight.detach().numpy().T + self.bias.detach().numpy())


class ProductInNumpyWithoutBias(Product):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.detach().numpy() @ self.weight.detach().numpy().T) + 0 * self.bias


class ProductDetached(Product):
    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.t().detach() + self.bias  # the detach


class _Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * 2


class _WrongScale(_Scale):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * 3


class Doubled(Product):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


class DoubledByFunction(Product):
    def forward(self, x: Tensor) -> Tensor:
        return _Scale.apply(super().forward(x))


class DoubledByWrongFunction(Product):
    def forward(self, x: Tensor) -> Tensor:
        return _WrongScale.apply(super().forward(x))


class DoubledInTraining(Product):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (2 if self.training else 1)


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


class TransposedOutput(Product):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).transpose(1, 2)


class FlatOutput(Product):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).flatten(0, 1)


class LastOnly(Product):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, -1]  # the last only
