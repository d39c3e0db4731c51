"""Patches that code cuts out, and the layer on them: a chain whose first part is no module.

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
from convcheck.layers import accept
from convcheck.models.flow import Call, Flow
from convcheck.models.leaves import Leaf
from convcheck.models.ways import Way
from convcheck.sides.describe import describe
from convcheck.sizes.patterns import Shapes

Departures = Callable[[Shapes, int], tuple[str, ...]]


@dataclass(eq=False)
class CodeLeaf(Leaf):
    """A layer on patches that code cuts out of `way.root`; `module` has a rearrange in place of the code."""

    way: Way | None = None

    def departures(self, shapes: Shapes, seed: int) -> tuple[str, ...]:
        """Return where the code, run again on other numbers, moves them otherwise than the rearrange, or gradients."""
        assert self.way is not None
        assert isinstance(self.module, nn.Sequential)
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(shapes[0], generator=generator, dtype=torch.float64)
        ours, theirs = (_run(side, x) for side in (self.way.run, self.module[0]))
        if all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True)):
            return ()
        return (f"the code at {self.places} moves numbers, or their gradients, otherwise than {self.module[0]}",)

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
        assert self.way is not None
        shape = self.way.root.shape
        command = f'convcheck rewrites {rewrite} "{self.text}" -i {",".join(map(str, shape))}'
        return (
            f"code cuts the patches, at {self.places or 'no line that is known'}, and a swap of modules would not "
            f"change it; what `{command}` prints takes the place of both, and is called on the tensor of {list(shape)} "
            "that they are cut from"
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


def code_chains(flow: Flow, plain: Flow, merged: Collection[str]) -> list[CodeLeaf]:
    """Return the layers that are always called on patches which code cuts out; `plain` watched the run before.

    Those whose patches a module cuts are `merged` into it, and left out.
    """
    chains: list[CodeLeaf] = []
    for part, calls in flow.calls.items():
        if (
            part in flow.read
            or part.path in merged
            or not calls
            or [call.taken for call in calls] != [c.taken for c in plain.calls[part]]
        ):
            continue
        found = [_chain(part, call) for call in calls]
        texts: dict[str, CodeLeaf] = {}
        for chain in found:
            if chain is None:
                texts.clear()
                break
            texts.setdefault(chain.text, chain)
            texts[chain.text].calls.update(chain.calls if texts[chain.text] is not chain else ())
        chains += texts.values()
    return chains


def _chain(part: Leaf, call: Call) -> CodeLeaf | None:
    """Return a layer with the code before it as one; None where the code does not cut patches."""
    if call.cut is None:
        return None
    pattern, lengths, way = call.cut
    shape = way.root.shape
    module = nn.Sequential(Rearrange(pattern, **lengths), part.module)
    with suppress(ConvcheckError):
        layer = describe(module)
        accept(layer, (shape,))
        chain = CodeLeaf(part.path, module, str(layer), layer, way=way)
        chain.calls[shape,] += 1
        return chain if not chain.departures((shape,), 0) else None
    return None
