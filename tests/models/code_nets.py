"""Layers on what code cuts, as people write it: patches, and what only looks like them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

Code = Callable[[Tensor], Tensor]

IMAGE = (2, 3, 8, 4)


def blocks(x: Tensor) -> Tensor:
    return x.reshape(2, 3, 4, 2, 2, 2)


PATCHES: dict[str, tuple[Code, str]] = {
    "reshape": (lambda x: blocks(x).permute(0, 2, 4, 3, 5, 1).reshape(2, 8, 12), "b (h w) (p q c)"),
    "view": (lambda x: x.view(2, 3, 4, 2, 2, 2).permute(0, 2, 4, 1, 3, 5).contiguous().view(16, 12), "(b h w) (c p q)"),
    "einops": (lambda x: rearrange(x, "b c (h p) (w q) -> b w h (q p c)", p=2, q=2), "b w h (q p c)"),
    "einsum": (lambda x: torch.einsum("nchpwq->nhwpqc", blocks(x)).reshape(2, 8, 12), "b (h w) (p q c)"),
    "unflatten": (
        lambda x: x.unflatten(3, (2, 2)).unflatten(2, (4, 2)).permute(0, 2, 4, 1, 3, 5).flatten(3), "b h w (c p q)",
    ),
    "Tensor.unfold": (
        lambda x: x.unfold(2, 2, 2).unfold(3, 2, 2).movedim(1, 3).flatten(3).flatten(1, 2), "b (h w) (c p q)",
    ),
    "unfold": (lambda x: functional.unfold(x, 2, stride=2).mT, "b (h w) (c p q)"),
    "pixel_unshuffle": (lambda x: functional.pixel_unshuffle(x, 2).flatten(2).transpose(1, 2), "b (h w) (c p q)"),
    "slices": (
        lambda x: torch.cat([x[:, :, i::2, j::2] for j in (0, 1) for i in (0, 1)], 1).movedim(1, -1), "b h w (q p c)",
    ),
    "chunks": (
        lambda x: torch.stack([row.unflatten(3, (2, 2)).permute(0, 3, 2, 4, 1).flatten(2) for row in x.chunk(4, 2)], 1),
        "b h w (p q c)",
    ),
    "as_strided": (lambda x: x.as_strided((2, 4, 2, 3, 2, 2), (96, 8, 2, 32, 4, 1)).flatten(3), "b h w (c p q)"),
    "an index": (
        lambda x: x[:, :, torch.tensor([[0, 1], [2, 3], [4, 5], [6, 7]])].unflatten(4, (2, 2)).permute(0, 2, 4, 3, 5, 1)
        .flatten(3), "b h w (p q c)",
    ),
    "mirrored before": (lambda x: PATCHES["unfold"][0](x.flip(2)), "b (h w) (c p q)"),
    "padded before": (lambda x: PATCHES["unfold"][0](functional.pad(x[:, :, 1:7], (0, 0, 1, 1))), "b (h w) (c p q)"),
    "every second channel": (
        lambda x: functional.unfold(x.repeat(1, 2, 1, 1)[:, ::2], 2, stride=2).mT, "b (h w) (c p q)",
    ),
    "padding that is none": (
        lambda x: blocks(functional.pad(x, (0, 0))).permute(0, 2, 4, 3, 5, 1).reshape(2, 8, 12), "b (h w) (p q c)",
    ),
}  # fmt: skip
"""By spelling, code that cuts an image of [b, 3, (h p), (w q)], and what einops calls that."""

OTHERS: dict[str, tuple[Code, int]] = {
    "the image as it is": (lambda x: x, 4),
    "tokens": (lambda x: x.flatten(2).transpose(1, 2), 3),
    "all of it": (lambda x: x.flatten(1), 96),
    "heads": (lambda x: x.transpose(1, 2).reshape(2, 8, 12), 12),
    "windows": (lambda x: blocks(x).permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, 3), 3),
    "heads of windows": (
        lambda x: x.reshape(12, 2, 8).repeat(2, 1, 1).unflatten(0, (2, 4, 3)).permute(0, 1, 3, 2, 4).flatten(3),
        24,
    ),
    "a patch of the batch": (lambda x: x.reshape(1, -1), 192),
    "mirrored within": (lambda x: PATCHES["unfold"][0](x).flip(2), 12),
    "rolled within": (lambda x: PATCHES["unfold"][0](x).roll(1, 2), 12),
    "overlapping": (lambda x: functional.unfold(x, 2).mT, 12),
    "padded": (lambda x: functional.unfold(x, 2, stride=2, padding=1).mT, 12),
    "scaled": (lambda x: PATCHES["reshape"][0](x) * 2, 12),
    "normalised": (lambda x: functional.layer_norm(PATCHES["reshape"][0](x), (12,)), 12),
    "written to": (lambda x: PATCHES["reshape"][0](x).mul_(2), 12),
    "written to by a view": (lambda x: written(x), 12),
    "detached": (lambda x: PATCHES["unfold"][0](x.detach()), 12),
    "patches of a choice": (lambda x: chosen(x), 12),
}
"""Code behind which a Linear is no convolution of its input, and how many numbers it leaves."""


def written(x: Tensor) -> Tensor:
    """Change memory that the patches share before they are used."""
    patches = x.view(2, 8, 12)
    x.view(-1).mul_(2)
    return patches


TOKENS = (2, 8, 5)

LAID: dict[str, tuple[Code, str]] = {
    "reshape": (
        lambda y: y.reshape(2, 4, 2, 2, 2, 3).permute(0, 5, 1, 3, 2, 4).reshape(2, 3, 8, 4), "b (h w) (p q c)",
    ),
    "einsum": (
        lambda y: torch.einsum("nhwpqc->nchpwq", y.view(2, 4, 2, 2, 2, 3)).reshape(2, 3, 8, 4), "b (h w) (p q c)",
    ),
    "einops": (
        lambda y: rearrange(y, "b (h w) (q p c) -> b c (h p) (w q)", h=4, p=2, q=2), "b (h w) (q p c)",
    ),
    "pixel_shuffle": (
        lambda y: functional.pixel_shuffle(y.mT.unflatten(2, (4, 2)), 2), "b (h w) (c p q)",
    ),
    "fold": (lambda y: functional.fold(y.mT, (8, 4), 2, stride=2), "b (h w) (c p q)"),
}  # fmt: skip
"""By spelling, code that lays rows of patches back into an image [b, 3, (h p), (w q)], and what einops calls that."""

NOT_LAID: dict[str, Code] = {
    "heads": lambda y: y.unflatten(2, (4, 3)).transpose(1, 2).contiguous(),
    "an image of channels": lambda y: y.mT.reshape(2, 12, 4, 2).contiguous(),
    "used twice": lambda y: LAID["einops"][0](y) + y.sum(),
    "used halfway": lambda y: halfway(y),
    "written to": lambda y: LAID["einops"][0](y.mul_(2)),
    "scaled": lambda y: LAID["einops"][0](y * 2),
    "gated": lambda y: LAID["einops"][0](y.relu()),
    "overlapping": lambda y: functional.fold(y.mT[:, :, :3], (4, 2), 2, stride=1),
    "mirrored within": lambda y: LAID["einops"][0](y.flip(2)),
}
"""Code behind which a Linear is no transposed convolution."""


def halfway(y: Tensor) -> Tensor:
    """Use what is halfway between the rows and the image."""
    rows = y.reshape(2, 4, 2, 2, 2, 3)
    return rows.permute(0, 5, 1, 3, 2, 4).reshape(2, 3, 8, 4) + rows[0, 0, 0, 0, 0, 0]


class Laid(nn.Module):
    """A Linear of which code lays the outputs side by side."""

    def __init__(self, way: str, *, leak: bool = False) -> None:
        super().__init__()
        self.code, self.leak = LAID[way][0] if way in LAID else NOT_LAID[way], leak
        self.head = nn.Linear(5, 12)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        y = self.head(x)
        image = self.code(y)
        return (image.tanh(), y) if self.leak else (image.tanh(),)


def chosen(x: Tensor) -> Tensor:
    """Take the rows of patches in the order of a number of theirs: here it is that in which they stand."""
    rows = PATCHES["reshape"][0](x)
    order = (rows[0, :, 0] * 0).argsort(stable=True)
    return rows[:, order]


class Cut(nn.Module):
    """A Linear on what code leaves of an image."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.code, width = (PATCHES[way][0], 12) if way in PATCHES else OTHERS[way]
        self.proj = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.proj(self.code(x + 1))
        return y.relu()
