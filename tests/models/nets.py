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


class Chains(nn.Module):
    """Layers in a row that may be merged, in code as people write it, and such that may not."""

    def __init__(self) -> None:
        super().__init__()
        # Neither names nor places tell what follows what.
        self.norm_b, self.norm_a = nn.BatchNorm2d(4), nn.BatchNorm2d(6)
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.blocks = nn.ModuleList([nn.ModuleDict({"n": nn.BatchNorm2d(6), "c": nn.Conv2d(6, 6, 1)}) for _ in "ab"])
        self.narrow, self.wide = nn.Conv2d(6, 4, 1, bias=False), nn.Conv2d(4, 4, 3, padding=1)
        self.up, self.shuffle = nn.Conv2d(4, 4, 3, padding=1), nn.PixelShuffle(2)
        self.head, self.head_norm = nn.Linear(1, 7, bias=False), nn.BatchNorm1d(7)
        self.lora_b, self.lora_a = nn.Linear(2, 7), nn.Linear(7, 2, bias=False)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                draw_statistics(module)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.stem(x)
        height = y.shape[-1]
        x = functional.relu(self.norm_a(y))
        del y
        for block in self.blocks:
            x = functional.relu(block["n"](block["c"](x)))
        x = functional.relu(self.norm_b(self.wide(self.narrow(x))))
        x = functional.gelu(self.shuffle(self.up(x)))
        x, image = self.head_norm(self.head(x.mean((2, 3)))) * height, x
        return {"image": image, "logits": x + self.lora_b(self.lora_a(x))}


def draw_statistics(module: nn.Module) -> None:
    """Give a BatchNorm statistics, scale and shift that change what goes through."""
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 2) if name == "running_var" else tensor.normal_()


class Pair(nn.Module):
    """A convolution and a BatchNorm; `way` is how code goes from one to the other."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.conv, self.norm, self.way = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), way
        self.kept: list[Tensor] = []
        draw_statistics(self.norm)
        if way == "a hook":
            self.norm.register_forward_hook(lambda _module, _inputs, output: output)
        if way == "shared weights":
            self.other = nn.Conv2d(3, 4, 1)
            self.other.weight = self.conv.weight
        if way == "frozen to the batch":
            self.norm.track_running_stats, self.norm.running_mean, self.norm.running_var = False, None, None

    def forward(self, x: Tensor) -> object:
        y = self.conv(x)
        match self.way:
            case "residual":
                return self.norm(y) + y
            case "in the output":
                return self.norm(y), {"hidden": [y]}
            case "kept":
                self.kept.append(y)
            case "a view is kept":
                self.kept.append(y[0])
            case "its values decide":
                return self.norm(y) if y.sum() > 0 else self.norm(y) * 2
            case "numpy":
                return self.norm(y) + float(y.numpy().max())
            case "a function between":
                return self.norm(functional.relu(y))
            case "in place":
                return self.norm(y.mul_(2))
            case "the first twice":
                return self.norm(y) + self.conv(x + 1)
            case "the second twice":
                return self.norm(y) + self.norm(x[:, :1].expand(-1, 4, -1, -1))
            case "the second by keyword":
                return self.norm(input=y)
            case "train mode":
                self.norm.training = True
            case "its weights are used elsewhere":
                return self.norm(y) + self.conv.weight.sum()
            case "scaled weights":
                return self.norm(y) + functional.linear(x.transpose(1, 3), self.conv.weight.flatten(1)).transpose(1, 3)
            case "another way when followed":
                return self.norm(y) if torch._C._len_torch_dispatch_stack() else self.norm(y + 0)
            case "cannot be followed" if torch._C._len_torch_dispatch_stack():
                raise TypeError("no modes here")
        return self.norm(y)


class Twice(nn.Module):
    """A chain that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        draw_statistics(self.norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(self.norm(self.conv(x)).sigmoid()))


class Sized(nn.Module):
    """Two convolutions, between which code asks for the number of channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, width, 1), nn.Conv2d(width, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.one(x)
        return self.two(y) * y.size(1)
