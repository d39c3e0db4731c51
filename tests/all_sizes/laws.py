"""Laws of readers, by family: functions that have the operators in their graphs, and shapes to hold them at."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  # as everywhere

from tests.all_sizes.laws_functions import FUNCTIONS
from tests.all_sizes.reading import Law

aten = torch.ops.aten
IMAGE = ((2, 4, 4, 6),)
"""With an even height and width."""
IMAGES = (((3, 4, 2, 4),), ((2, 4, 6, 2),))
ODD = (((3, 4, 5, 4),), ((2, 4, 4, 7),))
PAIR = ((3, 5), (3, 5))
PAIRS = (((2, 4), (2, 4)), ((4, 7), (4, 7)))
CHANNELS = ((0, 1),)

MOVEMENT = [
    Law(lambda x: x.clone().detach().permute(0, 2, 3, 1).contiguous(), IMAGE, ODD),
    Law(lambda x: aten.alias(x.transpose(1, -1)), IMAGE, ODD),
    Law(lambda x: x.reshape(x.shape[0], -1, x.shape[3]), IMAGE, ODD),
    Law(lambda x: x.flatten(2).transpose(1, 2).reshape(x.shape[0] * x.shape[2] * x.shape[3], x.shape[1]), IMAGE, ODD),
    Law(lambda x: x.view(x.shape[0], 2, 2, *x.shape[2:]).permute(0, 2, 1, 3, 4).flatten(1, 2), IMAGE, ODD, CHANNELS),
    Law(lambda x: x.t().contiguous().t().squeeze(-1).unsqueeze(-1), ((3, 4),), (((2, 5),),)),
    Law(lambda x: x[:, :1].squeeze(1).unsqueeze(0), IMAGE, ODD),
    Law(lambda x: x[:, :1].squeeze(), IMAGE, ODD),
    Law(lambda x: x[:1].squeeze((0,)), IMAGE, ODD),
    # As torch's own code asks for it.
    Law(lambda x: aten.squeeze.dim(aten.squeeze.dims(x[:1, :1], [0, 3]), 0), IMAGE, ODD),
    Law(lambda x: aten.squeeze.default(x[:, :1]), IMAGE, ODD),
    Law(lambda x: x[:, :1].expand(-1, 5, -1, -1), IMAGE, ODD),
    Law(lambda x: x[:, -1], IMAGE, ODD),
    Law(lambda x: x[..., 2], IMAGE, ODD),
    Law(lambda x: x[:, :, 1::2, :-1], IMAGE, ODD),
    Law(lambda x: x[:, :, -2:, ::3], IMAGE, ODD),
    Law(lambda x: x[:, :1, :, :][:, ::2], IMAGE, ODD),
    Law(lambda x: F.pad(x, (0, 0, 3, 0))[:, :, 1:4], IMAGE, ODD),
    Law(lambda x: x[:, :, x.shape[2] // 2 :], IMAGE, ODD),
    Law(lambda x: torch.cat([x, x[:, :, :1], 2 * x], 2), IMAGE, ODD),
    Law(lambda x: torch.cat([x, x], 1).flatten(2)[:, 1:], IMAGE, ODD, CHANNELS),
    Law(lambda x: torch.cat([x, x[:, :, 1:]], 2).flip(2)[:, :, 1:3], IMAGE, ODD),
    Law(lambda x: x.to(torch.float32), IMAGE, ODD),
    Law(lambda x: aten._unsafe_view(x, [x.shape[0], -1]), IMAGE, ODD),
    Law(lambda x: x + torch.tensor(2.0), IMAGE, ODD),
]

ARITHMETIC = [
    Law(lambda x, y: x + 3 * y - 2 + torch.add(x, y, alpha=2), PAIR, PAIRS),
    Law(lambda x, y: x - 3 * y - torch.sub(x, y, alpha=2), PAIR, PAIRS),
    Law(lambda x, y: x * y * 2 + x[:1] * x, PAIR, PAIRS),
    Law(lambda x: -x / 4 + (3 - x), IMAGE, ODD),
    Law(lambda x: aten.mul.Scalar(aten.add.Scalar(aten.sub.Scalar(aten.div.Scalar(x, 2), 1), 3), 5), IMAGE, ODD),
    Law(lambda x: x.sum(1) + x.sum() + x.sum((0, 2), keepdim=True)[0, :1], ((2, 3, 4),), (((3, 2, 5),),)),
    Law(lambda x: x.mean((-1, -2), keepdim=True), IMAGE, ODD, is_exact=False),
    Law(lambda x: x.mean(), IMAGE, ODD, is_exact=False),
    Law(lambda x: x.cumsum(1), PAIR[:1], (((2, 7),),)),
    Law(lambda x: (x[:, :1] + x[:, 1:]).sum(1), IMAGE, ODD),
    Law(lambda x: x[:, :1].expand(-1, 3, -1, -1).sum(1), IMAGE, ODD),
]

CONTRACTION = [
    Law(lambda x, y: x @ y.t(), PAIR, (((2, 4), (6, 4)),)),
    Law(lambda x, y: torch.bmm(x, y), ((2, 3, 4), (2, 4, 5)), (((3, 2, 5), (3, 5, 2)),)),
    Law(lambda x, w, b: F.linear(x, w, b), ((2, 3, 4), (5, 4), (5,)), (((3, 2, 6), (3, 6), (3,)),)),
    Law(lambda x, w, b: F.linear(x, w, b), ((3, 4), (5, 4), (5,)), (((2, 6), (3, 6), (3,)),)),
    Law(lambda x, w, b: torch.addmm(b, x, w), ((3, 4), (4, 2), (2,)), (((2, 3), (3, 5), (5,)),)),
    Law(lambda x, y, w: F.bilinear(x, y, w), ((2, 3), (2, 4), (2, 3, 4)), (((3, 2), (3, 2), (2, 2, 2)),), ((2, 0),)),
    Law(lambda x, y: x @ y, ((3, 4), (4,)), (((2, 5), (5,)),)),
    Law(lambda x, y: x @ y, ((4,), (4,)), (((5,), (5,)),)),
    Law(lambda x, y: torch.einsum("bihw,oi->bohw", x, y), ((2, 4, 3, 5), (3, 4)), (((3, 2, 4, 4), (2, 2)),)),
    *(
        Law(
            lambda x, w, o=options: F.conv2d(x, w, **o),
            ((2, 4, 7, 8), (6, 4 // options.get("groups", 1), 3, 2)),
            (
                ((3, 4, 9, 7), (4, 4 // options.get("groups", 1), 3, 2)),
                ((2, 4, 8, 10), (2, 4 // options.get("groups", 1), 3, 2)),
            ),
            ((0, 1), (1, 1)),
        )
        for options in (
            {},
            {"stride": 2, "padding": 1},
            {"stride": (1, 3), "dilation": (2, 1), "padding": (0, 2)},
            {"groups": 2, "padding": 2},
        )
    ),
    *(
        Law(
            lambda x, w, o=options: F.conv_transpose2d(x, w, **o),
            ((2, 4, 4, 3), (4, 3, 3, 2)),
            (((3, 4, 2, 5), (4, 2, 3, 2)),),
            ((0, 1), (1, 0)),
        )
        for options in (
            {},
            {"stride": 2, "padding": 1},
            {"stride": (1, 3), "dilation": (2, 1), "output_padding": (0, 2)},
            {"groups": 2, "stride": 2},
        )
    ),
    Law(lambda x, w, b: F.conv1d(x, w, b), ((3, 7), (2, 3, 3), (2,)), (((3, 9), (2, 3, 3), (2,)),), ((0, 0), (1, 1))),
    Law(lambda x, w: F.conv3d(x, w, padding=1), ((2, 2, 3, 4, 3), (2, 2, 2, 2, 1)), (), ((0, 1), (1, 1))),
    Law(
        lambda g, w: torch.nn.grad.conv2d_input((2, 4, 8, 9), w, g, stride=2, padding=1),
        ((2, 6, 4, 5), (6, 4, 3, 3)),
        (),
        ((0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)),
    ),
]

PARTS = [
    Law(lambda x: torch.stack(x.split(2, 1)), IMAGE, ODD, CHANNELS),
    Law(lambda x: x.split([1, 3], 1)[1], IMAGE, ODD, CHANNELS),
    Law(lambda x: x.chunk(2, 1)[1], IMAGE, ODD, CHANNELS),
    Law(lambda x: torch.stack(x.unbind(1), -1), IMAGE, ODD, CHANNELS),
    Law(lambda x: torch.stack([x[:, 0]], 1), IMAGE, ODD),
    Law(lambda x: aten.unsafe_split(x, 3, 1)[1], IMAGE, ODD, CHANNELS),
    Law(lambda x: aten.unsafe_split_with_sizes(x, [3, 1], 1)[1], IMAGE, ODD, CHANNELS),
    Law(lambda x: x.split(2, 3)[2], ((2, 4, 6, 5),), (((3, 2, 7, 5),),), ((0, 3),)),
]

MADE = [
    Law(lambda x: x.new_zeros(x.shape[0], 3) + torch.zeros(3) + torch.zeros_like(x[:, :1]), PAIR[:1], (((4, 2),),)),
    Law(lambda x: x.new_ones(x.shape[0], 3) + torch.ones(3) + torch.ones_like(x[:, :1]), PAIR[:1], (((4, 2),),)),
    Law(
        lambda x: x.new_full((x.shape[0], 3), 7) + torch.full((3,), 2.5) + torch.full_like(x[:, :1], 4),
        PAIR[:1],
        (((4, 2),),),
    ),
    Law(lambda x: x + torch.scalar_tensor(3.5), PAIR[:1], (((4, 2),),)),
    Law(lambda x: x.clone().fill_(2) + x.clone().zero_(), PAIR[:1], (((4, 2),),)),
    Law(lambda x: _overwritten(x.new_empty(x.shape), x), PAIR[:1], (((4, 2),),)),
    Law(lambda x: _overwritten(torch.empty(x.shape), x), PAIR[:1], (((4, 2),),)),
    Law(lambda x: _overwritten(torch.empty_like(x), x), PAIR[:1], (((4, 2),),)),
]


def _overwritten(target: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    target[:] = x
    return target


def _written(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = F.pad(x, (0, 0, 2, 3))
    out[:, 1:4, ::2] = y
    out[:, -1] = 3
    return out


def _stuffed(x: torch.Tensor) -> torch.Tensor:
    out = x.new_zeros(x.shape[0], 2 * x.shape[1] + 1, 3 * x.shape[2])
    out[:, 1::2, ::3] = x
    out[:, 0] += 1
    return out


OVERWRITTEN = [
    Law(_written, ((2, 5, 6), (2, 3, 3)), (((3, 7, 8), (3, 3, 4)), ((3, 4, 5), (3, 3, 3))), ((1, 1),)),
    Law(_stuffed, ((2, 3, 4),), (((3, 5, 2),), ((2, 2, 2),))),
    Law(lambda x: torch.slice_scatter(x, 2 * x[:, :-2], 1, 1, -1), ((2, 7),), (((3, 5),),)),
    Law(lambda x: torch.select_scatter(x, 2 * x[:, 1], 1, -2), ((2, 7),), (((3, 5),),)),
    Law(lambda x, y: aten.copy(x, y), ((2, 7), (7,)), (((3, 5), (5,)),)),
]

PADDING = [
    Law(lambda x: F.pad(x, (1, 2, 2, 1), mode="circular"), ((2, 3, 5, 4),), (((3, 2, 4, 3),),)),
    Law(lambda x: F.pad(x, (1, 2, 3, 0)), IMAGE, ODD),
    Law(lambda x: F.pad(x, (-1, 2, 1, -2), value=1.5), IMAGE, ODD),
    Law(lambda x: F.pad(x[:, :, :1], (0, 0, 1, 2), value=2), IMAGE, ODD),
    Law(lambda x: F.pad(x, (1, 2, 3, 0), mode="reflect"), IMAGE, ODD),
    Law(lambda x: F.pad(x, (2, 1), mode="reflect"), ((2, 3, 5),), (((3, 2, 3),),)),
    Law(lambda x: F.pad(x, (1, 0, 1, 1, 0, 2), mode="reflect"), ((2, 2, 3, 3, 4),), (((2, 2, 4, 5, 3),),)),
    Law(lambda x: F.pad(x, (1, 2, 3, 0), mode="replicate"), IMAGE, ODD),
    Law(lambda x: F.pad(x, (2, 1), mode="replicate"), ((2, 3, 5),), (((3, 2, 2),),)),
    Law(lambda x: F.pad(x, (1, 0, 1, 1, 0, 2), mode="replicate"), ((2, 2, 3, 3, 4),), (((2, 2, 4, 5, 3),),)),
]

REPETITION = [
    Law(lambda x: x.flip(1, 3), IMAGE, ODD),
    Law(lambda x: x.flatten(1, 2).flip(1), IMAGE, ODD),
    Law(lambda x: x.roll((1, -2), (2, 3)), IMAGE, ODD),
    Law(lambda x: x.repeat(2, 1, 3, 1), IMAGE, ODD),
    Law(lambda x: x.repeat(2, 1, x.shape[2], 1), ((2, 3, 2),), (((3, 2, 4),),)),
    Law(lambda x: torch.tile(x, (3, 2)), PAIR[:1], (((2, 7),),)),
    Law(lambda x: x.repeat_interleave(3, 2), IMAGE, ODD),
]

WINDOWS = [
    Law(lambda x: x.unfold(2, 3, 2).unfold(3, 2, 1), IMAGE, ODD),
    Law(lambda x: x.unfold(-1, 2, 2).flatten(-2), IMAGE, IMAGES),
    Law(lambda x: F.unfold(x, 3, padding=1, stride=2), IMAGE, ODD, CHANNELS),
    Law(lambda x: F.unfold(x, (2, 3), dilation=(2, 1)), IMAGE, ODD, CHANNELS),
    Law(lambda x: F.unfold(x, 2), ((4, 6, 8),), (((4, 5, 7),),), ((0, 0),)),
    Law(
        lambda x: F.fold(F.unfold(x, 3, padding=1, stride=2), x.shape[2:], 3, padding=1, stride=2), IMAGE, ODD, CHANNELS
    ),
    Law(
        lambda x: F.fold(F.unfold(x, (2, 3), dilation=(2, 1)), x.shape[2:], (2, 3), dilation=(2, 1)),
        IMAGE,
        ODD,
        CHANNELS,
    ),
    Law(lambda x: F.fold(x, (4, 5), 2, stride=(2, 3)), ((2, 12, 4),), (((3, 12, 4),),), ((0, 1), (0, 2))),
    Law(lambda x: F.pixel_shuffle(x, 2), IMAGE, ODD, CHANNELS),
    Law(lambda x: F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2), IMAGE, ODD, CHANNELS),
    Law(lambda x: F.channel_shuffle(x, 2), IMAGE, ODD, CHANNELS),
]

DIAGONALS = [
    Law(lambda x, y: torch.block_diag(x, y), ((2, 3), (4, 2)), (((3, 2), (2, 2)),)),
    Law(lambda x: x.tril() + x.triu(1) + x.tril(-1) + x.triu(-2), ((3, 4, 5),), (((2, 5, 3),),)),
    Law(lambda x: torch.diagonal(x + x.transpose(1, 2), 1, 1, 2), ((3, 5, 5),), (((2, 4, 4),),)),
    Law(lambda x: torch.diagonal(x, 0, 1, 2), ((3, 5, 4),), (), ((0, 1), (0, 2))),
    Law(lambda x: torch.diagonal(x, -2, 0, 1), ((5, 5, 2),), (((5, 5, 3),),), ((0, 0), (0, 1))),
    Law(lambda x: torch.diag_embed(x), ((3, 4),), (((2, 5),),)),
    Law(lambda x: torch.diag_embed(x, -2, 2, 0), ((2, 3, 4),), (((3, 2, 5),),)),
    Law(lambda x: torch.diag_embed(x, 1, 0, 2), ((2, 3, 4),), (((3, 2, 5),),)),
    Law(lambda x: x + torch.eye(x.shape[0]), ((3, 3),), (((4, 4),),)),
]

WHOLE_NUMBERS = [
    Law(lambda x: x * torch.arange(x.shape[1]), PAIR[:1], (((2, 7),),)),
    Law(lambda x: x * torch.arange(3, 3 + 2 * x.shape[1], 2), PAIR[:1], (((2, 7),),)),
    Law(lambda x: x * (torch.arange(x.shape[1]) // 2 + torch.arange(x.shape[1]) % 3), PAIR[:1], (((2, 7),),)),
    Law(lambda x: x * (torch.arange(x.shape[0])[:, None] >= torch.arange(x.shape[1])), PAIR[:1], (((4, 7),),)),
    Law(lambda x: x * (torch.arange(x.shape[0])[:, None] == torch.arange(x.shape[1]) - 1), PAIR[:1], (((4, 7),),)),
    Law(lambda x: x * (torch.arange(x.shape[0])[:, None] != torch.arange(x.shape[1])), PAIR[:1], (((4, 7),),)),
    Law(lambda x: x * ((_rows(x) < _columns(x)) | (_rows(x) > _columns(x) + 1)), PAIR[:1], (((4, 7),),)),
    Law(lambda x: x * ((_rows(x) <= _columns(x)) & ~(_columns(x) == 2)), PAIR[:1], (((4, 7),),)),
    Law(lambda x: x * torch.logical_not(torch.logical_or(_rows(x) <= 1, _columns(x) <= 1)), PAIR[:1], (((4, 7),),)),
    Law(lambda x: x * torch.logical_and(_rows(x) <= 1, _columns(x) <= 1), PAIR[:1], (((4, 7),),)),
    Law(
        lambda x: x * torch.minimum(_rows(x), _columns(x)) + torch.maximum(_rows(x), _columns(x)),
        PAIR[:1],
        (((4, 7),),),
    ),
    Law(lambda x: x * (_rows(x) - _columns(x)).to(torch.float64), PAIR[:1], (((4, 7),),)),
]


def _rows(x: torch.Tensor) -> torch.Tensor:
    return torch.arange(x.shape[0])[:, None]


def _columns(x: torch.Tensor) -> torch.Tensor:
    return torch.arange(x.shape[1])


INDEXING = [
    Law(lambda x: F.interpolate(x, scale_factor=2), IMAGE, ODD),
    Law(lambda x: F.interpolate(x, scale_factor=4), ((2, 3, 5),), (((3, 4, 6),),)),
    Law(lambda x: x[:, torch.arange(x.shape[1]) // 2], PAIR[:1], (((4, 7),),)),
    Law(lambda x: x[:, torch.arange(x.shape[1] - 1, -1, -1)], PAIR[:1], (((4, 7),),)),
    Law(lambda x: x[:, -1 - torch.arange(x.shape[1])], PAIR[:1], (((4, 7),),)),
    Law(lambda x: x[torch.arange(2)[:, None], :, torch.arange(x.shape[2] // 2)], ((3, 5, 4),), (((2, 3, 5),),)),
    Law(lambda x: x[torch.arange(2)[:, None], torch.arange(x.shape[1] - 1)], ((3, 5, 4),), (((2, 3, 5),),)),
    Law(lambda x: x.index_select(1, torch.arange(x.shape[1]) // 2), PAIR[:1], (((4, 7),),)),
    Law(lambda x: F.embedding(torch.arange(x.shape[0]), x), PAIR[:1], (((4, 7),),)),
    Law(lambda x: x.gather(1, (_rows(x) * 0 + _columns(x)) // 2), PAIR[:1], (((4, 7),),)),
    Law(lambda x: torch.zeros_like(x).scatter_add(1, _rows(x) * 0 + _columns(x) // 2, x), PAIR[:1], (((4, 7),),)),
    Law(lambda x: x.index_add(1, _columns(x) // 2, 2 * x), PAIR[:1], (((4, 7),),)),
    Law(lambda x: aten.index_put(F.pad(x, (2, 1)), [None, torch.arange(2) * 2], 2 * x[:, :2]), PAIR[:1], (((4, 6),),)),
    Law(lambda x: aten.index_put(x, [None, torch.arange(2) // 2], 2 * x[:, :2], True), PAIR[:1], (((4, 6),),)),
]

AVERAGES = [
    Law(lambda x: F.avg_pool2d(x, 2), IMAGE, ODD),
    Law(lambda x: F.avg_pool2d(x, 3, 2, 1), IMAGE, ODD, is_exact=False),
    Law(lambda x: F.avg_pool2d(x, (3, 2), 2, 1, count_include_pad=False), IMAGE, ODD, is_exact=False),
    Law(lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), IMAGE, ODD, is_exact=False),
    Law(lambda x: F.avg_pool2d(x, 3, 2, 1, True, False), IMAGE, ODD, is_exact=False),
    Law(lambda x: F.avg_pool2d(x, 2, 1, divisor_override=8), IMAGE, ODD),
    Law(lambda x: F.avg_pool1d(x, 2, 2), ((2, 3, 5),), (((3, 4, 6),),)),
    Law(lambda x: F.avg_pool3d(x, 2, 1), ((2, 2, 3, 4, 2),), (((2, 3, 2, 2, 3),),)),
    Law(lambda x: F.adaptive_avg_pool2d(x, 1), IMAGE, ODD, is_exact=False),
    Law(lambda x: F.adaptive_avg_pool2d(x, (3, 2)), ((2, 3, 6, 8),), (), ((0, 2), (0, 3)), is_exact=False),
    Law(lambda x: F.adaptive_avg_pool1d(x, 2), ((2, 3, 6),), (), ((0, 2),), is_exact=False),
    Law(
        lambda x: F.adaptive_avg_pool3d(x, (2, 1, 2)), ((2, 2, 4, 3, 2),), (), ((0, 2), (0, 3), (0, 4)), is_exact=False
    ),
]

FAMILIES = {
    **FUNCTIONS,
    "averages": AVERAGES,
    "movement": MOVEMENT,
    "arithmetic": ARITHMETIC,
    "contraction": CONTRACTION,
    "parts": PARTS,
    "made": MADE,
    "overwritten": OVERWRITTEN,
    "padding": PADDING,
    "repetition": REPETITION,
    "windows": WINDOWS,
    "diagonals": DIAGONALS,
    "whole_numbers": WHOLE_NUMBERS,
    "indexing": INDEXING,
}
