"""What every command prints with `-f json` as a JSON Schema, made from the values that it is printed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from convcheck.calculator import answers, figures
from convcheck.calculator.side_weights import Weights
from convcheck.catalogue.facts import Offer, RewriteFacts, TakeAway
from convcheck.checkpoints.record import Transplanted
from convcheck.models.records import ScanReport
from convcheck.report.json_text import SCHEMA
from convcheck.report.value_schema import Schema, Schemas, by_name, closed, listed
from convcheck.results import Result, Tool, Verdict
from convcheck.sizes.patterns import Shape
from convcheck.solving.solution import Solution
from convcheck.timing.comparison import Comparison, NotTimed
from convcheck.timing.intervals import Said, Spread

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NULL: Schema = {"type": "null"}


def results_schema(command: str = "verify") -> Schema:
    """Return the JSON Schema (2020-12) of what a command prints with `-f json`, where its input can be read."""
    schemas = Schemas(formulas=command == "shape")
    forms = [closed({"schema": {"const": SCHEMA}, **form}) for form in DOCUMENTS[command](schemas)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"results of convcheck {command}",
        **(forms[0] if len(forms) == 1 else {"anyOf": forms}),
        "$defs": schemas.definitions,
    }


def _verify(schemas: Schemas) -> list[Schema]:
    counts = ("total", *map(str, Verdict), "unexpected")
    return [{**_run(schemas, *counts), "results": listed(schemas.of(Result))}]


def _bench(schemas: Schemas) -> list[Schema]:
    comparison = schemas.fields(Comparison, without=("ratio",))
    comparison["pass"] = comparison.pop("direction")
    comparison["ratio"] = closed({name: {"type": "number"} for name in Spread._fields})
    schemas.definitions["Comparison"] = closed(comparison)
    return [
        {
            **_run(schemas, "total", *map(str, Said), "not timed"),
            "results": listed({"$ref": "#/$defs/Comparison"}),
            "not_timed": listed(schemas.of(NotTimed)),
        }
    ]


def _run(schemas: Schemas, *counts: str) -> Schema:
    """Return the fields of a run over many claims, with what its summary counts."""
    return {
        "tool": schemas.of(Tool),
        "ok": _FLAG,
        "interrupted": _FLAG,
        "untried": _COUNT,
        "summary": closed(dict.fromkeys(counts, _COUNT)),
    }


def _solve(schemas: Schemas) -> list[Schema]:
    sources = listed(_TEXT)
    written = {"anyOf": [closed({"from": sources, kind: _TEXT}) for kind in ("pattern", "text")]}
    return [{**schemas.fields(Solution, without=("map",)), "map": by_name(written)}]


def _scan(schemas: Schemas) -> list[Schema]:
    # The dtypes stand in what was timed in them.
    fields = schemas.fields(ScanReport, without=("dtypes",))
    return [{**fields, "ok": _FLAG}]


def _transplant(schemas: Schemas) -> list[Schema]:
    fields = schemas.fields(Transplanted, without=("moved",))
    fields["bytes"] = fields.pop("size")
    moved = closed({"from": listed(_TEXT), "pattern": _TEXT})
    return [{**fields, "file": {"anyOf": [_TEXT, _NULL]}, "moved": by_name(moved)}]


def _params(schemas: Schemas) -> list[Schema]:
    total = closed({"params": _COUNT, "bytes": by_name(_COUNT)})
    return [
        {"results": listed(schemas.of(Weights)), "total": {"anyOf": [total, _NULL]}, "notes": listed(_TEXT)},
    ]


def _shape(schemas: Schemas) -> list[Schema]:
    row, shape = schemas.of(figures.Row), schemas.of(Shape)
    ends = {"anyOf": [shape, listed(shape), _NULL]}
    calculated = {
        "layers": listed(row),
        "input": ends,
        "output": ends,
        "total": {"anyOf": [schemas.of(figures.Total), _NULL]},
        "conditions": listed(_TEXT),
        "conventions": closed({"flops": _TEXT}),
        "notes": listed(_TEXT),
    }
    asked = [answers.Inputs, answers.Changes, answers.Same, answers.AllSizes]
    return [calculated, *({**schemas.fields(one), "found": _FLAG, "notes": listed(_TEXT)} for one in asked)]


def _rewrites(schemas: Schemas) -> list[Schema]:
    return [
        {"rewrites": listed(schemas.of(RewriteFacts))},
        {"layer": _TEXT, "rewrites": listed(schemas.of(Offer))},
        schemas.fields(TakeAway),
    ]


DOCUMENTS: Mapping[str, Callable[[Schemas], list[Schema]]] = {
    "verify": _verify,
    "solve": _solve,
    "scan": _scan,
    "transplant": _transplant,
    "bench": _bench,
    "params": _params,
    "shape": _shape,
    "rewrites": _rewrites,
}
"""By command, the fields of every form that its JSON has."""
