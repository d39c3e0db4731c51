# mypy: ignore-errors
"""Windows, strides and dilations that are computed from sizes, by formulas that hold for some."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class AdaptiveMax(nn.Module):
    def __init__(self, out):
        super().__init__()
        self.out = out

    def forward(self, x):  # b c t
        return F.adaptive_max_pool1d(x, self.out)


class FixedMax(AdaptiveMax):
    def forward(self, x):
        stride = x.shape[2] // self.out
        return F.max_pool1d(x, x.shape[2] - (self.out - 1) * stride, stride)


class LoopedMax(AdaptiveMax):
    def forward(self, x):
        t, n = x.shape[2], self.out
        return torch.stack([x[..., i * t // n : -(-(i + 1) * t // n)].amax(-1) for i in range(n)], -1)


class Resampled(nn.Module):
    """Four positions, as near as whole numbers tell."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b c t
        t = x.shape[2]
        if self.way == "stride":
            return x[..., :: t // 4][..., :4]
        if self.way == "select":
            return torch.stack([x[..., i * t // 4] for i in range(4)], -1)
        return x[..., torch.arange(4) * t // 4]


class Dilated(nn.Conv1d):
    def __init__(self, per):
        super().__init__(2, 2, 2)
        self.per = per

    def forward(self, x):
        return F.conv1d(x, self.weight, self.bias, dilation=1 + x.shape[2] // self.per)


class TwoTaps(nn.Conv1d):
    def __init__(self):
        super().__init__(2, 2, 2)

    def forward(self, x):
        first, second = self.weight.unbind(2)
        return first @ x[..., :-1] + second @ x[..., 1:] + self.bias[:, None]


class Strided(nn.Conv2d):
    """Stride two, or what divides the image into as many as the given one has."""

    def __init__(self, patches):
        super().__init__(1, 2, 2, stride=2)
        self.patches = patches

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, stride=(max(1, x.shape[2] // self.patches), 2))


class StridedByUnfold(nn.Conv2d):
    def __init__(self):
        super().__init__(1, 2, 2, stride=2)

    def forward(self, x):
        h, w = x.shape[2] // 2, x.shape[3] // 2
        columns = F.unfold(x, 2, stride=2)
        return (self.weight.flatten(1) @ columns + self.bias[:, None]).view(-1, 2, h, w)


class SquareWindow(nn.Module):
    """The largest of the first h by w positions, or of h by h."""

    def __init__(self, side):
        super().__init__()
        self.side = side

    def forward(self, x):
        h, w = x.shape[2:]
        rows, columns = {"height": (h, h), "shorter": (min(h, w), min(h, w)), "both": (h, w)}[self.side]
        return x[:, :, :rows, :columns].amax((2, 3))


class LargestByFlat(nn.Module):
    def forward(self, x):
        return x.flatten(2).amax(2)


class Corner(nn.Module):
    """The entry on the diagonal that is the last one of the shorter side."""

    def __init__(self, of):
        super().__init__()
        self.of = of

    def forward(self, x):
        last = (min(x.shape[2:]) if self.of == "shorter" else x.shape[2]) - 1
        return x[:, :, last, min(last, x.shape[3] - 1)]


class CornerOfDiagonal(nn.Module):
    def forward(self, x):
        return x.diagonal(dim1=2, dim2=3)[..., -1]


MUTANTS = [
    *(
        Mutant(
            f"adaptive-max-{n}",
            f":AdaptiveMax({n})",
            f":FixedMax({n})",
            f"b=2 c=3 t={2 * n}",
            "one window and stride for all sizes",
            f":LoopedMax({n})",
        )
        for n in (3, 5)
    ),
    Mutant(
        "resampled-by-stride",
        ":Resampled('index')",
        ":Resampled('stride')",
        "b=2 c=2 t=8",
        "a stride of t // 4",
        ":Resampled('select')",
    ),
    *(
        Mutant(
            f"dilated-{n}",
            "Conv1d(2, 2, 2)",
            f":Dilated({n})",
            "b=2 2 t=6",
            f"dilation grows with t // {n}",
            ":TwoTaps()",
        )
        for n in (10, 16)
    ),
    *(
        Mutant(
            f"strided-{n}",
            "Conv2d(1, 2, 2, stride=2)",
            f":Strided({n})",
            f"b=2 1 h={2 * n} w=4",
            f"a stride of h // {n}",
            ":StridedByUnfold()",
        )
        for n in (2, 4)
    ),
    Mutant(
        "square-window",
        ":SquareWindow('both')",
        ":SquareWindow('height')",
        "b=2 c=2 h=5 w=5",
        "as many columns as rows",
        ":LargestByFlat()",
    ),
    Mutant(
        "shorter-window",
        ":SquareWindow('both')",
        ":SquareWindow('shorter')",
        "b=1 c=2 h=5 w=5",
        "the square of the shorter side",
    ),
    Mutant(
        "corner",
        ":Corner('shorter')",
        ":Corner('height')",
        "b=2 c=2 h=3 w=5",
        "the height for the shorter side",
        ":CornerOfDiagonal()",
    ),
]
