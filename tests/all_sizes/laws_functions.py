"""Laws of readers of what is no polynomial: what they are evaluated to is what torch computes, but for rounding."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  # as everywhere
from torch import Tensor

from tests.all_sizes.reading import Law

aten = torch.ops.aten
IMAGE = ((2, 4, 3, 2),)
IMAGES = (((3, 4, 2, 3),),)
CHANNELS = ((0, 1),)
PAIR = ((2, 3), (2, 3))
PAIRS = (((3, 2), (3, 2)),)
WHOLE, TRUTH, REAL = torch.int64, torch.bool, torch.float64


def near(run: Callable[..., Tensor], fixed: tuple[tuple[int, int], ...] = ()) -> Law:
    """Return a law of one image, within rounding."""
    return Law(run, IMAGE, IMAGES, fixed, is_exact=False)


def small(run: Callable[..., Tensor]) -> Law:
    """Return a law of a matrix, within rounding."""
    return Law(run, ((2, 3),), (((3, 2),),), is_exact=False)


def scaled(run: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a function of an eighth of a tensor, with zeros around: no exponential is too large."""
    return lambda x: run(F.pad(x / 8, (1, 0)))


ACTIVATIONS = [
    *(
        small(scaled(run))
        for run in (
            F.relu,
            F.relu6,
            F.silu,
            F.gelu,
            lambda x: F.gelu(x, approximate="tanh"),
            lambda x: F.leaky_relu(x, 0.25),
            F.elu,
            F.softplus,
            lambda x: F.softplus(x, 2.0, 5.0),
            lambda x: torch.round(x, decimals=0),
            F.mish,
            F.hardsigmoid,
            F.hardswish,
            lambda x: F.hardtanh(x, -1, 0.5) + x.clamp(min=0.25) + x.clamp(max=-0.25) + x.clamp(0, 1) + x.clamp_min(0),
            lambda x: x.clamp_max(-0.5),
            lambda x: torch.tanh(x) + torch.sigmoid(x) + torch.erf(x) + x.abs() + x.sign(),
            lambda x: x.sin() + x.cos() + x.atan() + x.floor() + x.round() + x.expm1(),
            lambda x: (x * x + 1).log() + (x * x).log1p(),
            lambda x: aten.native_dropout(x, 0.5, False)[0],
        )
    ),
    near(lambda x: F.relu6(x / 2) + aten.clamp_min(x, -1) + aten.clamp_max(x, 1)),
    near(lambda x: F.glu(x / 8, 1), CHANNELS),
    Law(  # it overwrites what it makes
        lambda x, h, w, u: torch._VF.gru_cell(x / 8, h / 8, w / 8, u / 8),  # type: ignore[attr-defined]
        ((2, 3), (2, 2), (6, 3), (6, 2)),
        (((3, 3), (3, 2), (6, 3), (6, 2)),),
        ((0, 1), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)),
        is_exact=False,
    ),
    Law(lambda x, w: F.prelu(x, w), ((2, 4, 3, 5), (4,)), (((3, 2, 2, 4), (2,)),), is_exact=False),
    Law(lambda x, y: torch.maximum(x, y) + 3 * torch.minimum(y, x) + torch.maximum(y, x), PAIR, PAIRS),
    Law(lambda x: torch.maximum(x, x.flip(1)), ((3, 5),), (((2, 4),),)),
]

ROOTS = [
    small(lambda x: (x * x + 1).sqrt() + (x * x + 1).rsqrt() + (x * x + 1).reciprocal() + 1 / (x * x + 2)),
    small(lambda x: x**2 + x.pow(3) + (x * x + 1) ** 0.5 + (x * x + 1) ** -0.5 + x**4 + (x * x + 3) ** -1 + x**0),
    small(lambda x: (x * x + 1) ** 1.5),
    small(lambda x: x / (x.abs() + 1) + F.pad(x, (1, 0))[..., 1:] / (2 * (x * x + 1))),
    near(lambda x: F.normalize(x, dim=1) + x.norm(dim=(2, 3), keepdim=True)),
    small(lambda x: aten.norm.ScalarOpt_dim(x, 2, [1], True)),
    small(lambda x: x / math.sqrt(2) * 2**0.5 + x * 3**-0.5 / 3**0.25 * 0.1),
]

