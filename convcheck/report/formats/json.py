"""Results as JSON. Names and meaning are fixed; numbers that JSON cannot hold are null."""

from __future__ import annotations

from collections.abc import Sequence

from convcheck.calculator.answers import Answer
from convcheck.calculator.figures import BYTES, FLOPS, LayerShape, Total, Weights
from convcheck.catalogue.facts import Offer, RewriteFacts
from convcheck.report.plain import written
from convcheck.results import Report

SCHEMA = 1


def verified(report: Report) -> str:
    """Return the object that `verify -f json` prints."""
    return _write(
        {
            "schema": SCHEMA,
            "tool": report.tool,
            "ok": report.ok,
            "interrupted": report.interrupted,
            "untried": report.untried,
            "summary": report.count(),
            "results": report.results,
        }
    )


def shaped(rows: Sequence[LayerShape], total: Total | None, *, chained: bool, conditions: Sequence[str] = ()) -> str:
    """Return the object that `shape -f json` prints; a chain has an input, an output and a total of its own.

    Lengths that are formulas are texts, true under the `conditions`.
    """
    ends = {"input": rows[0].input, "output": rows[-1].output} if chained else {"input": None, "output": None}
    found = {"schema": SCHEMA, "layers": rows, **ends, "total": total, "conditions": conditions}
    return _write({**found, "conventions": {"flops": FLOPS}})


def counted(rows: Sequence[Weights], *, chained: bool) -> str:
    """Return the object that `params -f json` prints; layers by themselves have a sum."""
    sums = sum(row.params.reference or 0 for row in rows)
    total = {"params": sums, "bytes": {dtype: sums * each for dtype, each in BYTES.items()}} if chained else None
    return _write({"schema": SCHEMA, "results": rows, "total": total})


def listed(rewrites: Sequence[RewriteFacts]) -> str:
    """Return the object that `rewrites -f json` prints."""
    return _write({"schema": SCHEMA, "rewrites": rewrites})


def offered(layer: str, offers: Sequence[Offer]) -> str:
    """Return the object that `rewrites LAYER -f json` prints."""
    return _write({"schema": SCHEMA, "layer": layer, "rewrites": offers})


def answered(answer: Answer) -> str:
    """Return the object that `shape -f json` prints for a question; `question` says which."""
    return _write({"schema": SCHEMA, "question": answer.question, "found": answer.found, **vars(answer)})


def _write(value: object) -> str:
    return written(value, indent=2)
