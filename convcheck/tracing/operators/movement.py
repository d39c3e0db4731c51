"""Operators that only move entries, or write zeros between them: views, copies, slices, joins, padding by copies."""

from __future__ import annotations

from convcheck.tracing.reading import Call, Known, Operator, first_moved, moved, number, summed

_MOVED = Operator(moved)

MOVES = [
    "view",
    "reshape",
    "_unsafe_view",
    "permute",
    "transpose",
    "t",
    "squeeze",
    "unsqueeze",
    "expand",
    "clone",
    "alias",
    "detach",
    "lift_fresh_copy",
    "slice",
    "select",
    "split",
    "split_with_sizes",
    "unbind",
    "flip",
    "fliplr",
    "flipud",
    "rot90",
    "roll",
    "repeat",
    "tile",
    "repeat_interleave",
    "unfold",
    "pixel_shuffle",
    "pixel_unshuffle",
    "channel_shuffle",
    "diagonal",
    "diag",
    "diag_embed",
    "tril",
    "triu",
    "im2col",
    "as_strided",
    "broadcast_tensors",
    "meshgrid",
    "cat",
    "stack",
    "hstack",
    "vstack",
    "dstack",
    "block_diag",
    "reflection_pad1d",
    "reflection_pad2d",
    "reflection_pad3d",
    "replication_pad1d",
    "replication_pad2d",
    "replication_pad3d",
    "slice_scatter",
    "select_scatter",
    "diagonal_scatter",
    "upsample_nearest1d",
    "upsample_nearest2d",
    "upsample_nearest3d",
    "_upsample_nearest_exact1d",
    "_upsample_nearest_exact2d",
    "_upsample_nearest_exact3d",
    "view_as_real",
    "view_as_complex",
    "_conj",
]


def _padded(call: Call) -> Known:
    """Read padding: by copies of entries, or by a number beside them."""
    value = call["value"]
    return summed(call.tensors[0], number(0 if value is None else value))


OPERATORS = {
    **dict.fromkeys(MOVES, _MOVED),
    "constant_pad_nd": Operator(_padded, scalars=("value",)),
    "pad": Operator(_padded, scalars=("value",)),
    "_to_copy": Operator(first_moved),
}
