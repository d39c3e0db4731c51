"""The JSON Schema of configs: it takes what ships, explains every key, and agrees with the loader on what is wrong."""

from __future__ import annotations

import copy
import json
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import Result

from convcheck.catalogue.catalogue import catalogue, vocabulary
from convcheck.config.json_schema import schema
from convcheck.config.load import load
from convcheck.config.model import CASE_KEYS
from convcheck.config.nodes import read
from convcheck.errors import ConfigError
from convcheck.layers import kind_names
from tests.strategies.schema_mutations import CONTENT, HARMLESS, STRUCTURAL, Change, Config

TOP = Path(__file__).parents[2]
SCHEMA = schema(vocabulary())
VALIDATOR = Draft202012Validator(SCHEMA)

PAGES = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
SHIPPED = {
    **{path.name: path.read_text(encoding="utf-8") for path in sorted((TOP / "configs").glob("*.yaml"))},
    **{
        f"{page.name}, block {number}": block
        for page in PAGES
        for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
        # Code of one's own is refused without trust.
        if re.search(r"^cases:", block, re.M) and "# bad.yaml" not in block and ".py:" not in block
    },
}
FULL = """
cases:
  - name: "full-{p}"
    layer: Linear(2, 3)
    input: [4, 2]
    rewrite: [broadcast-sum, linear-as-conv1x1]
    weights: {file: w.safetensors, weight: w}
    dtype: float64
    device: cpu
    seed: 3
    tolerance: {atol: 1e-6, rtol: 0}
    expect: {verdict: equal, output: [4, 3], params: {reference: 9, candidate: 9}}
    matrix: {p: [1, 2]}
  - layer: {op: Sequential, layers: ["ReLU()", {op: Linear, in_features: 2, out_features: 3, bias: false}]}
  - layer: Conv2d(3, 8, 2, stride=2)
    rewrite: patchify-linear
    order: kh kw i
"""


def told(value: object) -> list[str]:
    """Return what the schema finds wrong."""
    return [f"{error.json_path}: {error.message[:300]}" for error in VALIDATOR.iter_errors(value)]


def test_the_schema_is_one_and_the_command_prints_it(convcheck: Callable[..., Result]) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    printed = convcheck("schema")
    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["title"]


@pytest.mark.parametrize("text", SHIPPED.values(), ids=SHIPPED.keys())
def test_every_config_that_ships_or_is_documented_is_valid(text: str) -> None:
    assert told(read(text, "c.yaml").value) == []


def properties(node: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    """Yield every property in a schema that a config may have; those of conditions are no offers."""
    if isinstance(node, dict):
        for name, each in node.get("properties", {}).items():
            yield f"{path}.{name}", each
        for name, each in node.items():
            if name not in ("if", "examples") and not (name == "else" and path == "$.allOf[]"):
                yield from properties(each, f"{path}.{name}")
    elif isinstance(node, list):
        for each in node:
            yield from properties(each, f"{path}[]")


def test_every_key_is_described() -> None:
    offered = [(path, each) for path, each in properties({**SCHEMA, "allOf": []})]
    assert len(offered) > 100
    assert [path for path, each in offered if not each.get("description")] == []
    assert set(SCHEMA["$defs"]["case"]["properties"]) == CASE_KEYS | {"matrix"}


def test_examples_of_keys_are_valid_themselves() -> None:
    for name, key in SCHEMA["$defs"]["case"]["properties"].items():
        validator = Draft202012Validator({**key, "$defs": SCHEMA["$defs"]})
        for example in key.get("examples", ()):
            assert validator.is_valid(example), (name, example)


def test_words_to_choose_from_are_those_that_there_are() -> None:
    written = json.dumps(SCHEMA)
    assert SCHEMA["$defs"]["rewrite"]["anyOf"][0]["enum"] == list(catalogue())
    assert json.dumps(["float64", "float32", "bfloat16", "float16"]) in written
    assert json.dumps(["equal", "different", "refused"]) in written
    assert json.dumps(list(kind_names())) in written


def refused(config: object, folder: Path) -> str:
    """Return what the loader says is wrong with a config; nothing if it takes it."""
    (folder / "w.safetensors").write_bytes(WEIGHTS)
    (folder / "c.yaml").write_text(json.dumps(config), encoding="utf-8")
    try:
        load(folder / "c.yaml", "c.yaml", vocabulary())
    except ConfigError as error:
        return str(error)
    return ""


_HEADER = json.dumps({"w": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}}).encode()
WEIGHTS = struct.pack("<Q", len(_HEADER)) + _HEADER + bytes(24)


def drawn(number: int, kinds: dict[str, Change]) -> tuple[str, Config]:
    """Return a kind of change, and a config to which it was made; the number decides which."""
    random = Random(number)
    source: Any = read(random.choice([FULL, FULL, *SHIPPED.values()]), "c.yaml").value
    config = copy.deepcopy(source)
    random.shuffle(config["cases"])
    config["cases"] = config["cases"][:3]
    kind = list(kinds)[number % len(kinds)]
    kinds[kind](random, config)
    return kind, config


@pytest.mark.parametrize("number", range(132))
def test_a_fault_of_the_structure_is_refused_by_both(number: int, tmp_path: Path) -> None:
    kind, config = drawn(number, STRUCTURAL)
    assert refused(config, tmp_path), (kind, config)
    assert told(config), (kind, config)


@pytest.mark.parametrize("number", range(36))
def test_a_fault_of_what_a_text_says_is_refused_by_the_loader_and_not_seen_by_the_schema(
    number: int, tmp_path: Path
) -> None:
    kind, config = drawn(number, CONTENT)
    assert refused(config, tmp_path), (kind, config)
    assert told(config) == [], (kind, config)


@pytest.mark.parametrize("number", range(36))
def test_a_harmless_change_is_accepted_by_both(number: int, tmp_path: Path) -> None:
    kind, config = drawn(number, HARMLESS)
    assert refused(config, tmp_path) == "", (kind, config)
    assert told(config) == [], (kind, config)


@pytest.mark.parametrize(
    "written", ["1,3,8,8", "1x3x8x8", "1 3 8 8", "[1, 3, 8, 8]", "(1, 3, 8, 8,)", "torch.Size([1, 3, 8, 8])"]
)
@pytest.mark.parametrize("dtype", ["fp16", "half", "bf16", "float", "double", "torch.bfloat16"])
def test_what_may_be_spelt_in_several_ways_is_accepted_by_both(written: str, dtype: str, tmp_path: Path) -> None:
    config = {"cases": [{"layer": "Conv2d(3, 4, 1)", "input": written, "dtype": dtype}]}
    assert refused(config, tmp_path) == ""
    assert told(config) == []


def test_a_schema_without_a_fault_of_its_own_is_read_back_from_yaml() -> None:
    assert told(yaml.safe_load(FULL.replace("1e-6", "0.000001"))) == []
