"""Modules that compute the same as another one, or not quite."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # as everybody calls it
from torch import Tensor, nn


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
        return F.gelu(x, approximate="tanh")  # the tanh


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


def conv() -> nn.Module:
    return nn.Conv2d(3, 4, 2)


class Product(nn.Module):
    """A Linear; the ones below do the same in other ways, or not quite."""

    def __init__(self, inputs: int = 3, outputs: int = 4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("...i,oi->...o", x, self.weight) + self.bias  # the product


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
        return _WrongScale.apply(super().forward(x))  # the wrong scale


class DoubledInTraining(Product):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (2 if self.training else 1)


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.ModuleDict({"product": Product()}))

    def forward(self, x: Tensor) -> Tensor:
        return self.body[0]["product"](x)


class Tied(nn.Module):
    def __init__(self, *, tied: bool = True) -> None:
        super().__init__()
        self.first, self.second = (nn.Linear(3, 3, bias=False) for _ in range(2))
        if tied:
            self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class ShiftedInBetween(Tied):
    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        y = y.cumsum(1)  # the sum
        return self.second(y)


class Frozen(Product):
    def __init__(self) -> None:
        super().__init__()
        self.weight.requires_grad_(False)


class WithHead(Product):
    """It has parameters that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 2)


class LastOnly(Product):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, -1]  # the last only
