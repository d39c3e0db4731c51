"""A Linear, or a 1x1 convolution, whose outputs are laid side by side as patches is one transposed convolution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from convcheck.layers import Conv, Linear, Rearrange, Roundings, Sequential
from convcheck.rewriting.chains import chain_refusal
from convcheck.rewriting.cuts import Cut, cut_of
from convcheck.rewriting.layouts import as_pattern
from convcheck.rewriting.preconditions import is_pointwise, ungrouped
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.rewriting.transplant import Merge
from convcheck.sizes.patterns import Pattern, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn


def cut(chain: Sequential, shape: Shape) -> Cut | None:
    """Return how the output would be cut into the patches that it is made of."""
    first, layout = chain.layers
    middle = first.output_shape(shape)
    pattern, known = as_pattern(layout, middle)
    features = -1 if isinstance(first, Linear) else 1
    return cut_of(Pattern(pattern.target, pattern.source), pattern.sizes(middle, known), features)


def lays_patches(chain: Sequential, shape: Shape) -> Iterator[Refusal]:
    if refusal := chain_refusal(chain, (Linear, Conv), (Rearrange,)):
        yield refusal
        return
    first, layout = chain.layers
    if isinstance(first, Conv):
        if not is_pointwise(first) or set(first.stride) != {1}:
            yield Refusal("layer 0", first, "needs to be 1x1 without stride and padding", vacuous=True)
            return
        yield from ungrouped(first, shape)
        if len(shape) != first.dims + 2:
            yield Refusal("input", list(shape), "needs a batch", vacuous=True)
            return
    if cut(chain, shape) is None:
        need = "needs to be such as 'b (h w) (p q c) -> b c (h p) (w q)': whole patches with all their channels"
        yield Refusal("pattern", cast(Rearrange, layout).pattern, need, vacuous=True)


def candidate(chain: Sequential, shape: Shape) -> nn.Module:
    import torch
    from einops import rearrange
    from torch import nn

    patches = cast(Cut, cut(chain, shape))
    transposed: Any = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[len(patches.kernel)]
    first = cast("Linear | Conv", chain.layers[0])
    inputs = first.in_features if isinstance(first, Linear) else first.in_channels
    options = {"kernel_size": patches.kernel, "stride": patches.kernel, "bias": False}
    channels, kernel = patches.channels, patches.kernel
    tokens = Pattern(patches.tokens.target, patches.tokens.source)
    image = Pattern((), ()) if patches.image is None else Pattern(patches.image.target, patches.image.source)
    as_they_are, is_image = tokens.source == tokens.target, patches.image is None
    apart, together = tokens.needed(patches.sizes), image.needed(patches.sizes)
    channels_first, laid = str(tokens), str(image)

    class PatchesAsTransposed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transposed = transposed(inputs, channels, **options)
            self.bias = nn.Parameter(torch.empty(channels, *kernel)) if first.bias else None

        def forward(self, x: Tensor) -> Tensor:
            if not as_they_are:
                x = rearrange(x, channels_first, **apart)
            y: Tensor = self.transposed(x)
            if self.bias is not None:
                # Every place within a patch has a bias of its own.
                repeats = [length // k for length, k in zip(y.shape[2:], kernel, strict=True)]
                y = y + self.bias.tile(1, *repeats)
            if not is_image:
                y = rearrange(y, laid, **together)
            return y

    return PatchesAsTransposed()


def weights(chain: Sequential, shape: Shape) -> Mapping[str, Recipe | Merge]:
    patches = cast(Cut, cut(chain, shape))
    first = chain.layers[0]
    ones = ((),) * (first.dims if isinstance(first, Conv) else 0)
    kernel = tuple((f"k{number}",) if f"k{number}" in patches.features else () for number in range(len(patches.kernel)))
    weight = Pattern((patches.features, ("m",), *ones), (("m",), patches.inputs, *kernel))
    bias = Pattern((patches.features,), (patches.inputs, *kernel))
    lengths = "".join(f", {axis}={patches.sizes[axis]}" for axis in patches.features if axis != "i")
    return {"transposed.weight": ("0.weight", f"{weight}{lengths}"), "bias": ("0.bias", f"{bias}{lengths}")}


REWRITE = Rewrite(
    claim=__doc__,
    summary="a transposed convolution that tiles",
    reference="Sequential of Linear or a 1x1 Conv, and rearrange()",
    holds_when="the outputs at every place are one whole patch with all its channels, in any order and any layout",
    formula="y[b, o, s*n + k] = b[(k o)] + sum over i of W[(k o), i] * x[b, n, i], with s = kernel",
    derivation=(
        "Feature (k o) of place n holds the sum over i, and what lays patches out puts it at s*n + k. A transposed "
        "convolution with s the kernel adds W[i, o, k] * x[i, n] there, and nothing else, as no two patches overlap."
    ),
    source="W. Shi et al., Is the deconvolution layer the same as a convolutional layer?, 2016",
    families=(Sequential,),
    example="Sequential(Linear(32, 48), rearrange('b h w (p q c) -> b c (h p) (w q)', p=4, q=4))",
    example_inputs=((2, 2, 3, 32),),
    preconditions=(lays_patches,),
    candidate=candidate,
    weights=weights,
    roundings=lambda chain: Roundings(bias_apart=chain.layers[0].bias),
)
