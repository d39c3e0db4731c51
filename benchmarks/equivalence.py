"""Whether a mutant is the very same function as the reference: shown on every basis vector, or not at all.

Outputs are affine in each of a few blocks of variables, as long as the others stand still: in every input, and in the
parameters of each layer of a chain. The fault is linear, so that of a mutant is, too. Two such functions are the same
everywhere if they are at all combinations of one point for every block, out of zero and its basis vectors; and what is
in a transplant alone is shown on the parameters alone.

All coefficients are sums of products of 0, 1, 2 and of 1 + 2^-20, once; so they are whole multiples of 2^-20, and on
basis vectors what is within 2^-22 is the same, even where a transform only lands next to the right numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.planting import Fault
from convcheck.catalogue.claims import Claim
from convcheck.errors import CannotRunError
from convcheck.layers import DotProductAttention, Layer, MultiheadAttention, Sequential
from convcheck.proof.build_pair import build_pair
from convcheck.proof.pair import Pair
from convcheck.sides.sample import Sample
from convcheck.sizes.patterns import Shape, Shapes

MOST_POINTS = 400_000
"""Points at which a function is evaluated to show that it is the same; beyond, nothing is shown."""

AT_ONCE = 2**17
"""Numbers in the points that are evaluated together."""

SAME = 2.0**-22

Variables = Mapping[str, Tensor]


@dataclass(frozen=True)
class Block:
    """Variables in which a function is affine together: at `base`, and at `base + step` times each basis vector."""

    shapes: Mapping[str, Shape]
    base: float = 0.0
    step: float = 1.0
    chosen: tuple[int, ...] | None = None
    """The numbers of the points that matter, where these are not all; 0 is the base."""

    @property
    def size(self) -> int:
        return sum(map(math.prod, self.shapes.values()))

    @property
    def numbers(self) -> Tensor:
        return torch.arange(self.size + 1) if self.chosen is None else torch.tensor(self.chosen, dtype=torch.int64)

    def at(self, numbers: Tensor) -> dict[str, Tensor]:
        """Return the variables at some of its points."""
        flat = torch.full((len(numbers), self.size), self.base, dtype=torch.float64)
        rows = numbers.nonzero()[:, 0]
        flat[rows, numbers[rows] - 1] += self.step
        parts = torch.split(flat, [math.prod(shape) for shape in self.shapes.values()], 1)
        return {name: part.reshape(-1, *self.shapes[name]) for name, part in zip(self.shapes, parts, strict=True)}

    def where(self, differ: Callable[[Variables], bool]) -> Block:
        """Return the block with those of its points alone at which a condition holds."""
        found: list[int] = []
        for number in self.numbers.tolist():
            point = self.at(torch.tensor([number]))
            found += [number] if differ({name: each[0] for name, each in point.items()}) else []
        return replace(self, chosen=tuple(found))


def shown(claim: Claim, fault: Fault) -> str | None:
    """Return the argument by which a fault in a claim's rewrite changes nothing, or None where there is none."""
    if unchanged(fault):
        return "the fault leaves every basis vector as it is"
    if fault.other is not None and fault.other.statistics() != claim.case.layer.statistics():
        return None  # another eps is not linear
    right, wrong = build_pair(claim), build_pair(Claim(claim.case, claim.name, fault.rewrite, ()))
    if fault.parameter and transplants_agree(claim.case.layer, right, wrong):
        return "the weights arrive as they should, for every basis of the reference's"
    if claim.case.layer.degree() is None:
        return only_softmax(claim.case.layer, claim.case.inputs, fault)
    if functions_agree(claim.case.layer, right, wrong, fault):
        return "the outputs are those of the reference on every basis of inputs and weights"
    return None


def unchanged(fault: Fault) -> bool:
    """Tell whether the fault itself, as a linear change, leaves every basis vector as it is."""
    if fault.change is None:
        return False
    count = math.prod(fault.shape)
    # What moves or scales anything shows on distinct numbers; only what does not is worth the proof.
    distinct = torch.arange(1, count + 1, dtype=torch.float64).reshape(fault.shape)
    if not torch.equal(fault.change(distinct), distinct):
        return False
    block, change = Block({"": fault.shape}), fault.change
    return not block.where(lambda at: not torch.equal(change(at[""]), at[""])).chosen


def transplants_agree(layer: Layer, right: Pair, wrong: Pair) -> bool:
    """Tell whether two transplants move all parameters alike."""
    blocks = parameter_blocks(layer)
    return agree(
        blocks,
        lambda at: list(right.mapping.forward(at).values()),
        lambda at: list(wrong.mapping.forward(at).values()),
    )


