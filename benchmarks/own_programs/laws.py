"""All laws, by the operator that they rewrite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from benchmarks.own_programs import laws_conv as c
from benchmarks.own_programs import laws_elementwise as e
from benchmarks.own_programs import laws_movement as m
from benchmarks.own_programs import laws_products as p
from benchmarks.own_programs.terms import NoTermError, Term, in_order, replaced

Law = Callable[[Term, Random], Term]

ANYWHERE: tuple[Law, ...] = (m.undone, m.in_parts, e.double_negation, e.there_and_back)
"""What holds for every value."""
LAWS: Mapping[str, tuple[Law, ...]] = {
    "add": (e.commute, e.associate, e.factor, e.opposite),
    "sub": (e.subtract, e.factor),
    "mul": (e.commute, e.associate, e.distribute, p.square),
    "neg": (e.negate, e.out_of),
    "scale": (e.split_factor, e.merge_factors, e.out_of),
    "shift": (e.constant_sum, e.shifted),
    "matmul": (
        p.matmul_transposed, p.matmul_by_einsum, p.matmul_split, p.matmul_by_outer, p.matmul_associate,
        p.matmul_as_linear, p.distribute_right,
    ),
    "linear": (p.linear_as_matmul, p.linear_split, p.linear_as_conv, p.without_bias, p.distribute_right),
    "conv": (
        c.pad_first, c.cut_after, c.by_channels, c.by_groups, c.by_taps, c.by_unfold, c.backwards, c.transposed,
        c.by_patches, c.in_one_group, c.with_image_axis, c.dilated_kernel, c.depthwise, p.without_bias,
        p.distribute_right,
    ),
    "einsum": (p.einsum_renamed, p.einsum_permuted, p.einsum_by_products, p.einsum_by_slices),
    "permute": (m.permute_twice, m.permute_by_einsum),
    "reshape": (m.reshape_twice,),
    "slice": (m.cut_twice, m.cut_by_matrix),
    "chunk": (m.chunk_as_cut,),
    "select": (m.select_as_cut,),
    "flip": (m.flip_by_entries, m.cut_by_matrix),
    "roll": (m.roll_as_cat, m.cut_by_matrix),
    "pad": (m.pad_as_cat,),
    "cat": (m.cat_as_sum,),
    "stack": (m.stack_as_cat, m.stack_elsewhere),
    "windows": (m.windows_by_place,),
    "repeat": (m.repeat_as_cat,),
    "interleave": (m.interleave_as_expand,),
    "expand": (m.expand_as_product,),
    "pixel_shuffle": (m.shuffle_by_axes,),
    "pixel_unshuffle": (m.shuffle_by_axes,),
    "im2col": (c.columns_by_taps,),
    "sum": (m.sum_by_entries,),
    "mean": (m.mean_as_sum,),
    "cumsum": (m.cumsum_by_matrix,),
    "tril": (m.tril_as_mask,),
    "avg_pool": (m.pool_by_mean,),
    **dict.fromkeys(e.ENTRYWISE, (e.out_of,)),
}  # fmt: skip
LONGEST = 60
"""Terms that a program may grow to."""
OF_AN_OPERATOR = 0.85
"""How often a law is one of its operator, and none that holds everywhere."""


def laws_of(one: Term) -> tuple[Law, ...]:
    """Return the laws that may rewrite a term."""
    return (*LAWS.get(one.operator, ()), *((e.through,) if e.is_linear(one) else ()))


def rewritten(top: Term, random: Random, times: int) -> tuple[Term, list[str]]:
    """Apply laws at random places, and return the program and the laws' names."""
    used: list[str] = []
    for _ in range(8 * times):
        if len(used) == times:
            break
        places = [one for one in in_order(top) if one.operator != "constant"]
        if len(places) > LONGEST:
            break
        named = [(one, law) for one in places for law in laws_of(one)]
        if named and random.random() < OF_AN_OPERATOR:
            one, law = random.choice(named)
        else:
            one, law = random.choice(places), random.choice(ANYWHERE)
        try:
            top = replaced(top, one, law(one, random))
        except NoTermError:
            continue
        used.append(law.__name__)
    return top, used
