"""A Linear, or a 1x1 convolution, on patches that are cut out is one convolution whose kernel equals its stride."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from convcheck.layers import Conv, Linear, Sequential
from convcheck.rewriting.chains import chain_refusal
from convcheck.rewriting.cuts import Cut, cut_of
from convcheck.rewriting.layouts import LAYOUTS, as_pattern
from convcheck.rewriting.preconditions import is_pointwise, ungrouped
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.rewriting.transplant import Merge
from convcheck.sizes.patterns import Pattern, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn


def features_axis(chain: Sequential) -> int:
    """Return the axis that the second layer sums over."""
    return -1 if isinstance(chain.layers[1], Linear) else 1


def cut(chain: Sequential, shape: Shape) -> Cut | None:
    pattern, known = as_pattern(chain.layers[0], shape)
    return cut_of(pattern, pattern.sizes(shape, known), features_axis(chain))


def cuts_patches(chain: Sequential, shape: Shape) -> Iterator[Refusal]:
    if refusal := chain_refusal(chain, LAYOUTS, (Linear, Conv)):
        yield refusal
        return
    first, second = chain.layers
    if isinstance(second, Conv):
        if not is_pointwise(second) or set(second.stride) != {1}:
            yield Refusal("layer 1", second, "needs to be 1x1 without stride and padding", vacuous=True)
            return
        yield from ungrouped(second, shape)
        if len(first.output_shape(shape)) != second.dims + 2:
            yield Refusal("input", list(shape), "needs a batch before the 1x1 convolution", vacuous=True)
            return
    if cut(chain, shape) is None:
        need = "needs to be such as 'b c (h p) (w q) -> b (h w) (p q c)': whole patches with all their channels"
        yield Refusal("pattern", getattr(first, "pattern", first), need, vacuous=True)


def candidate(chain: Sequential, shape: Shape) -> nn.Module:
    from einops import rearrange
    from torch import nn

    patches = cast(Cut, cut(chain, shape))
    convolution: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[len(patches.kernel)]
    layer = cast("Linear | Conv", chain.layers[1])
    outputs = layer.out_features if isinstance(layer, Linear) else layer.out_channels
    options = {"kernel_size": patches.kernel, "stride": patches.kernel, "bias": layer.bias}
    channels = patches.channels
    image, tokens = str(patches.image), str(patches.tokens)
    is_image, as_it_is = patches.image is None, patches.tokens.source == patches.tokens.target
    apart = {} if patches.image is None else patches.image.needed(patches.sizes)
    batches = patches.tokens.needed(patches.sizes)

    class PatchesAsConv(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = convolution(channels, outputs, **options)

        def forward(self, x: Tensor) -> Tensor:
            if not is_image:
                x = rearrange(x, image, **apart)
            y: Tensor = self.conv(x)
            if not as_it_is:
                y = rearrange(y, tokens, **batches)
            return y

    return PatchesAsConv()


def weights(chain: Sequential, shape: Shape) -> Mapping[str, Recipe | Merge]:
    patches = cast(Cut, cut(chain, shape))
    layer = chain.layers[1]
    ones = ((),) * (layer.dims if isinstance(layer, Conv) else 0)
    kernel = tuple((f"k{number}",) if f"k{number}" in patches.features else () for number in range(len(patches.kernel)))
    pattern = Pattern((("o",), patches.features, *ones), (("o",), patches.inputs, *kernel))
    lengths = "".join(f", {axis}={patches.sizes[axis]}" for axis in patches.features if axis != "i")
    return {"conv.weight": ("1.weight", f"{pattern}{lengths}"), "conv.bias": ("1.bias", "o -> o")}


REWRITE = Rewrite(
    claim=__doc__,
    summary="a strided convolution, channels last",
    reference="Sequential of rearrange() or PixelUnshuffle, and Linear or a 1x1 Conv",
    holds_when="the layer takes whole patches with all channels, in any order, of an input in any layout",
    formula="y[b, n, o] = b[o] + sum over i, k of W[o, (k i)] * x[b, i, s*n + k], with s = kernel",
    derivation=(
        "What cuts the patches puts x[b, i, s*n + k] at place (k i) of token n, and the second layer sums over these "
        "places: that is the sum of a convolution whose kernel equals its stride."
    ),
    source="A. Dosovitskiy et al., An Image is Worth 16x16 Words, 2021, section 3.1 (the patch projection)",
    families=(Sequential,),
    example="Sequential(rearrange('b c (h p) (w q) -> b (h w) (p q c)', p=4, q=4), Linear(48, 32))",
    example_inputs=((2, 3, 8, 12),),
    preconditions=(cuts_patches,),
    candidate=candidate,
    weights=weights,
)