def functions_agree(layer: Layer, right: Pair, wrong: Pair, fault: Fault) -> bool:
    """Tell whether a mutant is the same function of inputs and parameters as the reference.

    `right` is the pair without the fault, which is known to be equal. Where the fault is linear, only such points are
    looked at as it changes: at all others the mutant is the right candidate, by the very same numbers.
    """
    if layer.boolean_inputs():
        return False
    inputs, blocks = input_shapes(right.reference.inputs), blocks_of(layer, right.reference.inputs)
    change = fault.change
    if fault.parameter and len(parameter_blocks(layer)) == 1:
        blocks[-1] = blocks[-1].where(lambda at: not _same(right.mapping.forward(at), wrong.mapping.forward(at)))
    elif fault.number is not None and change is not None:
        name = f"input {fault.number}"
        blocks[fault.number] = blocks[fault.number].where(lambda at: not torch.equal(change(at[name]), at[name]))

    def side(run: Callable[[Sample], Tensor]) -> Callable[[Variables], list[Tensor]]:
        def at(variables: Variables) -> list[Tensor]:
            parameters = {name: each for name, each in variables.items() if name not in inputs}
            return [run(Sample(tuple(variables[name] for name in inputs), parameters))]

        return at

    return agree(blocks, side(wrong.run_reference), side(wrong.run_candidate))


def _same(one: Variables, other: Variables) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def input_shapes(shapes: Shapes) -> dict[str, Shape]:
    """Return the shapes of the inputs by a name for each."""
    return {f"input {number}": shape for number, shape in enumerate(shapes)}


def points(layer: Layer, shapes: Shapes) -> int:
    """Return at how many points two functions of this kind are compared to show that they are the same."""
    return math.prod(len(block.numbers) for block in blocks_of(layer, shapes))


def blocks_of(layer: Layer, shapes: Shapes) -> list[Block]:
    """Return all variables of a layer: every input is a block of its own, then come the parameters."""
    return [*(Block({name: shape}) for name, shape in input_shapes(shapes).items()), *parameter_blocks(layer)]


def parameter_blocks(layer: Layer) -> list[Block]:
    """Return the parameters, and what a layer keeps, in blocks in which its output is affine."""
    chained = isinstance(layer, Sequential)
    shapes: dict[str, dict[str, Shape]] = {}
    for name, shape in layer.parameters().items():
        shapes.setdefault(name.partition(".")[0] if chained else "", {})[name] = shape
    scales = []
    for name, statistic in layer.statistics().items():
        if statistic.eps is None:
            # A mean is subtracted from what the layer before makes, and affine together with its weights; from an
            # input it is by itself.
            shapes.setdefault(name if name.startswith("0.") else "0", {})[name] = statistic.shape
        else:
            # 1 / root is 1 for all channels, and then 2 for each of them: affine in that, and not in the variance.
            scales.append(Block({name: statistic.shape}, 1.0 - statistic.eps, 0.25 - 1.0))
    return [*map(Block, shapes.values()), *scales]


def agree(
    blocks: Sequence[Block], one: Callable[[Variables], list[Tensor]], other: Callable[[Variables], list[Tensor]]
) -> bool:
    """Tell whether two functions are the same at all combinations of the blocks' points."""
    numbers = [block.numbers for block in blocks]
    counts = [len(each) for each in numbers]
    if math.prod(counts) > MOST_POINTS:
        return False
    width = max(1, AT_ONCE // sum(block.size + 1 for block in blocks))
    with torch.no_grad():
        for rest in torch.split(torch.arange(math.prod(counts)), width):
            at: dict[str, Tensor] = {}
            for block, mine in zip(blocks, numbers, strict=True):
                at |= block.at(mine[rest % len(mine)])
                rest = rest // len(mine)
            for first, second in zip(_together(one, at), _together(other, at), strict=True):
                if first.shape != second.shape or bool(((first - second).abs() > SAME).any()):
                    return False
    return True


def _together(function: Callable[[Variables], list[Tensor]], at: dict[str, Tensor]) -> list[Tensor]:
    """Evaluate a function at many points at once, or one after the other where torch cannot do so."""
    try:
        return torch.func.vmap(function, randomness="error")(at)
    except (CannotRunError, RuntimeError):
        rows = [function({name: each[row] for name, each in at.items()}) for row in range(len(next(iter(at.values()))))]
        return [torch.stack(each) for each in zip(*rows, strict=True)]


def only_softmax(layer: Layer, shapes: Shapes, fault: Fault) -> str | None:
    """Return why a softmax makes nothing of a fault, which no basis shows, since it is not linear."""
    same = "what is added to all scores of a query alike is nothing to a softmax: "
    if isinstance(layer, MultiheadAttention) and fault.parameter == "to_k.bias" and not layer.added:
        return f"{same}a key's bias"
    if isinstance(layer, DotProductAttention) and layer.attn_mask == "float" and shapes[3][-1] == 1:
        dropped = isinstance(fault.other, DotProductAttention) and fault.other == replace(layer, attn_mask=None)
        return f"{same}a mask of one column" if dropped or fault.number == 3 else None
    if isinstance(layer, DotProductAttention) and layer.is_causal and fault.number == 0 and in_first_row(fault):
        return "the first query of a causal attention sees one key, whose softmax is 1 whatever the query is"
    return None


def in_first_row(fault: Fault) -> bool:
    """Tell whether a linear change of `[..., rows, columns]` neither reads nor writes any row but the first."""
    change = fault.change
    assert change is not None
    block = Block({"": fault.shape})
    moved = block.where(lambda at: not torch.equal(change(at[""]), at[""]))
    vectors = block.at(moved.numbers)[""]
    return not any(bool(each[..., 1:, :].any()) or bool(change(each)[..., 1:, :].any()) for each in vectors)
