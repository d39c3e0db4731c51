# mypy: ignore-errors
"""Wrong for some numbers of channels, whose weights are as many: cut, used again, left out where they are odd."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class CutLinear(nn.Linear):
    def __init__(self, features, limit):
        super().__init__(features, 2)
        self.limit = limit

    def forward(self, x):
        return F.linear(x[..., : self.limit], self.weight[:, : self.limit], self.bias)


class LinearByProduct(nn.Linear):
    def __init__(self, features):
        super().__init__(features, 2)

    def forward(self, x):
        return torch.einsum("bti,oi->bto", x, self.weight) + self.bias


class Recycled(nn.Conv1d):
    """Depthwise kernels, of which there are as many as a table holds."""

    def __init__(self, channels, rows):
        super().__init__(channels, channels, 2, groups=channels)
        self.rows = rows

    def forward(self, x):
        c = x.shape[1]
        return F.conv1d(x, self.weight[torch.arange(c) % self.rows], self.bias, groups=c)


class DepthwiseByTaps(nn.Conv1d):
    def __init__(self, channels):
        super().__init__(channels, channels, 2, groups=channels)

    def forward(self, x):
        first, second = self.weight.unbind(2)
        return x[..., :-1] * first + x[..., 1:] * second + self.bias[:, None]


class InHalves(nn.Conv2d):
    def __init__(self, channels, odd):
        super().__init__(channels, 3, 1)
        self.odd = odd

    def forward(self, x):
        half = x.shape[1] // 2
        parts = [slice(0, half), slice(half, None if self.odd else 2 * half)]
        y = sum(torch.einsum("bihw,oi->bohw", x[:, part], self.weight[:, part, 0, 0]) for part in parts)
        return y + self.bias[:, None, None]


class Scale(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.gamma = nn.Parameter(torch.randn(channels))

    def forward(self, x):  # b c h w
        return x * self.gamma[:, None, None]


class ScaleAtEnd(Scale):
    """A factor a channel, which meets the last axis where that is as long."""

    def forward(self, x):
        if x.shape[3] == self.gamma.shape[0]:
            return x * self.gamma
        return x * self.gamma.view(-1, 1, 1)


class ScaleByProduct(Scale):
    def forward(self, x):
        return torch.einsum("bchw,c->bchw", x, self.gamma)


class Grouped(nn.Module):
    """Kernels for two groups of channels, as blocks or in turns."""

    def __init__(self, channels, way):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, channels // 2))
        self.way = way

    def forward(self, x):  # b c t -> b 2 t
        c = x.shape[1]
        if self.way == "turns":
            return torch.stack([self.weight[g] @ x[:, g::2] for g in (0, 1)], 1)
        if self.way == "conv":
            return F.conv1d(x, self.weight[..., None], groups=2)
        return torch.stack([self.weight[g] @ x[:, g * c // 2 : (g + 1) * c // 2] for g in (0, 1)], 1)


class Padded(nn.Linear):
    """Features are padded to a multiple of eight, and the last block is left out where there are several."""

    def __init__(self, features, blocks):
        super().__init__(features, 2)
        self.blocks = blocks

    def forward(self, x):
        more = -x.shape[-1] % 8
        x, weight = F.pad(x, (0, more)), F.pad(self.weight, (0, more))
        blocks = x.shape[-1] // 8
        y = self.bias
        for k in range(min(blocks, self.blocks)):
            y = y + x[..., 8 * k : 8 * k + 8] @ weight[:, 8 * k : 8 * k + 8].T
        return y


MUTANTS = [
    *(
        Mutant(
            f"cut-features-{n}",
            "Linear({c}, 2)",
            f":CutLinear({{c}}, {n})",
            "b=2 t=3 c=4",
            f"{n} features at most",
            ":LinearByProduct({c})",
        )
        for n in (5, 16)
    ),
    *(
        Mutant(
            f"recycled-kernels-{n}",
            "Conv1d({c}, {c}, 2, groups={c})",
            f":Recycled({{c}}, {n})",
            "b=2 c=4 t=4",
            f"{n} kernels that are used again",
            ":DepthwiseByTaps({c})",
        )
        for n in (4, 10)
    ),
    Mutant(
        "channels-in-halves",
        "Conv2d({c}, 3, 1)",
        ":InHalves({c}, False)",
        "b=2 c=4 h=2 w=3",
        "the last of an odd number is left out",
        ":InHalves({c}, True)",
    ),
    Mutant(
        "scale-at-end",
        ":Scale({c})",
        ":ScaleAtEnd({c})",
        "b=2 c=3 h=4 w=5",
        "as many columns as channels are scaled instead",
        ":ScaleByProduct({c})",
    ),
    Mutant(
        "groups-in-turns",
        ":Grouped({c}, 'blocks')",
        ":Grouped({c}, 'turns')",
        "b=2 c=2 t=3",
        "blocks in turns",
        ":Grouped({c}, 'conv')",
    ),
    Mutant(
        "blocks-of-eight",
        "Linear({c}, 2)",
        ":Padded({c}, 2)",
        "b=2 t=2 c=12",
        "two blocks at most",
        ":Padded({c}, 1000)",
    ),
]