SOFTMAX = [
    near(lambda x: (x / 8).exp()),
    near(lambda x: F.softmax(x / 8, 1) + F.softmax(x.flip(2) / 8, 2)),
    near(lambda x: F.log_softmax(x / 8, 3) + torch.logsumexp(x / 8, (1, 2), keepdim=True)),
    near(lambda x: aten._safe_softmax(x / 8, -1)),
    near(lambda x: F.softmax((x / 8).masked_fill(x > 8, -math.inf) + torch.zeros_like(x[0]), 1), CHANNELS),
    Law(lambda x: F.scaled_dot_product_attention(x / 8, x / 4, x), ((2, 3, 2),), (((2, 2, 3),),), is_exact=False),
    Law(
        lambda x: F.scaled_dot_product_attention(x / 8, x / 4, x, is_causal=True),
        ((2, 3, 2),),
        (((2, 2, 3),),),
        is_exact=False,
    ),
    Law(
        lambda x, m: F.scaled_dot_product_attention(x / 8, x / 4, x, attn_mask=m),
        ((2, 3, 4), (3, 3)),
        (((2, 4, 2), (4, 4)),),
        is_exact=False,
        kinds=(REAL, TRUTH),
    ),
]

NORMS = [
    Law(lambda x: F.layer_norm(x, x.shape[1:]), ((2, 2, 3),), (((2, 3, 2),),), is_exact=False),
    Law(
        lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b, eps=0.5),
        ((2, 2, 3), (3,), (3,)),
        (((3, 2, 2), (2,), (2,)),),
        is_exact=False,
    ),
    Law(
        lambda x, w, b: F.group_norm(x, 2, w, b),
        ((2, 4, 3), (4,), (4,)),
        (((3, 4, 2), (4,), (4,)),),
        ((0, 1), (1, 0), (2, 0)),
        is_exact=False,
    ),
    Law(
        lambda x, m, v, w, b: F.batch_norm(x, m, v * v, w, b),
        ((2, 4, 3), (4,), (4,), (4,), (4,)),
        (((3, 2, 5), (2,), (2,), (2,), (2,)),),
        is_exact=False,
    ),
    Law(
        lambda x, m, v, w, b: aten._native_batch_norm_legit_no_training(x, w, b, m, v * v, 0.1, 1e-5)[0],
        ((2, 4, 3), (4,), (4,), (4,), (4,)),
        (((3, 2, 5), (2,), (2,), (2,), (2,)),),
        is_exact=False,
    ),
    Law(
        lambda x, m, v: aten._native_batch_norm_legit_functional(x, None, None, m, v * v, True, 0.1, 1e-5)[0],
        ((2, 2, 3), (2,), (2,)),
        (((3, 3, 2), (3,), (3,)),),
        is_exact=False,
    ),
    Law(lambda x: F.batch_norm(x, None, None, training=True), ((2, 2, 3),), (((3, 2, 2),),), is_exact=False),
    Law(F.instance_norm, ((2, 2, 3),), (((3, 2, 2),),), is_exact=False),
    small(lambda x: F.rms_norm(x, x.shape[-1:], eps=1e-6)),
    near(
        lambda x: (
            x.var(1, keepdim=True) + x.std((2, 3), unbiased=False, keepdim=True) + torch.var_mean(x, 1)[1][:, None]
        )
    ),
    near(lambda x: (x - x.mean(1, keepdim=True)) / torch.sqrt(x.var(1, keepdim=True, unbiased=False) + 1e-5)),
]

