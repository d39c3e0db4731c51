"""Models that are scanned: layers of all sorts, in code as people write it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm


class Doubled(nn.Conv2d):
    """A convolution with a forward of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


class Block(nn.Module):
    """Two layers that are alike in every block."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc2(functional.gelu(self.fc1(x)))


class Net(nn.Module):
    """Patches, blocks, and logits."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.norm = nn.LayerNorm(8)
        self.up = nn.ConvTranspose2d(8, 1, 2, 2)
        self.head = nn.Linear(8, 5)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        print("a print of the model's own")
        self.calls += 1
        torch.rand(3)
        # As libraries do, it asks a layer for the dtype of its weight.
        x = self.patches(x.to(self.patches.weight.dtype))
        image = self.up(x)
        x = x.flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return {"image": image, "logits": self.head(self.norm(x).mean(1))}


class Odd(nn.Module):
    """Layers that no swap may touch."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(4, 4, 1)
        self.doubled = Doubled(4, 4, 1)
        self.hooked = nn.Conv2d(4, 4, 1)
        self.hooked.register_forward_hook(lambda _module, _inputs, output: output + 1)
        self.normed = weight_norm(nn.Conv2d(4, 4, 1))
        self.embedding = nn.Embedding(6, 4)
        self.tied = nn.Linear(4, 6, bias=False)
        self.tied.weight = self.embedding.weight
        self.shared = nn.Conv2d(4, 4, 1)
        self.again = self.shared
        self.unused = nn.Linear(4, 4)
        self.sized = nn.ConvTranspose2d(4, 4, 2, 2)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor, *, ids: Tensor) -> tuple[Tensor, Tensor]:
        x = self.plain(x) + self.doubled(x) + self.hooked(x) + self.normed(x) + self.shared(x) + self.again(x)
        x = self.sized(x, output_size=(8, 8))
        tokens = x.flatten(2).transpose(1, 2)
        tokens = self.attention(tokens, tokens, tokens)[0].mean(1)
        return x, self.tied(tokens + self.embedding(ids).sum(1))


class Recording(nn.Module):
    """A model that puts a hook on a layer in its first call, as libraries do that record outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2, 2)
        self.installed, self.record = False, list[Tensor]()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        if not self.installed:
            self.installed = True
            self.conv.register_forward_hook(lambda _module, _inputs, output: self.record.append(output))
        self.record.clear()
        self.conv(x)
        return tuple(self.record)


class ByKeyword(nn.Module):
    """A layer that is called by keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(input=x)


class TwoShapes(nn.Module):
    """A layer that is called on inputs of two shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).mean() + self.conv(x[..., :4]).mean(dim=(2, 3))


class Raises(nn.Module):
    """A model whose forward raises."""

    def forward(self, x: Tensor) -> Tensor:
        raise ValueError(f"no\nuse for {list(x.shape)}")


class Wants(nn.Module):
    """A model that wants two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(3, 3)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.proj(x) * mask


class NoLayers(nn.Module):
    """A model without a layer that has rewrites."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1
