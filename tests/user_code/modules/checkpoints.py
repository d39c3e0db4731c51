"""A module and one that was made of it, whose state dicts differ."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Stem(nn.Module):
    """Patches by a convolution, and two projections."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, 8, 4, stride=4)
        self.q = nn.Linear(8, 8)
        self.k = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.proj(x).flatten(2).transpose(1, 2)
        return torch.cat([self.q(x), self.k(x)], -1)


class Fast(nn.Module):
    """The same with one product for the patches, and one for both projections."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(48, 8)
        self.qk = nn.Linear(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 1, 3, 5).reshape(b, -1, 48)
        out: Tensor = self.qk(self.proj(x))
        return out


def converted(old: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        "proj.weight": old["proj.weight"].flatten(1),
        "proj.bias": old["proj.bias"],
        "qk.weight": torch.cat([old["q.weight"], old["k.weight"]]),
        "qk.bias": torch.cat([old["q.bias"], old["k.bias"]]),
    }


class Tied(nn.Module):
    """One tensor under two names, of which a file may have either."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.table.weight

    def forward(self, words: Tensor) -> Tensor:
        out: Tensor = self.head(self.table(words))
        return out


class Scaled(nn.Module):
    """A product times a buffer, which its state dict has."""

    scale: Tensor

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x) * self.scale
        return out
