"""docs/config.md has every key of a config, with its default and an example, as the JSON Schema has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import Result

from convcheck.catalogue.catalogue import vocabulary
from convcheck.config.json_schema import schema
from convcheck.config.nodes import read
from tests.test_readme import README

TEXT = (README.parent / "docs" / "config.md").read_text("utf-8")
SCHEMA = schema(vocabulary())
KEYS: dict[str, Any] = {**SCHEMA["properties"], **SCHEMA["$defs"]["case"]["properties"]}
SECTIONS = dict(re.findall(r"^### `(\w+)`\n((?:(?!#).*\n)*)", TEXT, re.MULTILINE))
NESTED = {"expect": "ExpectModel", "tolerance": "ToleranceModel"}


def test_every_key_has_a_section_and_no_other() -> None:
    assert SECTIONS.keys() == KEYS.keys()
    assert TEXT.count("\n### ") == len(SECTIONS)


@pytest.mark.parametrize("name", KEYS)
def test_a_section_has_the_default_and_an_example_that_the_schema_takes(name: str) -> None:
    (example,) = re.findall(r"```yaml\n((?:.*\n)*?)```", SECTIONS[name])
    value = read(example, "example.yaml").value
    assert set(value) == {name}
    Draft202012Validator({**KEYS[name], "$defs": SCHEMA["$defs"]}).validate(value[name])
    assert "default" in SECTIONS[name].lower()
    if "default" in KEYS[name]:
        assert f"Default: `{str(KEYS[name]['default']).lower()}`." in SECTIONS[name].replace("\n", " ")


@pytest.mark.parametrize(("name", "model"), NESTED.items())
def test_keys_within_a_key_are_listed_with_their_defaults(name: str, model: str) -> None:
    listed = dict(re.findall(r"^- `(\w+)`(.*(?:\n  .*)*)", SECTIONS[name], re.MULTILINE))
    properties = SCHEMA["$defs"][model]["properties"]
    assert listed.keys() == properties.keys()
    for key, text in listed.items():
        default = properties[key].get("default")
        assert "Default: " in text if default is None else f"Default: `{default}`." in text


def test_choices_are_all_named() -> None:
    dtypes = KEYS["dtype"]["anyOf"][0]["enum"]
    assert [word for word in dtypes if f"`{word}`" not in SECTIONS["dtype"]] == []
    for key in ("verdict", "sizes"):
        choices = [
            word for one in SCHEMA["$defs"]["ExpectModel"]["properties"][key]["anyOf"] for word in one.get("enum", ())
        ]
        assert len(choices) == 3
        assert [word for word in choices if f"`{word}`" not in SECTIONS["expect"]] == []


def test_the_faults_of_the_page_are_those_that_are_told(
    convcheck: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = re.findall(r"```yaml\n(# bad.yaml\n(?:.*\n)*?)```", TEXT)
    (tmp_path / "bad.yaml").write_text(text)
    (shown,) = re.findall(r"```text\n((?:.*\n)*?)```", TEXT)
    assert "$ convcheck verify bad.yaml\n" + convcheck("verify", "bad.yaml").stderr == shown


@pytest.mark.parametrize(
    "keys", [("layer", "input", "rewrite", "expect"), ("reference", "candidate", "input", "map", "layout")]
)
def test_examples_of_keys_that_stand_together_are_one_case_that_holds(
    convcheck: Callable[..., Result], keys: tuple[str, ...], tmp_path: Path
) -> None:
    lines = [re.findall(r"```yaml\n(.*)\n```", SECTIONS[key])[0] for key in keys]
    (tmp_path / "case.yaml").write_text("cases:\n  - " + "\n    ".join(lines) + "\n")
    assert convcheck("verify", tmp_path / "case.yaml").exit_code == 0
