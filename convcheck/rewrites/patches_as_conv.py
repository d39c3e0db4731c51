"""A Linear on patches that a rearrange cuts out is one convolution whose kernel equals its stride."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from convcheck.layers import Linear, Rearrange, Sequential
from convcheck.rewriting.chains import chain_refusal
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.rewriting.transplant import Merge
from convcheck.sizes.patterns import Group, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn


class Cut(NamedTuple):
    """How a rearrange cuts `[b, i, n0 k0, n1 k1, ...]` into patches."""

    channels: int
    kernel: Shape
    features: Group
    """The order of i and k0, k1, ... in what the Linear takes; an axis of which no patch takes more than 1 has no k."""
    tokens: tuple[Group, ...]
    """Where b and the places n0, n1, ... stand in front of them."""


def cut_of(rearrange: Rearrange, shape: Shape) -> Cut | None:
    """Return how a rearrange cuts an input into patches, None where it does something else."""
    pattern = rearrange.for_rank(len(shape))
    sizes = pattern.sizes(shape, dict(rearrange.lengths))
    space, features = pattern.source[2:], pattern.target[-1] if pattern.target else ()
    if not 1 <= len(space) <= 3 or [len(group) for group in pattern.source[:2]] != [1, 1]:
        return None
    names = {pattern.source[0][0]: "b", pattern.source[1][0]: "i"}
    for number, group in enumerate(space):
        if len(group) not in (1, 2):
            return None
        names |= dict(zip(group, (f"n{number}", f"k{number}"), strict=False))
    inner = tuple(names[axis] for axis in features)
    if set(inner) != {name for name in names.values() if name[0] in "ik"}:
        return None
    kernel = tuple(sizes[group[1]] if len(group) == 2 else 1 for group in space)
    tokens = tuple(tuple(names[axis] for axis in group) for group in pattern.target[:-1])
    return Cut(sizes[pattern.source[1][0]], kernel, inner, tokens)


def cuts_patches(chain: Sequential, shape: Shape) -> Iterator[Refusal]:
    if refusal := chain_refusal(chain, (Rearrange,), (Linear,)):
        yield refusal
    elif cut_of(cast(Rearrange, chain.layers[0]), shape) is None:
        need = "needs to be such as 'b c (h p) (w q) -> b (h w) (p q c)': whole patches with their channels last"
        yield Refusal("pattern", cast(Rearrange, chain.layers[0]).pattern, need, vacuous=True)


def written(groups: tuple[Group, ...]) -> str:
    return " ".join(group[0] if len(group) == 1 else f"({' '.join(group)})" for group in groups)


def candidate(chain: Sequential, shape: Shape) -> nn.Module:
    from einops import rearrange
    from torch import nn

    linear = cast(Linear, chain.layers[1])
    cut = cast(Cut, cut_of(cast(Rearrange, chain.layers[0]), shape))
    convolution: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[len(cut.kernel)]
    options = {"kernel_size": cut.kernel, "stride": cut.kernel, "bias": linear.bias}
    channels = cut.channels
    places = " ".join(f"n{number}" for number in range(len(cut.kernel)))
    channels_last = f"b o {places} -> {written((*cut.tokens, ('o',)))}"

    class PatchesAsConv(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = convolution(channels, linear.out_features, **options)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.conv(x)
            return rearrange(y, channels_last)

    return PatchesAsConv()


def weights(chain: Sequential, shape: Shape) -> Mapping[str, Recipe | Merge]:
    cut = cast(Cut, cut_of(cast(Rearrange, chain.layers[0]), shape))
    axes = [f"k{number}" if f"k{number}" in cut.features else "1" for number in range(len(cut.kernel))]
    lengths = "".join(f", {axis}={k}" for axis, k in zip(axes, cut.kernel, strict=True) if axis != "1")
    return {
        "conv.weight": ("1.weight", f"o {written((cut.features,))} -> o i {' '.join(axes)}{lengths}"),
        "conv.bias": ("1.bias", "o -> o"),
    }


REWRITE = Rewrite(
    claim=__doc__,
    summary="a strided convolution, channels last",
    reference="Sequential of rearrange() and Linear",
    holds_when="the input is [b, i, *space], and the Linear takes whole patches with all channels, in any order",
    formula="y[b, n, o] = b[o] + sum over i, k of W[o, (k i)] * x[b, i, s*n + k], with s = kernel",
    derivation=(
        "rearrange puts x[b, i, s*n + k] at place (k i) of token n, and the Linear sums over these places: that is the "
        "sum of a convolution whose kernel equals its stride."
    ),
    source="A. Dosovitskiy et al., An Image is Worth 16x16 Words, 2021, section 3.1 (the patch projection)",
    families=(Sequential,),
    example="Sequential(rearrange('b c (h p) (w q) -> b (h w) (p q c)', p=4, q=4), Linear(48, 32))",
    example_inputs=((2, 3, 8, 12),),
    preconditions=(cuts_patches,),
    candidate=candidate,
    weights=weights,
)
