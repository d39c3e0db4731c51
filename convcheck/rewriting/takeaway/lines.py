"""The steps of a move as expressions of torch and einops: from the old tensor to the new one, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from convcheck.rewriting.steps import Blocks, Dilate, EinopsStep, Flip, Negate, OperationStep, Part, Step, Zeros
from convcheck.rewriting.transplant import Move
from convcheck.sizes.patterns import Group, Pattern, Shape


class Line(NamedTuple):
    """One expression, as functions of the text of the tensor that it takes."""

    there: Callable[[str], str]
    back: Callable[[str], str] | None = None
    """None where entries are added, so that there are none to go back for, or others to go back with."""
    part_along: int | None = None
    """The axis along which all parts stand together again, where the line takes one of them."""


def lines_of(move: Move) -> list[Line]:
    """Return the steps of a move, in order; what changes nothing is left out."""
    return [line for segment in _segments(move) for line in _lines(*segment)]


def _segments(move: Move) -> Iterator[tuple[EinopsStep, list[OperationStep], Shape]]:
    """Yield every pattern with the operations behind it, and the shape before it."""
    steps: list[tuple[Step, Shape]] = list(zip(move.steps, move.shapes(), strict=False))
    patterns = [number for number, step in enumerate(move.steps) if isinstance(step, EinopsStep)]
    for number, after in zip(patterns, [*patterns[1:], None], strict=True):
        pattern, shape = steps[number]
        assert isinstance(pattern, EinopsStep)
        yield pattern, [step for step, _ in steps[number + 1 : after] if isinstance(step, OperationStep)], shape


def _lines(step: EinopsStep, operations: list[OperationStep], shape: Shape) -> Iterator[Line]:
    sizes = step.pattern.sizes(shape, step.known)
    pattern, operations = step.pattern, [operation for operation in operations if _changes(operation)]
    # An axis that an operation is along has to stand apart.
    along = {operation.operation.axis for operation in operations}
    apart = tuple(part for group in pattern.target for part in _ungrouped(group, along))
    yield from _rearranged(pattern.source, apart, sizes)
    for alike in _together(operations):
        yield _LINES[type(alike[0])](alike, apart)
        # Lines before have the sizes from before.
        sizes = {**sizes, **alike[-1].after.sizes}
    yield from _rearranged(apart, pattern.target, sizes)


def _ungrouped(group: Group, along: set[str]) -> list[Group]:
    return [(axis,) for axis in group] if len(group) > 1 and along & set(group) else [group]


def _together(operations: Sequence[OperationStep]) -> list[list[OperationStep]]:
    """Return operations by the line that does them: those of one kind in a row, along axes of their own."""
    lines: list[list[OperationStep]] = []
    for operation in operations:
        alike = bool(lines) and type(lines[-1][0]) is type(operation) is not Part
        if alike and operation.operation.axis not in {one.operation.axis for one in lines[-1]}:
            lines[-1].append(operation)
        else:
            lines.append([operation])
    return lines


def _changes(operation: OperationStep) -> bool:
    """Tell whether an operation does anything: not so along an axis of length 1, or by nothing."""
    if isinstance(operation, Flip):
        return operation.before.sizes[operation.operation.axis] > 1
    return isinstance(operation, Negate) or operation.before.sizes != operation.after.sizes


def _rearranged(source: Sequence[Group], target: Sequence[Group], sizes: Mapping[str, int]) -> Iterator[Line]:
    pattern = Pattern(tuple(source), tuple(target))
    for axis in pattern.repeated:
        if sizes[axis] == 1:
            pattern = pattern.without(axis)
    if pattern.source == pattern.target:
        return
    back = Pattern(pattern.target, pattern.source)
    yield Line(
        lambda tensor: _einops(tensor, pattern, sizes),
        None if pattern.repeated else lambda tensor: _einops(tensor, back, sizes),
    )


def _einops(tensor: str, pattern: Pattern, sizes: Mapping[str, int]) -> str:
    given = pattern.needed(sizes)
    function = "repeat" if pattern.repeated else "rearrange"
    arguments = [tensor, f'"{pattern}"', *(f"{axis}={length}" for axis, length in given.items())]
    return f"{function}({', '.join(arguments)})"


def _axes(operations: Sequence[OperationStep], groups: Sequence[Group]) -> list[int]:
    """Return along which axes operations are."""
    return [groups.index((operation.operation.axis,)) for operation in operations]


def _flipped(operations: Sequence[OperationStep], groups: Sequence[Group]) -> Line:
    axes = ", ".join(map(str, _axes(operations, groups)))
    return Line(lambda tensor: f"{tensor}.flip({axes})", lambda tensor: f"{tensor}.flip({axes})")


def _padded(operations: Sequence[OperationStep], groups: Sequence[Group]) -> Line:
    widths = {axis: step.operation.numbers for axis, step in zip(_axes(operations, groups), operations, strict=True)}
    # Of the last axis first.
    flat = [n for axis in range(len(groups) - 1, min(widths) - 1, -1) for n in widths.get(axis, (0, 0))]
    return Line(lambda tensor: f"functional.pad({tensor}, {tuple(flat)})")


def _spread(operations: Sequence[OperationStep], groups: Sequence[Group]) -> Line:
    factors = [1] * len(groups)
    for axis, step in zip(_axes(operations, groups), operations, strict=True):
        factors[axis] = step.operation.numbers[0]
    return Line(lambda tensor: f"zeros_between({tensor}, {tuple(factors)})")


def _part(operations: Sequence[OperationStep], groups: Sequence[Group]) -> Line:
    (step,), (axis,) = operations, _axes(operations, groups)
    if step.operation.name == "slice":
        start, stop = step.operation.numbers
        return Line(lambda tensor: f"{tensor}.narrow({axis}, {start}, {stop - start})")
    number, count = step.operation.numbers
    arguments = f"{count}, {axis}" if axis else str(count)
    return Line(lambda tensor: f"{tensor}.chunk({arguments})[{number - 1}]", part_along=axis)


def _blocks(operations: Sequence[OperationStep], _groups: Sequence[Group]) -> Line:
    (step,) = operations
    return Line(lambda tensor: f"block_diagonal({tensor}, {step.operation.numbers[0]})")


def _negated(_operations: Sequence[OperationStep], _groups: Sequence[Group]) -> Line:
    return Line(lambda tensor: f"-{tensor}", lambda tensor: f"-{tensor}")


_LINES: Mapping[type[OperationStep], Callable[[Sequence[OperationStep], Sequence[Group]], Line]] = {
    Blocks: _blocks,
    Dilate: _spread,
    Flip: _flipped,
    Negate: _negated,
    Part: _part,
    Zeros: _padded,
}
