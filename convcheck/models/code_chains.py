"""Patches that code cuts out for a layer, or lays back behind it: a chain of which one part is no module.

A swap of modules leaves the code as it is. What a person can do by hand is said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

import torch
from einops.layers.torch import Rearrange
from torch import Tensor, nn

from convcheck.errors import ConvcheckError
from convcheck.layers import Sequential, accept
from convcheck.models.flow import Call, Flow
from convcheck.models.leaves import Leaf
from convcheck.models.ways import Way
from convcheck.sides.describe import describe
from convcheck.sizes.patterns import Shapes

Departures = Callable[[Shapes, int], tuple[str, ...]]


@dataclass(eq=False)
class CodeLeaf(Leaf):
    """A layer on patches that code cuts out, or with code behind it that lays patches back into an image.

    `module` has a rearrange in place of the code.
    """

    way: Way | None = None
    is_behind: bool = False
    """Whether the code stands behind the layer."""

    def departures(self, shapes: Shapes, seed: int) -> tuple[str, ...]:
        """Return where the code, run again on other numbers, moves them otherwise than the rearrange, or gradients."""
        assert self.way is not None
        assert isinstance(self.module, nn.Sequential)
        assert isinstance(self.layer, Sequential)
        shape = self.layer.layers[0].output_shape(*shapes) if self.is_behind else shapes[0]
        x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        mover = self.module[int(self.is_behind)]
        ours, theirs = (_run(side, x) for side in (self.way.run, mover))
        if all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True)):
            return ()
        return (f"the code at {self.places} moves numbers, or their gradients, otherwise than {mover}",)

    def with_code(self, of_module: Departures) -> Departures:
        """Return what looks at the code as well as at the module."""
        return lambda shapes, seed: self.departures(shapes, seed) or of_module(shapes, seed)

    @property
    def places(self) -> str:
        """The user's lines that cut the patches, such as `model.py:12 to 14`."""
        assert self.way is not None
        lines: dict[str, list[int]] = {}
        for file, line in self.way.places:
            lines.setdefault(file, []).append(line)
        return " and ".join(
            f"{file}:{min(numbers)}" + (f" to {max(numbers)}" if max(numbers) > min(numbers) else "")
            for file, numbers in lines.items()
        )

    def by_hand(self, rewrite: str) -> str:
        """Return what has to be changed by hand for a rewrite of it."""
        ((shape,), *_) = self.calls
        command = f'convcheck rewrites {rewrite} "{self.text}" -i {",".join(map(str, shape))}'
        does, where = (
            ("lays patches back", f"what {self.path} is called on")
            if self.is_behind
            else ("cuts the patches", f"the tensor of {list(shape)} that they are cut from")
        )
        return (
            f"code {does}, at {self.places or 'no line that is known'}, and a swap of modules would not "
            f"change it; what `{command}` prints takes the place of both, and is called on {where}"
        )


def _run(side: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a side makes, and the gradient of a sum of it with other weights everywhere."""
    with torch.enable_grad():
        given = x.clone().requires_grad_()
        output = side(given)
        weights = torch.arange(1.0, output.numel() + 1, dtype=output.dtype).reshape(output.shape)
        if not output.requires_grad:
            return output, torch.zeros_like(x)
        (gradient,) = torch.autograd.grad(output, given, weights)
    return output.detach(), gradient


def code_chains(flow: Flow, plain: Flow, merges: Collection[Leaf]) -> list[CodeLeaf]:
    """Return the layers that are always called on patches which code cuts out, or whose outputs it always lays back.

    `plain` watched the run before. Those of `merges`, which have a module for the code, are left out.
    """
    before, behind = {chain.merged[-1] for chain in merges}, {chain.path for chain in merges}
    chains: list[CodeLeaf] = []
    for part, calls in flow.calls.items():
        shapes = [call.taken for call in plain.calls[part]]
        if part in flow.read or not calls or [call.taken for call in calls] != shapes:
            continue
        for is_behind in (False, True):
            if part.path in (behind if is_behind else before):
                continue
            texts: dict[str, CodeLeaf] = {}
            for call in calls:
                if (chain := _chain(part, call, is_behind=is_behind)) is None:
                    break
                if chain.text in texts:
                    texts[chain.text].calls.update(chain.calls)
                else:
                    texts[chain.text] = chain
            else:
                chains += texts.values()
    return chains


def _chain(part: Leaf, call: Call, *, is_behind: bool) -> CodeLeaf | None:
    """Return a layer with the code on one side of it as one; None where the code is something else."""
    moved = call.laid if is_behind else call.cut
    if moved is None:
        return None
    shape = call.taken if is_behind else moved.way.root.shape
    code = Rearrange(str(moved.pattern), **moved.lengths)
    module = nn.Sequential(part.module, code) if is_behind else nn.Sequential(code, part.module)
    with suppress(ConvcheckError):
        layer = describe(module)
        accept(layer, (shape,))
        chain = CodeLeaf(part.path, module, str(layer), layer, way=moved.way, is_behind=is_behind)
        if not chain.departures((shape,), 0):
            chain.calls[shape,] = 1
            return chain
    return None
