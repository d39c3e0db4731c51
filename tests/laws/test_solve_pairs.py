"""The maps that `solve` is tried on are what they are said to be, by plain torch in float64."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks import solve_pairs
from benchmarks.public_code.plain import Entry, entries
from benchmarks.public_code.record import Truth

ENTRIES = entries()
BY_NAME = {entry.pair.name: entry for entry in ENTRIES}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda one: one.pair.name)
def test_a_pair_is_what_its_table_says(entry: Entry) -> None:
    assert entry.faults() == []


def test_there_are_enough_of_each_with_names_of_their_own() -> None:
    truths = Counter(entry.pair.truth for entry in ENTRIES)
    assert len(BY_NAME) == len(ENTRIES)
    assert truths[Truth.FOUND] >= 40
    assert truths[Truth.NONE] >= 4
    assert truths[Truth.NOT_UNIQUE] >= 4


@pytest.mark.parametrize(
    ("name", "changes", "fault"),
    [
        ("two-branches", {"convert": "branch_b", "other": "branch_b"}, "both maps are one"),
        ("two-biases", {"truth": Truth.FOUND, "other": None}, "4 directions are free"),
        ("missing-bias", {"candidate": "Linear(3, 4)"}, "a state of the candidate fits"),
        ("two-biases", {"truth": Truth.FOUND}, "a second map and its reason belong together"),
    ],
)
def test_a_table_that_is_wrong_is_noticed(name: str, changes: dict[str, object], fault: str) -> None:
    entry = BY_NAME[name]
    assert Entry(entry.file, entry.pair._replace(**changes)).faults() == [fault]


def test_a_map_that_is_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = BY_NAME["backwards"]
    monkeypatch.setattr(entry.file, "backwards", lambda state: {"fir.weight": state["weight"]})
    (fault,) = entry.faults()
    assert fault.startswith("backwards: ")
    assert fault.endswith(" of 20 outputs differ")


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("timm-to-mae", ["moves"]),
        ("resnet-stem", ["zeros"]),
        ("untied", ["repeats"]),
        ("scale-folded", ["factors"]),
        ("repvgg", ["sums", "constants"]),
        ("lora", ["products"]),
        ("missing-bias", []),
    ],
)
def test_what_a_map_does_follows_from_its_gradients(name: str, steps: list[str]) -> None:
    assert BY_NAME[name].steps() == steps


def test_the_oracle_prints_a_row_a_pair(capsys: pytest.CaptureFixture[str]) -> None:
    assert solve_pairs.main(["--oracle", "--file", "blocks", "--format", "markdown"]) == 0
    assert (
        "| norm-folded | SpinQuant | found | no | products | a product | within 1e-9, rank full |"
        in capsys.readouterr().out
    )


def test_a_command_is_what_asks_for_a_map(capsys: pytest.CaptureFixture[str]) -> None:
    assert solve_pairs.main(["--commands", "--file", "stems"]) == 0
    assert (
        "convcheck solve 'benchmarks/public_code/pairs_stems.py:Focus()' "
        "'Conv2d(2, 3, 6, stride=2, padding=2, bias=False)' -i 4,2,8,8 --trust"
    ) in capsys.readouterr().out.splitlines()