LARGEST = [
    Law(lambda x: x.amax((1, 3)) + x.amin((1, 3)) - x.max(), IMAGE, IMAGES),
    Law(lambda x: x.max(2, keepdim=True).values + x.min(2, keepdim=True).values + x.min(), IMAGE, IMAGES),
    Law(lambda x: F.max_pool2d(x, 2), IMAGE, IMAGES),
    Law(lambda x: F.max_pool2d(x, (2, 3), (1, 2), (1, 1)), ((2, 2, 4, 5),), (((2, 3, 3, 5),),)),
    Law(lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True), ((2, 2, 3, 5),), (((2, 3, 3, 5),),)),
    Law(lambda x: F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=-math.inf), 3, 2), IMAGE, IMAGES),
    Law(lambda x: F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2), IMAGE, IMAGES),
    Law(lambda x: F.max_pool1d(x, 2, dilation=2), ((2, 3, 6),)),
    Law(lambda x: F.max_pool3d(x, 2, 1), ((2, 2, 3, 4, 3),), (((2, 2, 2, 3, 4),),)),
    Law(lambda x: F.adaptive_max_pool2d(x, 1) + F.adaptive_max_pool3d(x[None], 1)[0], IMAGE, IMAGES),
]

TRUTHS = [
    Law(lambda x, y: (x > y) * x + (x < 0) * y + (x >= y) * 2 + (x <= 3) * 5, PAIR, PAIRS),
    Law(lambda x, y: (x == y) * x + (x != 3) * y, PAIR, PAIRS),
    Law(lambda x, y: torch.where((x > y) & ~(y < 0) | (x > 5), x, y), PAIR, PAIRS),
    Law(
        lambda x, y: torch.where(torch.logical_or(x > y, torch.logical_not(torch.logical_and(x > 0, y > 0))), x, y),
        PAIR,
        PAIRS,
    ),
    Law(lambda x, y: x.masked_fill(y > 0, 3) + torch.where(x > 0, x, 2.0) + torch.where(x > 0, 1.5, x), PAIR, PAIRS),
    Law(lambda x: torch.where(x > 0, 1.0, 2.0), ((3, 5),), (((2, 4),),)),
    Law(
        lambda x: x * (x > 0).all() + 2 * x * (x > 0).all(1, True) + x * (x > 5).all((0, 1)), *(((2, 3),), (((3, 2),),))
    ),
    Law(
        lambda x: x * (x > 0).any() + 2 * x * (x > 0).any(1, True) + x * (x > 5).any((0, 1)), *(((2, 3),), (((3, 2),),))
    ),
    Law(lambda x, m: x.masked_fill(m, 4) + m, PAIR, PAIRS, kinds=(REAL, TRUTH)),
    Law(lambda x, m: x * m.all(1, keepdim=True) + (m | (x > 0)).any(1, keepdim=True), PAIR, PAIRS, kinds=(REAL, TRUTH)),
    Law(
        lambda x, m: (x.masked_fill(m, -math.inf) == -math.inf) + 2 * (x == -math.inf).all(1, keepdim=True),
        PAIR,
        PAIRS,
        kinds=(REAL, TRUTH),
    ),
    Law(
        lambda x: (
            x
            * (x.masked_fill(x.new_ones(x.shape, dtype=torch.bool).triu(1), -math.inf) == -math.inf).all(
                1, keepdim=True
            )
        ),
        PAIR[:1],
        (((4, 7),),),
    ),
    Law(
        lambda x: (
            x.masked_fill(torch.arange(x.shape[1]) > 2, 0) + torch.maximum(torch.arange(x.shape[1]), torch.tensor(2))
        ),
        ((3, 5),),
        (((2, 4),),),
    ),
]

EMBEDDINGS = [
    Law(lambda i, w: F.embedding(i, w), ((2, 5), (3, 4)), (((3, 4), (5, 2)),), kinds=(WHOLE, REAL)),
    Law(lambda i, w: F.embedding(i[0].flip(0), w.t()), ((2, 5), (4, 3)), (((3, 4), (2, 5)),), kinds=(WHOLE, REAL)),
]

FUNCTIONS = {
    "activations": ACTIVATIONS,
    "roots": ROOTS,
    "softmaxes": SOFTMAX,
    "norms": NORMS,
    "largest": LARGEST,
    "truths": TRUTHS,
    "embeddings": EMBEDDINGS,
}
