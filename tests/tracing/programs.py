"""Small programs as people write them: every operator that can be read is in one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # as everybody calls it
from torch import Tensor, nn

aten = torch.ops.aten


@dataclass(frozen=True)
class Program:
    """A function of tensors, the shapes of what varies, and then whole numbers that are given."""

    function: Callable[..., Tensor]
    shapes: tuple[tuple[int, ...], ...]
    given: tuple[Tensor, ...] = ()
    loose: bool = False
    """Whether positive numbers do not reach the bound: something is negative, or other indices would be worse."""

    def module(self) -> nn.Module:
        return Calling(self.function)


class Calling(nn.Module):
    """A module that calls a function."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


def of(function: Callable[..., Tensor], *inputs: Any, loose: bool = False) -> Program:
    shapes = tuple(one for one in inputs if isinstance(one, tuple))
    return Program(function, shapes, tuple(one for one in inputs if isinstance(one, Tensor)), loose)


S, W, ROW = (2, 4, 6), (6, 5), (6,)
IMAGE, ODD = (2, 4, 6, 6), (1, 2, 5, 5)
INDEX = torch.tensor([2, 0, 2, 1])
MASK = torch.tensor([[True, False, True, True, False, True]] * 4)


def written_into(x: Tensor) -> Tensor:
    out = torch.empty(2, 6, 4)
    for place in range(4):
        out[:, :, place] = x[:, 3 - place]
    out[:, 1:3] = out[:, 2:4] * 2
    return out


def diagonal_written(x: Tensor) -> Tensor:
    out = torch.zeros(2, 6, 6)
    out.diagonal(dim1=1, dim2=2).copy_(x[:, 0])
    return out


def strided(x: Tensor) -> Tensor:
    return x.as_strided((2, 3, 2), (24, 2, 1))


