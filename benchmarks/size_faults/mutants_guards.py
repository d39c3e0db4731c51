# mypy: ignore-errors
"""Implementations that are swapped above some size, one of them with a fault."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class Guarded:
    """Calls `fast` where an axis is longer than a limit, which has a fault unless it is mended."""

    def __init__(self, *arguments, limit, axis=2, mend=False, **keywords):
        super().__init__(*arguments, **keywords)
        self.limit, self.axis, self.mend = limit, axis, mend

    def forward(self, x):
        return self.fast(x) if x.shape[self.axis] > self.limit else super().forward(x)


class Im2colWithoutBias(Guarded, nn.Conv2d):
    def fast(self, x):
        y = self.weight.flatten(1) @ F.unfold(x, self.kernel_size, padding=self.padding)
        y = y.unflatten(2, (x.shape[2] + 2 * self.padding[0] - self.kernel_size[0] + 1, -1))
        return y + self.bias[:, None, None] if self.mend else y


class Im2colByColumns(Guarded, nn.Conv2d):
    def fast(self, x):
        windows = x.unfold(2, 3, 1).unfold(3, 3, 1)
        equation = "bihwpq,oipq->bohw" if self.mend else "bihwpq,oiqp->bohw"
        return torch.einsum(equation, windows, self.weight) + self.bias[:, None, None]


class Reflected(Guarded, nn.Conv1d):
    def fast(self, x):
        return F.conv1d(F.pad(x, (1, 1), mode="constant" if self.mend else "replicate"), self.weight, self.bias)


class ByTransposed(Guarded, nn.Conv1d):
    def fast(self, x):
        weight = self.weight.transpose(0, 1)
        return F.conv_transpose1d(
            x, weight.flip(2) if self.mend else weight, self.bias, padding=self.kernel_size[0] - 1
        )


class TapByTap(Guarded, nn.Conv1d):
    def fast(self, x):
        n = x.shape[2] - 2
        taps = range(3) if self.mend else range(2)
        return sum(self.weight[:, :, k] @ x[..., k : k + n] for k in taps) + self.bias[:, None]


class FramesSummed(Guarded, nn.Conv3d):
    def fast(self, x):
        n = x.shape[2] - 1
        first, second = self.weight.unbind(2)
        frames = [
            F.conv2d(x[:, :, t], first, self.bias) + F.conv2d(x[:, :, t + 1 if self.mend else min(t + 2, n)], second)
            for t in range(n)
        ]
        return torch.stack(frames, 2)


class SubsampledDense(Guarded, nn.Conv1d):
    def fast(self, x):
        return F.conv1d(x, self.weight, self.bias)[..., 0 if self.mend else 1 :: 2]


class LinearOnImage(Guarded, nn.Conv2d):
    def fast(self, x):
        bias = self.bias if self.mend else None
        return F.linear(x.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)


class ZeroStuffed(Guarded, nn.ConvTranspose1d):
    def fast(self, x):
        stuffed = F.pad(torch.stack([x, torch.zeros_like(x)], -1).flatten(2)[..., :-1], (2, 2))
        weight = self.weight.transpose(0, 1)
        return F.conv1d(stuffed, weight.flip(2) if self.mend else weight, self.bias)


class Shuffled(Guarded, nn.PixelShuffle):
    def fast(self, x):
        b, c, h, w = x.shape
        x = x.view(b, c // 4, 2, 2, h, w)
        return (
            x.permute(0, 1, 4, 2, 5, 3).reshape(b, c // 4, 2 * h, 2 * w)
            if self.mend
            else (x.permute(0, 1, 4, 3, 5, 2).reshape(b, c // 4, 2 * h, 2 * w))
        )


class GroupsDense(Guarded, nn.Conv1d):
    """Groups as one dense convolution with zeros, or with the blocks in reverse."""

    def fast(self, x):
        blocks = [one.squeeze(2) for one in self.weight.chunk(2)]
        y = torch.cat(
            [w @ part for w, part in zip(blocks if self.mend else blocks[::-1], x.chunk(2, 1), strict=True)], 1
        )
        return y + self.bias[:, None]


class Dilated(Guarded, nn.Conv1d):
    def fast(self, x):
        n = x.shape[2] - 2
        second = x[..., 2 : 2 + n] if self.mend else x[..., 1 : 1 + n]
        return self.weight[:, :, 0] @ x[..., :n] + self.weight[:, :, 1] @ second + self.bias[:, None]


class InChunks(Guarded, nn.Linear):
    """Tokens in chunks of four, of which the last one may be shorter."""

    def fast(self, x):
        t = x.shape[1]
        chunks = [x[:, i : i + 4] for i in range(0, t if self.mend else t // 4 * 4, 4)]
        return torch.cat([F.linear(chunk, self.weight, self.bias) for chunk in chunks], 1)


class LowRank(Guarded, nn.Linear):
    def fast(self, x):
        x = torch.cat([x, torch.ones_like(x[..., :1])], -1)
        weight = torch.cat([self.weight, self.bias[:, None] if self.mend else torch.ones_like(self.bias)[:, None]], 1)
        return x @ weight.T


class PooledInSteps(Guarded, nn.MaxPool2d):
    def fast(self, x):
        x = F.max_pool1d(x.flatten(0, 2)[:, None], 2).view(*x.shape[:3], -1)
        return torch.maximum(x[:, :, :-1:2], x[:, :, 1::2] if self.mend else x[:, :, 2::2][:, :, : x.shape[2] // 2])


class Deep(Guarded, nn.Conv3d):
    def fast(self, x):
        weight = self.weight if self.mend else self.weight.transpose(3, 4)
        return F.conv3d(x, weight, self.bias)


class ByFactors(Guarded, nn.Conv2d):
    """A depthwise kernel, whose channels are put into the batch above a limit."""

    def fast(self, x):
        b, c, h, w = x.shape
        if self.mend:
            y = F.conv2d(x.view(1, b * c, h, w), self.weight.repeat(b, 1, 1, 1), groups=b * c)
        else:
            y = F.conv2d(x.view(1, b * c, h, w), self.weight.repeat_interleave(b, 0), groups=b * c)
        return y.view(b, c, *y.shape[2:]) + self.bias[:, None, None]


class LargeBias(Guarded, nn.Conv2d):
    """A bias that is added behind the padding, or before it."""

    def fast(self, x):
        if self.mend:
            return F.conv2d(F.pad(x, (1, 1, 1, 1)), self.weight, self.bias)
        return F.pad(F.conv2d(x, self.weight, self.bias), (1, 1, 1, 1))


class Unfolded(Guarded, nn.Unfold):
    def fast(self, x):
        windows = x.unfold(2, 2, 1).unfold(3, 2, 1)
        order = (0, 1, 4, 5, 2, 3) if self.mend else (0, 4, 5, 1, 2, 3)
        return windows.permute(order).flatten(1, 3).flatten(2)


def guarded(name, layer, candidate, shape, limits, fault, axis=2):
    """Return a mutant a limit, whose twin takes the same path without the fault."""
    arguments = layer[layer.index("(") + 1 : -1]
    begin = f":{candidate}({arguments}, " if arguments else f":{candidate}("
    texts = {limit: f"{begin}limit={limit}, axis={axis}" for limit in limits}
    return [
        Mutant(f"{name}-{limit}", layer, f"{text})", shape, f"above {limit}: {fault}", f"{text}, mend=True)")
        for limit, text in texts.items()
    ]


MUTANTS = [
    *guarded("im2col", "Conv2d(2, 3, 2, padding=1)", "Im2colWithoutBias", "b=1 2 h=4 w=5", (8, 30), "no bias"),
    *guarded("im2col-columns", "Conv2d(2, 2, 3)", "Im2colByColumns", "b=1 2 h=5 w=5", (9,), "kernel transposed"),
    *guarded("replicated", "Conv1d(2, 2, 3, padding=1)", "Reflected", "b=2 2 t=5", (12, 30), "padding replicates"),
    *guarded("unflipped", "Conv1d(2, 3, 3)", "ByTransposed", "b=2 2 t=5", (8,), "kernel not flipped"),
    *guarded("taps", "Conv1d(2, 3, 3)", "TapByTap", "b=2 2 t=5", (20,), "the last tap is left out"),
    *guarded("frames", "Conv3d(1, 2, (2, 1, 1))", "FramesSummed", "b=1 1 t=3 h=2 w=2", (4,), "a frame too far"),
    *guarded("dense", "Conv1d(2, 2, 2, stride=2)", "SubsampledDense", "b=2 2 t=6", (10,), "the wrong phase"),
    *guarded("linear", "Conv2d(2, 3, 1)", "LinearOnImage", "b=1 2 h=4 w=4", (16,), "no bias", axis=3),
    *guarded("stuffed", "ConvTranspose1d(2, 3, 3, stride=2)", "ZeroStuffed", "b=1 2 t=4", (7,), "kernel not flipped"),
    *guarded("shuffled", "PixelShuffle(2)", "Shuffled", "b=1 c=4 h=3 w=3", (6,), "rows and columns of a block swapped"),
    *guarded("groups", "Conv1d(4, 4, 1, groups=2)", "GroupsDense", "b=2 4 t=3", (9,), "blocks in reverse"),
    *guarded("dilated", "Conv1d(2, 2, 2, dilation=2)", "Dilated", "b=1 2 t=6", (11,), "no dilation"),
    *guarded("chunks", "Linear(2, 3)", "InChunks", "b=2 t=4 2", (8,), "a last chunk is dropped", axis=1),
    *guarded("bias-as-ones", "Linear(2, 3)", "LowRank", "b=2 t=4 2", (24,), "ones for the bias", axis=1),
    *guarded("pool-steps", "MaxPool2d(2)", "PooledInSteps", "b=1 c=2 h=4 w=4", (5,), "rows one further", axis=2),
    *guarded("deep", "Conv3d(1, 2, 2)", "Deep", "b=1 1 t=3 h=3 w=3", (3,), "kernel transposed"),
    *guarded(
        "folded-batch", "Conv2d(2, 2, 2, groups=2)", "ByFactors", "b=2 2 h=3 w=3", (4,), "kernels interleaved", axis=0
    ),
    *guarded("early-bias", "Conv2d(2, 2, 1, padding=1)", "LargeBias", "b=1 2 h=3 w=3", (6,), "zeros on the border"),
    *guarded("unfold", "Unfold(2)", "Unfolded", "b=1 c=2 h=3 w=3", (5,), "channels behind the window", axis=3),
]
