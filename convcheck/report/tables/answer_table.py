"""Answers of the shape calculator for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from itertools import pairwise

from rich.console import Console, RenderableType
from rich.text import Text

from convcheck.calculator.answers import (
    AllSizes,
    Answer,
    AxisChange,
    Changes,
    Inputs,
    Made,
    OpenRanges,
    Padded,
    Same,
    Suggestion,
)
from convcheck.report.format_values import format_shape
from convcheck.report.grid import Column, grid
from convcheck.report.plain_console import Verbatim
from convcheck.sizes.patterns import Shape


def ranges(lengths: OpenRanges) -> str:
    """Write a set of lengths: `223 to 224`, `6, 9`, `2 to 62 in steps of 4`, `13 or more`."""
    steps = {after[0] - before[0] for before, after in pairwise(lengths)}
    if len(lengths) > 3 and len(steps) == 1 and all(first == last for first, last in lengths):
        return f"{lengths[0][0]} to {lengths[-1][0]} in steps of {steps.pop()}"
    return ", ".join(
        f"{first} or more" if last is None else str(first) if first == last else f"{first} to {last}"
        for first, last in lengths
    )


@singledispatch
def answer_tables(answer: Answer, console: Console) -> Iterator[RenderableType]:
    """Yield what a terminal shows for an answer."""
    # Every kind has a function of its own below; one without it is a fault of ours, and no empty table.
    raise NotImplementedError(type(answer))


@answer_tables.register
def _(answer: Inputs, console: Console) -> Iterator[RenderableType]:
    if answer.inputs:
        # All inputs of a layer have the same axes, but for the batch, which may be missing.
        names = max(map(tuple, answer.inputs), key=len)
        output = format_shape(answer.output)
        rows = [(output, *(ranges(lengths.get(name, ())) for name in names)) for lengths in answer.inputs]
        yield grid([Column("output"), *map(Column, names)], rows, console)
        return
    if not answer.nearest:
        yield Text(f"no input gives {format_shape(answer.output)}: {'; '.join(answer.reasons)}")
    for near in answer.nearest:
        known = [_made(made, near.axis) for made in (near.below, near.above) if made is not None]
        end = "" if near.below and near.above else ", and nothing less" if near.below is None else ", and nothing more"
        yield Text(f"no input gives {near.axis} = {near.asked}; {', '.join(known)}{end}")


def _made(made: Made, axis: str) -> str:
    if made.input is None:
        return f"there is {made.output}"
    where = "" if made.axis == axis else f"{made.axis} = "
    return f"{where}{ranges(made.input)} gives {made.output}"


@answer_tables.register
def _(answer: Changes, console: Console) -> Iterator[RenderableType]:
    asked = format_shape(answer.output)
    if answer.gives == answer.output:
        yield Text(f"{format_shape(answer.input)} gives {asked}")
        return
    outcome = f"gives {format_shape(answer.gives)}, and not {asked}"
    yield Text(f"{format_shape(answer.input)} {f'cannot be taken: {answer.fault}' if answer.fault else outcome}")
    for misfit in answer.misfits:
        yield Text(f"{misfit.axis} is {misfit.gives}, and not {misfit.asked}: it is set by {misfit.set_by}")
    single = any(change.layer for change in answer.changes)
    if not single:
        none = "no number for padding or stride alone" if answer.suggestions else "no padding or stride of one layer"
        yield Text(f"{none} gives {asked}")
    # Where something does, what comes close is of no use.
    told = bool(answer.changes) and (single or not answer.suggestions)
    alone = [one.absurd is not None for one in answer.suggestions if len(one.changed) == 1]
    absurd = bool(alone) and all(alone)
    if told and not absurd:
        yield from _by_axis(answer, console)
    several = len(answer.layers) > 1
    written = {(one.number, one.layer) for one in answer.suggestions}
    for suggestion in answer.suggestions:
        if told and absurd and suggestion.absurd is not None:
            yield from _by_axis(answer, console)
            told = False
        yield from _suggested(suggestion, several=several)
        yield from (
            _by_size(change.output_size)
            for change in answer.changes
            if (change.number, change.layer) == (suggestion.number, suggestion.layer) and change.output_size
        )
    for change in answer.changes:
        if change.layer is not None and (change.number, change.layer) not in written:
            yield Text("")
            yield _code(change.number, change.layer, several=several)
            yield from (_by_size(size) for size in (change.output_size,) if size)


def _by_axis(answer: Changes, console: Console) -> Iterator[RenderableType]:
    """Yield the numbers of every axis that do alone."""
    yield Text("")
    label = ["layer"] if len(answer.layers) > 1 else []
    # A chain may mix layers of one, two and three axes.
    axes = list(dict.fromkeys(axis for change in answer.changes for axis in change.axes))
    changes = dict.fromkeys((change.number, tuple(change.axes.items())) for change in answer.changes)
    rows = [
        [*[str(number)][: len(label)], *(_axis(dict(by_axis).get(axis)) for axis in axes)]
        for number, by_axis in changes
    ]
    yield grid([*map(Column, (*label, *axes))], rows, console)


def _suggested(suggestion: Suggestion, *, several: bool) -> Iterator[Text]:
    yield Text("")
    if suggestion.absurd is not None:
        yield Text(f"absurd, though it gives that: {suggestion.absurd}")
    elif len(suggestion.changed) > 1:
        yield Text(f"with {' and '.join(suggestion.changed)} changed")
    yield _code(suggestion.number, suggestion.layer, several=several)


def _code(number: int, layer: str, *, several: bool) -> Verbatim:
    return Verbatim(f"layer {number}: {layer}" if several else layer)


def _by_size(size: Shape) -> Text:
    return Text(f"or, with the layer as it is, forward(x, output_size={list(size)})")


def _axis(change: AxisChange | None) -> str:
    if change is None:
        return ""
    if change.padding:
        return f"padding {ranges(change.padding)}"
    if change.pairs:
        return ", ".join(f"padding {pad} output_padding {extra}" for pad, extra in change.pairs)
    if change.output_size:
        return f"output_spatial_shape {ranges(change.output_size)}"
    if change.stride:
        return f"stride {ranges(change.stride)}"
    return ", ".join(("none", *(f"{near.argument} {near.value} gives {near.output}" for near in change.nearest)))


@answer_tables.register
def _(answer: Same, console: Console) -> Iterator[RenderableType]:
    both = {"torch": answer.torch, "tensorflow": answer.tensorflow}
    known = {name: padded for name, padded in both.items() if padded is not None}
    axes = list(answer.torch.pads)
    columns = [Column("convention"), *(Column(f"{axis} before, after") for axis in axes), Column("padding=")]
    rows = [[name, *(str(padded.pads[axis]) for axis in axes), _own(padded)] for name, padded in known.items()]
    if answer.input is not None:
        columns.append(Column("output"))
        rows = [[*row, format_shape(padded.output)] for row, padded in zip(rows, known.values(), strict=True)]
    yield grid(columns, rows, console)
    for name, padded in known.items():
        yield Text("")
        yield Verbatim(f"{name:<12}{padded.layer}")
        yield Verbatim(f"{'':<12}{padded.pad} for a layer without padding")
    if answer.remainders:
        yield Text("")
        yield Text("tensorflow's depends on the input's length; -i gives it as a layer")
        cells = [
            (case.axis, f"{case.axis} % {case.stride}", ranges(((case.first, case.last),)), str(case.pads))
            for case in answer.remainders
        ]
        columns = [Column("axis"), Column("remainder"), Column("is"), Column("before, after")]
        yield grid(columns, cells, console)
    if answer.shift:
        words = (f"{abs(by)} {'later' if by > 0 else 'earlier'} on {axis}" for axis, by in answer.shift.items())
        yield Text("")
        yield Text(f"tensorflow's windows start {', '.join(words)}: outputs of the same size, of other positions")
    yield from (Text(f"note: {note}") for note in answer.notes)


def _own(padded: Padded) -> str:
    return "cannot say it" if padded.own is None else repr(padded.own)


_SIZES = ("axis", "input", "output", "output_padding", "sizes by it", "sizes by output_size")


@answer_tables.register
def _(answer: AllSizes, console: Console) -> Iterator[RenderableType]:
    rows = [
        (
            f"{sizes.number}: {sizes.layer}",
            sizes.axis,
            str(sizes.input),
            str(sizes.output),
            ranges(sizes.output_padding) or "-",
            ranges(sizes.by_output_padding) or "-",
            ranges(sizes.by_output_size) or "-",
        )
        for sizes in answer.sizes
    ]
    yield grid([Column("layer"), *map(Column, _SIZES)], rows, console)