PROGRAMS: dict[str, Program] = {
    # Views and copies.
    "views": of(lambda x: x.view(2, 2, 2, 6).permute(0, 2, 1, 3).reshape(2, 24).t(), S),
    "axes": of(lambda x: x.transpose(1, 2).unsqueeze(1).expand(2, 3, 6, 4).squeeze(0).contiguous(), S),
    "squeeze": of(lambda x: x[:, :1].squeeze(1).unsqueeze(-1).squeeze(), S),
    "slices": of(lambda x: x[:, 1::2, -3:].clone() + x.select(1, 0).narrow(1, 1, 3).unsqueeze(1), S),
    "split": of(lambda x: torch.cat([*x.split(3, 2)][::-1], 1) * torch.cat(x.split([3, 3], 2), 1), S),
    "chunk": of(lambda x: torch.stack(x.chunk(3, -1), 1).flatten(1), S),
    "unbind": of(lambda x: torch.stack(x.unbind(1)[::-1], 1), S),
    "tensor_split": of(lambda x: x.tensor_split(3, 2)[1], S),
    "flips": of(lambda x: x.flip(1).roll(2, 2).rot90(1, (1, 2)), S),
    "fliplr": of(lambda x: torch.fliplr(x) * torch.flipud(x), S),
    "repeats": of(lambda x: x.repeat(1, 2, 1).tile(2).repeat_interleave(2, 1), S),
    "windows": of(lambda x: x.unfold(2, 3, 2).flatten(2), S),
    "shuffle": of(lambda x: F.pixel_unshuffle(F.pixel_shuffle(x, 2), 3), IMAGE),
    "channel_shuffle": of(lambda x: F.channel_shuffle(x, 2), IMAGE),
    "diagonals": of(lambda x: torch.diag_embed(x.diagonal(0, 1, 2)), (2, 4, 4)),
    "diag": of(lambda x: torch.diag(x), (4,)),
    "triangles": of(lambda x: x.tril(1) * x.triu(), (4, 4)),
    "im2col": of(lambda x: F.unfold(x, 3, padding=1, stride=2), IMAGE),
    "as_strided": of(strided, S),
    "broadcast": of(lambda x, y: torch.cat(torch.broadcast_tensors(x, y), 1), S, ROW),
    "broadcast_to": of(lambda x: x.broadcast_to(3, 2, 4, 6), S),
    "stacks": of(lambda x: torch.hstack([x, x]) * torch.vstack([x, x]).reshape(2, 8, 6), S),
    "dstack": of(lambda x: torch.dstack([x, x]), S),
    "meshgrid": of(lambda x, y: torch.stack(torch.meshgrid(x, y, indexing="ij")), (3,), (4,)),
    "block_diag": of(lambda x, y: torch.block_diag(x, y), (2, 3), (3, 2)),
    "paddings": of(
        lambda x: F.pad(F.pad(F.pad(x, (1, 2, 1, 0)), (1, 1, 2, 1), "reflect"), (2, 1, 0, 1), "replicate"), IMAGE
    ),
    "paddings 1d": of(lambda x: F.pad(F.pad(x, (2, 1), "reflect"), (2, 1), "replicate"), S),
    "paddings 3d": of(lambda x: F.pad(F.pad(x, [1] * 6, "reflect"), [1] * 6, "replicate"), (1, 1, 2, 3, 3)),
    "alias": of(lambda x: aten.alias(x), S),
    "circular": of(lambda x: F.pad(x, (1, 2), "circular"), S),
    "border": of(lambda x: F.pad(x, (1, 1), value=-0.25), S, loose=True),
    "nearest": of(lambda x: F.interpolate(F.interpolate(x, scale_factor=2), (5, 5), mode="nearest-exact"), IMAGE),
    "nearest 1d": of(lambda x: F.interpolate(F.interpolate(x, scale_factor=2), 5, mode="nearest-exact"), S),
    "nearest 3d": of(
        lambda x: F.interpolate(F.interpolate(x, scale_factor=2), (2, 5, 5), mode="nearest-exact"), (1, *ODD)
    ),
    "written into": of(written_into, S),
    "diagonal written": of(diagonal_written, S),
    "detached": of(lambda x: x.detach() * x, S),
    "movedim": of(lambda x: x.movedim(0, 2).swapaxes(0, 1).mT, S),
    "unflatten": of(lambda x: x.unflatten(2, (2, 3)), S),
    "cast": of(lambda x: x.to(torch.float32).to(torch.float64), S),
    "complex": of(lambda x: torch.view_as_real(torch.view_as_complex(x).conj().resolve_conj()), (3, 4, 2)),
    # Sums, products, powers.
    "sums": of(lambda x, y: x + 2 * y - 3 + torch.add(x, y, alpha=-0.5) - torch.sub(y, x, alpha=4), S, S, loose=True),
    "reversed": of(lambda x: 2 - x + torch.rsub(x, 0.5, alpha=2), S, loose=True),
    "negated": of(lambda x: -x * 3, S, loose=True),
    "products": of(lambda x, y: x * y * 0.5 + x * torch.tensor([1.0, 2.0, 4.0, 0.25, 1.0, 8.0]), S, ROW),
    "quotients": of(lambda x: x / 4 + x / torch.tensor([1.0, 2.0, 4.0, 0.25, 1.0, 8.0]), S),
    "powers": of(lambda x, y: x**3 * torch.square(y) + x.pow(0), S, ROW),
    "addcmul": of(lambda x, y, z: torch.addcmul(x, y, z, value=0.5), S, S, ROW),
    "lerp": of(lambda x, y: torch.lerp(x, y, 0.25), S, S, loose=True),
    "outer": of(lambda x, y: torch.outer(x, y), (3,), (4,)),
    # Contractions.
    "matmul": of(lambda x, w: x @ w, S, W),
    "mm": of(lambda x, w: torch.mm(x, w), (4, 6), W),
    "bmm": of(lambda x, y: torch.bmm(x, y.mT), S, S),
    "mv": of(lambda x, y: x @ y, (4, 6), ROW),
    "dot": of(lambda x, y: torch.dot(x, y) * torch.inner(x, y), ROW, ROW),
    "einsum": of(lambda x, y, z: torch.einsum("bij,jk,bik->bk", x, y, z), S, W, (2, 4, 5)),
    "tensordot": of(lambda x, y: torch.tensordot(x, y, 1), S, W),
    "kron": of(lambda x, y: torch.kron(x, y), (2, 3), (3, 2)),
    "multi_dot": of(lambda x, y, z: torch.linalg.multi_dot((x, y, z)), (2, 6), W, (5, 3)),
    "vecdot": of(lambda x, y: torch.linalg.vecdot(x, y), S, S),
    "linear": of(F.linear, S, (5, 6), (5,)),
    "bilinear": of(F.bilinear, (3, 4), (3, 2), (5, 4, 2), (5,)),
    "addmm": of(lambda b, x, w: torch.addmm(b, x, w, beta=0.5, alpha=-2), (5,), (4, 6), W, loose=True),
    "baddbmm": of(lambda b, x, w: torch.baddbmm(b, x, w, alpha=0.25), (2, 4, 5), S, (2, 6, 5)),
    "addbmm": of(lambda b, x, w: torch.addbmm(b, x, w, alpha=2), (4, 5), S, (2, 6, 5)),
    "addmv": of(lambda b, x, w: torch.addmv(b, x, w, alpha=2), (4,), (4, 6), ROW),
    "addr": of(lambda b, x, w: torch.addr(b, x, w, alpha=2), (4, 6), (4,), ROW),
    "conv1d": of(lambda x, w, b: F.conv1d(x, w, b, 2, 1), S, (3, 4, 3), (3,)),
    "conv2d": of(lambda x, w, b: F.conv2d(x, w, b, groups=2, padding="same"), IMAGE, (6, 2, 3, 3), (6,)),
    "conv3d": of(lambda x, w: F.conv3d(x, w), (1, *ODD), (3, 1, 2, 2, 2)),
    "transposed 1d": of(lambda x, w: F.conv_transpose1d(x, w, stride=2), S, (4, 3, 3)),
    "transposed 2d": of(lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1), IMAGE, (4, 3, 3, 3), (3,)),
    "transposed 3d": of(lambda x, w: F.conv_transpose3d(x, w), (1, *ODD), (1, 3, 2, 2, 2)),
    "input gradient": of(lambda g, w: torch.nn.grad.conv2d_input((2, 4, 8, 8), w, g), IMAGE, (4, 4, 3, 3)),
    # Reductions.
    "sum": of(lambda x: x.sum(1).sum(), S),
    "means": of(lambda x: x.mean(1), S),
    "cumsum": of(lambda x: x.cumsum(2), S),
    "prod": of(lambda x: x.prod(1), (2, 3, 2)),
    "cumprod": of(lambda x: x.cumprod(1), (2, 3)),
    "trace": of(lambda x: torch.trace(x), (4, 4)),
    "col2im": of(lambda x: F.fold(x, (4, 4), 3), (2, 9, 4)),
    "sum_to_size": of(lambda x: x.sum_to_size(4, 1), S),
    # Pools and interpolation.
    "avg_pool1d": of(lambda x: F.avg_pool1d(x, 2), S),
    "avg_pool2d": of(lambda x: F.avg_pool2d(x, 2, padding=1, count_include_pad=False), IMAGE),
    "avg_pool3d": of(lambda x: F.avg_pool3d(x, 2), (1, 2, 4, 4, 4)),
    "override": of(lambda x: F.avg_pool2d(x, 3, divisor_override=8), ODD),
    "adaptive 1d": of(lambda x: F.adaptive_avg_pool1d(x, 3), S),
    "adaptive 2d": of(lambda x: F.adaptive_avg_pool2d(x, (3, 1)), (1, 2, 6, 4)),
    "adaptive 3d": of(lambda x: F.adaptive_avg_pool3d(x, 2), (1, 2, 4, 4, 4)),
    "linear 1d": of(lambda x: F.interpolate(x, scale_factor=2, mode="linear"), S),
    "bilinear 2d": of(lambda x: F.interpolate(x, scale_factor=4, mode="bilinear"), ODD),
    "trilinear 3d": of(
        lambda x: F.interpolate(x, size=(3, 9, 9), mode="trilinear", align_corners=True), (1, 1, 2, 5, 5)
    ),
    # Indices and masks.
    "embedding": of(lambda w, index: F.embedding(index, w), W, torch.tensor([[3, 0, 3], [5, 1, 2]]), loose=True),
    "same row": of(lambda w, index: F.embedding(index, w), W, torch.zeros(2, 3, dtype=torch.long)),
    "index": of(lambda x, index: x[:, index] * x[:, [0, 1, 0, 3]], S, INDEX, loose=True),
    "index_select": of(lambda x, index: x.index_select(1, index), S, INDEX, loose=True),
    "gather": of(lambda x, index: x.gather(1, index.view(1, 4, 1).expand(2, 4, 6)), S, INDEX, loose=True),
    "take_along_dim": of(lambda x, index: torch.take_along_dim(x, index.view(1, 4, 1), 1), S, INDEX, loose=True),
    "take": of(lambda x, index: x.take(index), S, INDEX, loose=True),
    "constant choice": of(lambda x, y: torch.where(MASK, x, y) + torch.where(MASK, x, 0.5), S, S),
    "constant rows": of(
        lambda x: x[:, [0, 1, 0, 3]] * x.index_select(1, INDEX) * x.gather(1, torch.zeros(2, 4, 6).long()), S
    ),
    "placed by inputs": of(
        lambda x, y, i: x.index_add(1, i, y, alpha=2) * x.index_copy(1, i, y), S, S, INDEX, loose=True
    ),
    "where": of(lambda x, y, mask: torch.where(mask, x, y) + torch.where(mask, x, 0.5), S, S, MASK, loose=True),
    "masked_fill": of(lambda x: x.masked_fill(torch.ones(4, 6).triu() > 0, -0.5), S, loose=True),
    "scatter": of(lambda x, y: x.scatter(1, INDEX.view(1, 4, 1).expand(2, 4, 6) % 2, y), S, S),
    "scatter value": of(lambda x: x.scatter(1, INDEX.view(1, 4, 1).expand(2, 4, 6), 2.5), S),
    "scatter_add": of(lambda x, y: x.scatter_add(1, INDEX.view(1, 4, 1).expand(2, 4, 6), y), S, S),
    "index_put": of(lambda x, y: x.index_put((INDEX,), y, accumulate=True), (4, 6), (4, 6)),
    "index_copy": of(lambda x, y: x.index_copy(1, torch.tensor([3, 1]), y), S, (2, 2, 6)),
    "index_fill": of(lambda x: x.index_fill(1, torch.tensor([3, 1]), 2.5), S),
    "index_add": of(lambda x, y: x.index_add(1, INDEX, y, alpha=2), S, S),
    "masked_scatter": of(lambda x, y: x.masked_scatter(MASK, y), S, S),
}
