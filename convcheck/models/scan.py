"""Finds the layers of a model that can be rewritten, proves and times the rewrites, and chooses what to swap."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from convcheck.catalogue.catalogue import find
from convcheck.errors import ConvcheckError
from convcheck.models.chains import chains_of
from convcheck.models.choice import choices, keys_of
from convcheck.models.example import Example, placed
from convcheck.models.flow import Flow
from convcheck.models.gains import foretold, timed, whole_gain
from convcheck.models.leaves import leaves_of, parts_of
from convcheck.models.lines import Lines, dtype_of, lines_of
from convcheck.models.records import MIN_SPEEDUP, LayerLine, ScanReport, Whole
from convcheck.models.swap_file import load_text, swap_text
from convcheck.models.verdicts import verified
from convcheck.results import Tool
from convcheck.user_code.user_module import code_may_fail
from convcheck.version import __version__


@dataclass(frozen=True)
class Asked:
    """What a scan is asked for. `dtypes` are those of the model where none is given."""

    rewrites: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    bench: bool = False
    min_speedup: float = MIN_SPEEDUP


@dataclass(frozen=True)
class Listeners:
    """What hears of a scan: how many steps there are, the name of each before it begins, and faults of our own."""

    count: Callable[[int], None] = lambda _steps: None
    begin: Callable[[str], None] = lambda _name: None
    fail: Callable[[Exception], None] = lambda _error: None


def scan(model: nn.Module, given: Example, name: str, asked: Asked, hear: Listeners = Listeners()) -> ScanReport:
    """Scan a model, which is left as it was; `name` stands in the report and in what is written.

    Raises:
        ConvcheckError: a rewrite is not known, the model cannot be called, or there is nothing of what `only` names.
    """
    for rewrite in asked.rewrites:
        find(rewrite)
    if isinstance(model, torch.jit.ScriptModule):
        raise ConvcheckError(f"{name} is a ScriptModule, of which layers cannot be swapped; give what it was made of")
    example = placed(model, given)
    flow = Flow([part for part in parts_of(model) if part.skipped is None])
    leaves, _ = leaves_of(model, example, flow.watch)
    chains, why_none = chains_of(model, example, flow)
    found = lines_of([*leaves, *chains], asked.rewrites, asked.only)
    if not found.lines:
        what = f"no layer matches {', '.join(asked.only)}" if asked.only else "no layer of it has rewrites"
        there = ", ".join(leaf.path for leaf in leaves[:5])
        raise ConvcheckError(f"{name}: {what}" + (f"; there are {there}, ..." if asked.only and leaves else ""))
    dtypes = asked.dtypes or (dtype_of(leaves),)
    tool = this_tool()
    lines, notes, interrupted = judged(found, dtypes, asked, tool, hear)
    layers = tuple(sorted(lines, key=lambda line: -line.saved(dtypes[0])))
    chosen, unswapped = choices(layers, asked.rewrites, dtypes, bench=asked.bench, least=asked.min_speedup)
    all_notes = (*([why_none] if why_none else []), *notes, *unswapped)
    report = ScanReport(
        name, tool, layers, tuple(dtypes), chosen, found.left_out, notes=all_notes, interrupted=interrupted,
        example=example,
    )  # fmt: skip
    if not asked.bench or not chosen or interrupted:
        return report
    try:
        return with_whole(model, report, tool.threads)
    except KeyboardInterrupt:
        return replace(report, interrupted=True)


def judged(
    found: Lines, dtypes: Sequence[str], asked: Asked, tool: Tool, hear: Listeners
) -> tuple[list[LayerLine], list[str], bool]:
    """Return all lines with their verdicts and times, notes on them, and whether the user cut it short."""
    hear.count(sum(len(line.rewrites) for line in found.lines) * len(dtypes) * (1 + asked.bench))
    lines, notes = list[LayerLine](), list[str]()
    try:
        for line in found.lines:
            record = line.record()
            for rewrite in line.rewrites:
                one = verified(line, rewrite, dtypes, hear.begin, hear.fail)
                if asked.bench:
                    one, more = timed(one, tool, tool.threads, hear.begin)
                    notes += more
                record = replace(record, rewrites=(*record.rewrites, one.tried))
            lines.append(record)
    except KeyboardInterrupt:
        return lines, notes, True
    return lines, notes, False


def this_tool() -> Tool:
    """Return the versions and the machine of a scan."""
    return Tool(__version__, torch.__version__, platform.python_version(), "cpu", torch.get_num_threads())


def with_whole(model: nn.Module, report: ScanReport, threads: int) -> ScanReport:
    """Return the report with the time of the whole model, before and after the swap, where it runs in a dtype."""
    code = load_text(swap_text(report.model, keys_of(report.layers, report.chosen)))
    whole: dict[str, Whole] = {}
    notes = list(report.notes)
    for dtype in report.dtypes:
        try:
            with code_may_fail():
                saved = foretold(report.layers, report.chosen, dtype)
                whole[dtype] = whole_gain(model, report.example, code, dtype, saved, threads)
        except Exception as error:
            notes.append(f"the whole model is not timed in {dtype}: {error}")
    return replace(report, whole=whole, notes=tuple(notes))
