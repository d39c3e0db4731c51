"""docs/json.md has every field of every result, as `schema --results` has them, and no others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from convcheck.report.results_schema import DOCUMENTS, results_schema
from tests.test_readme import README

TEXT = (README.parent / "docs" / "json.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^### (\w+)\n((?:(?!#).*\n)*)", TEXT, re.MULTILINE))
SCHEMAS = {command: results_schema(command) for command in DOCUMENTS}
RECORDS: dict[str, Any] = {
    name: definition for schema in SCHEMAS.values() for name, definition in schema["$defs"].items()
}


def fields(section: str) -> list[str]:
    """Return the names in the first column of a section's table."""
    cells = re.findall(r"^\| (`.*?) \| ", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def test_there_is_a_section_for_every_command_and_record() -> None:
    assert SECTIONS.keys() == {*DOCUMENTS, *RECORDS}


@pytest.mark.parametrize("command", DOCUMENTS)
def test_a_command_has_its_fields(command: str) -> None:
    forms = SCHEMAS[command].get("anyOf", [SCHEMAS[command]])
    listed = fields(SECTIONS[command])
    assert len(listed) == len(set(listed))
    assert set(listed) == {name for form in forms for name in form["properties"]}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_has_its_fields(name: str) -> None:
    listed = fields(SECTIONS[name])
    assert sorted(listed) == sorted(RECORDS[name]["properties"])


def test_words_that_a_field_may_be_are_named() -> None:
    for name in ("Result", "Exact", "Gradients", "SizesProof", "HeldWeight", "Comparison"):
        for key, value in RECORDS[name]["properties"].items():
            rows = [row for row in SECTIONS[name].splitlines() if f"`{key}`" in row.split(" | ")[0]]
            missing = [word for word in value.get("enum", ()) if f"`{word}`" not in "".join(rows)]
            assert not missing or key in ("expected",), (name, key, missing)


def test_the_sum_of_a_run_names_its_counts() -> None:
    for command in ("verify", "bench"):
        counts = SCHEMAS[command]["properties"]["summary"]["properties"]
        assert [name for name in counts if f"`{name}`" not in SECTIONS[command]] == []
