"""What differs between two answers to the same question, field by field where they are JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.behaviour.asking import Answer, Question

LEFT_OUT = ("seconds",)
NOTHING = "(nothing)"


@dataclass(frozen=True)
class Difference:
    """What was before and is after; `kind` is what alike ones have in common."""

    section: str
    kind: str
    place: str
    before: str
    after: str


@dataclass
class Found:
    """How many answers were compared, what differs, in how many of them, and which fields are new."""

    compared: int = 0
    different: int = 0
    differences: list[Difference] = field(default_factory=list)
    new_fields: set[str] = field(default_factory=set)

    def add(self, differences: Sequence[Difference]) -> None:
        """Count one comparison."""
        self.compared += 1
        self.different += bool(differences)
        self.differences += differences


def compare(question: Question, before: Answer, after: Answer, found: Found) -> None:
    """Compare two answers; results of `verify` count one by one."""
    place = " ".join(_cut(each, 90) for each in question.words) or "(no words)"
    old, new = parsed(before.stdout), parsed(after.stdout)
    if isinstance(old, dict) and isinstance(new, dict) and "results" in old and "results" in new:
        one, other = _named(old.pop("results")), _named(new.pop("results"))
        old["order of results"], new["order of results"] = list(one), list(other)
        for name in {**one, **other}:
            where = f"{place}: {name}"
            found.add(list(_each(question, where, "", one.get(name), other.get(name), found.new_fields)))
    pairs: dict[str, tuple[Any, Any]] = {
        "exit code": (before.code, after.code),
        "stdout": (old, new),
        "stderr": (before.stderr, after.stderr),
    }
    for name in {**before.written, **after.written}:
        pairs[f"file {name}"] = parsed(before.written.get(name, "")), parsed(after.written.get(name, ""))
    found.add([each for name, both in pairs.items() for each in _each(question, place, name, *both, found.new_fields)])


def parsed(text: str) -> Any:
    """Return what JSON, or JSON in lines, says; other text as it is."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return text


def _named(results: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return results by case and rewrite; those of one name are numbered."""
    named: dict[str, Mapping[str, Any]] = {}
    for each in results:
        name = f"{each.get('case')} [{each.get('rewrite')}]"
        while name in named:
            name += "'"
        named[name] = each
    return named


def _each(question: Question, place: str, kind: str, before: Any, after: Any, new: set[str]) -> Iterator[Difference]:
    """Yield what differs in a value, or in those inside of it."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            inner = f"{kind}.{key}" if kind else str(key)
            if key in LEFT_OUT:
                continue
            if key not in before:
                new.add(f"{question.words[0]}: {inner}")
            elif key not in after:
                yield Difference(question.section, f"{inner} is gone", place, _cut(repr(before[key])), NOTHING)
            else:
                yield from _each(question, place, inner, before[key], after[key], new)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from _each(question, place, f"{kind}[]", one, other, new)
    elif isinstance(before, str) and isinstance(after, str):
        if before != after:
            yield Difference(question.section, kind, place, *first_apart(before, after))
    elif type(before) is not type(after) or repr(before) != repr(after):
        # By their digits: NaN equals NaN, and 0.0 is not -0.0.
        yield Difference(question.section, kind or "result", place, *(_cut(repr(each)) for each in (before, after)))


def first_apart(before: str, after: str) -> tuple[str, str]:
    """Return the first lines that differ, each from a little before where it does."""
    one, other = (text.splitlines(keepends=True) for text in (before, after))
    at = next(
        (n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
    )
    lines = [text[at] if at < len(text) else NOTHING for text in (one, other)]
    apart = (n for n, pair in enumerate(zip(*lines, strict=False)) if pair[0] != pair[1])
    same = next(apart, min(map(len, lines)))
    start = max(0, same - 60)
    where = f"line {at + 1}: " if max(len(one), len(other)) > 1 else ""
    return tuple(where + ("..." if start else "") + _cut(line[start:].rstrip("\n")) for line in lines)  # type: ignore[return-value]


def _cut(text: str, most: int = 160) -> str:
    text = re.sub(r"[^\x20-\x7e\xa0-\uffff]", lambda found: found[0].encode("unicode_escape").decode(), text)
    return text if len(text) <= most else text[:most] + "..."
