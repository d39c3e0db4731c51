"""Attention as numbers: the operation torch.nn.functional.scaled_dot_product_attention."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from convcheck.errors import ShapeError
from convcheck.layers.base import Layer, Roundings
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument, BadValueError
from convcheck.layers.text.notation import compact, divisors, label
from convcheck.sizes.patterns import Shape, Shapes


def _mask(value: object, dims: int) -> object:
    """Read which kind of mask the fourth input is; None where there is none."""
    if value not in (None, "bool", "float"):
        raise BadValueError("bool or float, the kind of mask that comes as the fourth input, or None")
    return value


def _no_dropout(value: object, dims: int) -> object:
    """Read a dropout that drops nothing: two sides that drop at random have no output to compare."""
    if isinstance(value, bool) or value != 0:
        raise BadValueError("0, since what is dropped at random cannot be compared")
    return 0.0


def _scale(value: object, dims: int) -> object:
    """Read the factor of the scores; None stands for `1 / sqrt(E)`."""
    if value is None:
        return None
    # A whole number of hundreds of digits is no float.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        raise BadValueError("a number between -1e300 and 1e300, or None for 1 / sqrt(E)")
    return float(value)


SCORES_AT_ONCE = 12
"""Copies of the scores in memory, as `Layer.im2col_size` counts: behind scale, mask and softmax, with their errors."""


@dataclass(frozen=True)
class DotProductAttention(Layer):
    """`o[l, v] = sum over s of P[l, s] * value[s, v]`, with `P[l] = softmax(scale * query[l] . key[s] + mask[l, s])`.

    Inputs are query `[..., L, E]`, key `[..., S, E]`, value `[..., S, Ev]` and, where `attn_mask` names its kind, a
    mask that broadcasts to `[..., L, S]`. Leading axes broadcast; with `enable_gqa` the last of them holds heads, and
    every head of key and value serves several of the query's. `is_causal` lets query l see the keys 0 to l.
    """

    attn_mask: str | None
    dropout_p: float
    is_causal: bool
    scale: float | None
    enable_gqa: bool

    SIGNATURE = (
        Argument("attn_mask", _mask, None),
        Argument("dropout_p", _no_dropout, 0.0),
        Argument("is_causal", read.flag, False),
        Argument("scale", _scale, None),
        Argument("enable_gqa", read.flag, False),
    )
    INPUT_COUNTS = (3, 4)

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        if self.is_causal and self.attn_mask is not None:
            yield "is_causal", "is_causal makes a mask of its own, so attn_mask needs to be None; torch refuses both"
        if self.is_causal and self.scale is not None and self.scale <= 0:
            # In torch's fused kernel for the CPU, which multiplies -inf by it.
            yield "scale", f"scale is {self.scale}; with is_causal it needs to be above 0, or torch makes NaN"

    def parameters(self) -> dict[str, Shape]:
        return {}

    def boolean_inputs(self) -> frozenset[int]:
        return frozenset({3} if self.attn_mask == "bool" else ())

    def mask_inputs(self) -> frozenset[int]:
        return frozenset({3} if self.attn_mask else ())

    def degree(self) -> int | None:
        return None

    def factor(self, query: Shape) -> float:
        """Return what the scores are multiplied by, for a query of this shape."""
        return 1 / math.sqrt(query[-1]) if self.scale is None else self.scale

    def output_shape(self, query: Shape, *others: Shape) -> Shape:
        """Return `[..., L, Ev]`.

        Raises:
            ShapeError: as torch does, and where it ought to: in four axes torch's fused kernel does not compare the
                lengths of key and value, and reads past the end of the shorter one. A mask needs two axes at least,
                because whether torch takes one of a single axis depends on the kernel that it chooses.
        """
        value = others[1] if len(others) > 1 else ()
        scores = self._scores(query, *others)
        lead = _together(scores[:-2], self._heads(query, value)[:-2])
        if lead is None:
            raise ShapeError(f"value {list(value)} does not broadcast to scores {list(scores)}, but for the last axes")
        return (*lead, query[-2], value[-1])

    def space(self, _query: Shape, key: Shape, *_: Shape) -> range:
        return range(len(key) - 2, len(key) - 1)

    def _scores(self, query: Shape, *others: Shape) -> Shape:
        """Return the shape of the scores, `[..., L, S]`, having checked all but value's leading axes."""
        given = 1 + len(others)
        if given != 3 + (self.attn_mask is not None):
            setting = f"with attn_mask={self.attn_mask}" if self.attn_mask else "without attn_mask"
            raise ShapeError(f"{self.kind} {setting} takes {3 + bool(self.attn_mask)} inputs, and {given} were given")
        key, value = others[:2]
        least = 3 if self.enable_gqa else 2
        axes = "[..., heads, length, features]" if self.enable_gqa else "[..., length, features]"
        for name, shape in (("query", query), ("key", key), ("value", value)):
            if len(shape) < least:
                raise ShapeError(f"{name} needs to be {axes}, and is {list(shape)}")
        if query[-1] != key[-1]:
            raise ShapeError(f"query {list(query)} and key {list(key)} need the same features, on the last axis")
        if key[-2] != value[-2]:
            raise ShapeError(f"key {list(key)} and value {list(value)} need the same length, on the last axis but one")
        lead = _together(query[:-2], self._heads(query, key)[:-2])
        if lead is None:
            raise ShapeError(f"query {list(query)} and key {list(key)} do not broadcast, but for the last two axes")
        scores = (*lead, query[-2], key[-2])
        for added in others[2:]:
            if len(added) < 2 or _together(added, scores) != scores:
                raise ShapeError(
                    f"the mask {list(added)} needs to broadcast to the scores, {list(scores)}, and to have two axes"
                )
        return scores

    def _heads(self, query: Shape, shape: Shape) -> Shape:
        """Return the shape of key or value once its heads are as many as the query's."""
        if not self.enable_gqa:
            return shape
        if query[-3] % shape[-3]:
            raise ShapeError(
                f"enable_gqa: the {shape[-3]} heads of {list(shape)} need to divide the {query[-3]} of {list(query)}; "
                f"what divides them is {divisors(query[-3])}"
            )
        return (*shape[:-3], query[-3], *shape[-2:])

    def macs(self, query: Shape, *others: Shape) -> int:
        """Return those of both products; a mask, causal or not, leaves out none of them, as torch counts."""
        scores, output = self._scores(query, *others), self.output_shape(query, *others)
        return math.prod(scores) * query[-1] + math.prod(output) * scores[-1]

    def im2col_size(self, query: Shape, *others: Shape) -> int:
        scores = math.prod((*self.output_shape(query, *others)[:-1], others[0][-2]))
        return SCORES_AT_ONCE * scores

    def example_inputs(self) -> Shapes:
        heads = 2 if self.enable_gqa else 4
        mask = ((5, 7),) if self.attn_mask else ()
        return ((2, 4, 5, 8), (2, heads, 7, 8), (2, heads, 7, 8), *mask)

    def roundings(self) -> Roundings:
        return Roundings()

    def __str__(self) -> str:
        return compact(self.kind, [], unusual(self))

    def label(self) -> str:
        scale = "" if self.scale is None else self.scale
        return label(
            ["attention", ("", self.attn_mask, None), ("", "causal" if self.is_causal else "", "")]
            + [("scale", scale, ""), ("", "gqa" if self.enable_gqa else "", "")]
        )


def unusual(layer: Layer) -> dict[str, tuple[object, object]]:
    """Return the arguments that are not as torch has them by default, to be written out."""
    values = layer.arguments()
    return {
        argument.name: (values[argument.name], None)
        for argument in layer.SIGNATURE
        if values[argument.name] != argument.default
    }


def _together(first: Sequence[int], second: Sequence[int]) -> Shape | None:
    """Return the shape that both broadcast to, or None if they do not."""
    if len(first) < len(second):
        first, second = second, first
    aligned = (*[1] * (len(first) - len(second)), *second)
    if any(a != b and 1 not in (a, b) for a, b in zip(first, aligned, strict=True)):
        return None
    return tuple(b if a == 1 else a for a, b in zip(first, aligned, strict=True))
