"""Finds what a probe could not show of a wrong rewrite.

Some weaknesses follow from shapes alone: with one channel, or a patch of one position, several orders of axes are the
same. The others are measured: if the gradient of a weight does not change when two of its axes are swapped, or one is
flipped, the probe cannot detect that swap or flip; an entry that never meets an input is not tested.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from torch import Tensor

from convcheck.results import Finding, Kind
from convcheck.sides.side import Side


def weaknesses(side: Side, output: Tensor, gradients: Mapping[str, Tensor]) -> Iterator[Finding]:
    """Yield, as notes, what a case leaves untested.

    `output`, `[*output]`, is the reference's on a probe; `gradients` are those of its inputs and parameters by name, of
    their shapes.
    """
    texts = [*side.untested, *_of_output(output)]
    for name, gradient in gradients.items():
        if name in side.parameters:
            texts += _of_parameter(side, name, gradient)
        elif not gradient.any() and output.any():
            # As the query and the key of one position, since a softmax over one score is 1.
            texts.append(f"{name} makes no difference to any output")
    yield from map(_weak, texts)


def _weak(text: str) -> Finding:
    return Finding(Kind.STRENGTH, text, weak=True)


def _of_output(output: Tensor) -> Iterator[str]:
    if not output.any():
        yield "all outputs are zero"
    elif output.numel() > 1 and bool((output == output.flatten()[0]).all()):
        yield "all outputs are the same number"


def _of_parameter(side: Side, name: str, gradient: Tensor) -> Iterator[str]:
    never = int((gradient == 0).sum())
    if never:
        what = "none" if never == gradient.numel() else f"only {gradient.numel() - never}"
        yield f"{what} of {gradient.numel()} entries of {name} ever meet an input; a larger one would test the others"
        return
    # Of the parts of an axis, such as groups and channels, the last one names it.
    axes = [group[-1] for group in side.parameter_axes[name]]
    for first, second in itertools.combinations(range(gradient.ndim), 2):
        if gradient.shape[first] == gradient.shape[second] > 1 and gradient.equal(gradient.transpose(first, second)):
            yield f"{axes[first]} and {axes[second]} of {name} could be swapped without a difference"
    for axis in range(gradient.ndim):
        if gradient.shape[axis] > 1 and gradient.equal(gradient.flip(axis)):
            yield f"{name} could be flipped along {axes[axis]} without a difference"
