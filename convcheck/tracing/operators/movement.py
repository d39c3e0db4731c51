"""Operators that only move entries, or write zeros between them: views, copies, slices, joins, padding by copies."""

from __future__ import annotations

from convcheck.tracing.reading import Call, Known, Operator, first_moved, moved, number, summed

_MOVED = Operator(moved)

MOVES = """
    view reshape _unsafe_view view_copy permute transpose t numpy_T mT swapaxes movedim squeeze unsqueeze expand
    expand_as clone contiguous alias detach lift_fresh lift_fresh_copy lift slice select narrow split split_with_sizes
    unsafe_split unsafe_split_with_sizes unsafe_chunk chunk tensor_split unbind flip fliplr flipud rot90 roll repeat
    tile repeat_interleave unfold pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle diagonal
    diagonal_copy diag diag_embed tril triu flatten unflatten im2col as_strided as_strided_copy broadcast_to
    broadcast_tensors meshgrid cat concat stack hstack vstack dstack atleast_1d atleast_2d atleast_3d block_diag
    reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d
    slice_scatter select_scatter diagonal_scatter as_strided_scatter slice_inverse unfold_copy squeeze_copy permute_copy
    upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d view_as_real view_as_complex real imag conj _conj resolve_conj
""".split()


def _padded(call: Call) -> Known:
    """Read padding: by copies of entries, or by a number beside them."""
    value = call["value"]
    return summed(call.tensors[0], number(0 if value is None else value))


OPERATORS = {
    **dict.fromkeys(MOVES, _MOVED),
    "constant_pad_nd": Operator(_padded, scalars=("value",)),
    "pad": Operator(_padded, scalars=("value",)),
    **dict.fromkeys(("_to_copy", "to", "type_as", "_pin_memory"), Operator(first_moved)),
}
