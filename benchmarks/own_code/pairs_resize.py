# mypy: ignore-errors
"""Larger and smaller: transposed convolutions, shuffles, pooling and interpolation."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.own_code.record import Pair


# Swin-UNETR, MAE decoders: every pixel becomes a block
class ExpandLinear(nn.Module):
    def __init__(self, dim, out, scale=2):
        super().__init__()
        self.scale = scale
        self.expand = nn.Linear(dim, out * scale * scale, bias=False)
        self.bias = nn.Parameter(torch.zeros(out))

    def blocks(self, y):
        return y.permute(0, 3, 1, 4, 2, 5)

    def forward(self, x):
        s = self.scale
        n, c, h, w = x.shape
        y = self.expand(x.permute(0, 2, 3, 1)).reshape(n, h, w, -1, s, s)
        return self.blocks(y).reshape(n, -1, h * s, w * s) + self.bias[:, None, None]


class ExpandLinearTransposedBlocks(ExpandLinear):
    def blocks(self, y):
        return y.permute(0, 3, 1, 5, 2, 4)


# GAN generators ported to where there is no transposed convolution
class ZerosBetween(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 4)

    def forward(self, x):
        n, c, h, w = x.shape
        z = x.new_zeros(n, c, 2 * h - 1, 2 * w - 1)
        z[:, :, ::2, ::2] = x
        return self.conv(F.pad(z, (2, 2, 2, 2)))


# latent diffusion: downsampling pads below and on the right only
class Downsample(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, kernel_size=3, stride=2, padding=0)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1), mode="constant", value=0))


class DenseThenEverySecond(nn.Module):
    def __init__(self, c, first=1):
        super().__init__()
        self.first = first
        self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x):
        return self.conv(x)[:, :, self.first :: 2, self.first :: 2]


class AverageConv(nn.Module):
    def __init__(self, c, k=2):
        super().__init__()
        self.c, self.k = c, k
        self.register_buffer("kernel", torch.ones(c, 1, k, k) / k**2)

    def forward(self, x):
        return F.conv2d(x, self.kernel, stride=self.k, groups=self.c)


class AverageConvSum(AverageConv):
    def __init__(self, c, k=2):
        super().__init__(c, k)
        self.register_buffer("kernel", torch.ones(c, 1, k, k))


# antialiased-cnns
class BlurPool(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.channels = channels
        a = torch.tensor([1.0, 2.0, 1.0])
        filt = a[:, None] * a[None, :]
        self.register_buffer("filt", (filt / filt.sum())[None, None].repeat(channels, 1, 1, 1))
        self.pad = nn.ReflectionPad2d(1)

    def forward(self, x):
        return F.conv2d(self.pad(x), self.filt, stride=2, groups=self.channels)


class BlurBySlices(nn.Module):
    mode = "reflect"

    def forward(self, x):
        x = F.pad(x, (1, 1, 1, 1), mode=self.mode)
        x = (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:])[:, :, ::2]
        x = (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:])[..., ::2]
        return x / 16


class BlurBySlicesZeroBorder(BlurBySlices):
    mode = "constant"


class BilinearUp(nn.Module):
    def forward(self, x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


# mobile runtimes: the weights of the four phases are constants
class BilinearByPhases(nn.Module):
    near, far = 0.75, 0.25

    def double(self, x, dim):
        size = x.shape[dim]
        before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, size - 1)], dim)
        behind = torch.cat([x.narrow(dim, 1, size - 1), x.narrow(dim, size - 1, 1)], dim)
        even = self.near * x + self.far * before
        odd = self.near * x + self.far * behind
        return torch.stack([even, odd], dim + 1).flatten(dim, dim + 1)

    def forward(self, x):
        return self.double(self.double(x, 2), 3)


class BilinearByPhasesExchanged(BilinearByPhases):
    near, far = 0.25, 0.75


class NearestConv(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x):
        return self.conv(self.up(x))


class RepeatConv(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x):
        x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        return self.conv(x)


class TileConv(RepeatConv):
    def forward(self, x):
        return self.conv(x.repeat(1, 1, 2, 2))


# super-resolution ports from TensorFlow, whose depth is laid out the other way
class UnshuffleByHand(nn.Module):
    axes = (0, 1, 3, 5, 2, 4)

    def __init__(self, c_in, c_out):
        super().__init__()
        self.body = nn.Conv2d(4 * c_in, c_out, 1)

    def forward(self, x):
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // 2, 2, w // 2, 2).permute(*self.axes)
        return self.body(x.reshape(b, 4 * c, h // 2, w // 2))


class UnshuffleDepthFirst(UnshuffleByHand):
    axes = (0, 3, 5, 1, 2, 4)


# wavelet pooling
class Haar(nn.Module):
    def __init__(self):
        super().__init__()
        a = torch.tensor([[1.0, 1.0], [-1.0, 1.0]])
        self.register_buffer("filters", torch.einsum("pi,qj->pqij", a, a).reshape(4, 1, 2, 2) / 2)

    def forward(self, x):
        b, c, h, w = x.shape
        y = F.conv2d(x.reshape(b * c, 1, h, w), self.filters, stride=2)
        return y.reshape(b, c * 4, h // 2, w // 2)


class HaarBySlices(nn.Module):
    exchanged = False

    def forward(self, x):
        a, b = x[:, :, ::2, ::2] / 2, x[:, :, ::2, 1::2] / 2
        c, d = x[:, :, 1::2, ::2] / 2, x[:, :, 1::2, 1::2] / 2
        ll, lh, hl, hh = a + b + c + d, b + d - a - c, c + d - a - b, a + d - b - c
        bands = [ll, hl, lh, hh] if self.exchanged else [ll, lh, hl, hh]
        return torch.stack(bands, dim=2).flatten(1, 2)


class HaarBandsExchanged(HaarBySlices):
    exchanged = True


PAIRS = (
    Pair(
        "a transposed convolution as a Linear and blocks",
        "ConvTranspose2d(4, 3, 2, stride=2)",
        ":ExpandLinear(4, 3)",
        ("2,4,3,5",),
        "rows and columns of a block are exchanged",
        ":ExpandLinearTransposedBlocks(4, 3)",
        {"expand.weight": "weight: i o kh kw -> (o kh kw) i"},
    ),
    Pair(
        "a transposed convolution with zeros between pixels",
        "ConvTranspose2d(3, 2, 4, stride=2, padding=1)",
        ":ZerosBetween(3, 2)",
        ("1,3,4,3",),
        "the kernel is not turned round",
        map={"conv.weight": "weight: i o kh kw -> o i kh kw | flip kh | flip kw", "conv.bias": "bias"},
        twin_map={"conv.weight": "weight: i o kh kw -> o i kh kw", "conv.bias": "bias"},
    ),
    Pair(
        "every second pixel of a dense convolution",
        ":Downsample(3)",
        ":DenseThenEverySecond(3)",
        ("1,3,8,6",),
        "begins at the first pixel, as padding on all sides would",
        ":DenseThenEverySecond(3, 0)",
    ),
    Pair(
        "average pooling as a convolution",
        "AvgPool2d(2)",
        ":AverageConv(3)",
        ("2,3,4,6",),
        "the sum in place of the mean",
        ":AverageConvSum(3)",
    ),
    Pair(
        "blur pooling by slices",
        ":BlurPool(3)",
        ":BlurBySlices()",
        ("1,3,7,6",),
        "zeros around where the border was reflected",
        ":BlurBySlicesZeroBorder()",
    ),
    Pair(
        "bilinear interpolation by phases",
        ":BilinearUp()",
        ":BilinearByPhases()",
        ("1,2,4,5",),
        "near and far weights exchanged",
        ":BilinearByPhasesExchanged()",
    ),
    Pair(
        "nearest neighbours by repetition",
        ":NearestConv(2)",
        ":RepeatConv(2)",
        ("1,2,3,4",),
        "repeat in place of repeat_interleave",
        ":TileConv(2)",
    ),
    Pair(
        "PixelUnshuffle by view and permute",
        "Sequential(PixelUnshuffle(2), Conv2d(12, 4, 1))",
        ":UnshuffleByHand(3, 4)",
        ("1,3,6,4",),
        "blocks before channels, as TensorFlow has them",
        ":UnshuffleDepthFirst(3, 4)",
        {"body.weight": "1.weight", "body.bias": "1.bias"},
    ),
    Pair(
        "Haar wavelets by slices",
        ":Haar()",
        ":HaarBySlices()",
        ("2,2,4,6",),
        "horizontal and vertical details exchanged",
        ":HaarBandsExchanged()",
    ),
)
