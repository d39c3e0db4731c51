"""Questions that are to be refused: wrong words, wrong layers, and configs with faults."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.behaviour.asking import Question
from benchmarks.behaviour.claims import CONFIG, Case, config
from benchmarks.behaviour.layers import any_layer
from benchmarks.behaviour.shapes import written
from benchmarks.random_edits import changed_text, changed_value

SECTION = "bad inputs"
FULL: Case = {
    "name": "full-{p}",
    "layer": "Conv2d(3, 8, kernel_size={p}, stride={p})",
    "input": [1, 3, 8, 8],
    "rewrite": "patchify-linear",
    "order": "kh kw i",
    "seed": 3,
    "tolerance": {"atol": 1e-6, "rtol": 0},
    "expect": {"verdict": "equal", "params": {"reference": 104, "candidate": 104}},
    "matrix": {"p": [2, 4]},
}
LAYER = "Conv2d(3, 8, 2, stride=2)"
LINES: Sequence[Sequence[str]] = (
    ["verfy"],
    ["--nothing"],
    ["verify", "--dtyp", "float32"],
    ["verify", LAYER, "--dtype", "float8"],
    ["verify", LAYER, "--device", "tpu"],
    ["verify", LAYER, "--seed", "-1"],
    ["verify", LAYER, "--seed", "many"],
    ["verify", LAYER, "--shard", "4/3"],
    ["verify", LAYER, "--max-failures", "0"],
    ["verify", LAYER, "-r", "patchify-liner"],
    ["verify", LAYER, "-k", "and"],
    ["verify", LAYER, "-k", "nothing-of-the-kind"],
    ["verify", LAYER, "-f", "xml"],
    ["verify", LAYER, "--report", "html"],
    ["verify", LAYER, "--report", "html=c.yaml"],
    ["verify", LAYER, "-i", "1,4,8,8"],
    ["verify", LAYER, "-i", "1,3,1,1"],
    ["verify", LAYER, "-i", "1,3,8"],
    ["verify", "none.yaml"],
    ["verify", "none/"],
    ["verify", "Conv2d"],
    ["verify", "Conv9d(1, 2, 3)"],
    ["verify", "-"],
    ["shape", LAYER],
    ["shape", LAYER, "-i", "1,x y,8"],
    ["shape", LAYER, "-i", "1,3,8,8", "--same", "--sizes"],
    ["shape", LAYER, "-i", "1,3,8,8", "--output", "1,8,4,4", "-v"],
    ["shape", LAYER, "--output", "1,9,4,4"],
    ["shape", "Linear(3, 4)", "-i", "1,3", "--sizes"],
    ["shape", LAYER, "-i", "b,3,H//0,W"],
    ["params"],
    ["params", LAYER, "-i", "1,3,8,8", "-r", "nothing"],
    ["params", LAYER, LAYER, "-i", "1,3,8,8"],
    ["rewrites", "patchify-liner"],
    ["rewrites", "patchify-linear", "-i", "1,3,8,8"],
    ["rewrites", "ReLU()", "-i", "1,2"],
    ["schema", "more"],
)


def fault_questions(random: Random, seeds: str, faulty: Sequence[Case], count: int) -> Iterator[Question]:
    """Yield questions of all kinds; `seeds` is a config, and `faulty` are cases that no config may hold."""
    yield from (Question(SECTION, words) for words in LINES)
    kinds = (_layer, _layer, _shape, _configured, _configured, _text, _text)
    for number in range(count - len(LINES)):
        if number % 8 == 7 and faulty:
            text = config(random.sample(faulty, min(len(faulty), random.randint(2, 12))))
            yield Question(SECTION, [random.choice(("verify", "params", "shape")), CONFIG], {CONFIG: text})
        else:
            yield kinds[number % 8 % len(kinds)](random, seeds)


def _told(text: str) -> str:
    """Leave out what no system hands to a program."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")[:20_000]


def _layer(random: Random, _seeds: str) -> Question:
    drawn = any_layer(random)
    shapes = [word for shape in drawn.inputs for word in ("-i", written(shape))]
    command = random.choice((["shape"], ["shape", "-f", "json"], ["params"], ["rewrites"], ["verify", "--list"]))
    return Question(SECTION, [*command, _told(changed_text(drawn.layer, random)), *shapes])


def _shape(random: Random, _seeds: str) -> Question:
    drawn = any_layer(random)
    shape = changed_text(random.choice((written(drawn.inputs[0]), "b,3,H=16*h,W//2 + 1")), random)
    return Question(SECTION, ["shape", drawn.layer, random.choice(("-i", "-i", "--output")), _told(shape)])


def _configured(random: Random, _seeds: str) -> Question:
    cases: Any = [dict(FULL) for _ in range(random.randint(1, 3))]
    for case in cases[1:]:
        drawn = any_layer(random)
        case |= {"name": None, "layer": drawn.layer, "input": [list(each) for each in drawn.inputs]}
    document: Any = {"defaults": {"dtype": "float32"}, "cases": cases}
    for _ in range(random.randint(1, 5)):
        document = changed_value(document, random)
    return Question(SECTION, ["verify", CONFIG, "--list"], {CONFIG: _told(json.dumps(document, indent=1))})


def _text(random: Random, seeds: str) -> Question:
    lines = seeds.splitlines()
    start = random.randrange(max(1, len(lines) - 12))
    cut = "cases:\n" + "\n".join(lines[start : start + random.randint(4, 12)]) + "\n"
    text = changed_text(random.choice((cut, config([FULL]))), random)
    return Question(SECTION, [random.choice(("verify", "params", "shape")), CONFIG, "--list"], {CONFIG: _told(text)})


def seeds_of(checkout: Path) -> str:
    """Return the config that covers the most kinds of layers."""
    return (checkout / "configs" / "seeds.yaml").read_text(encoding="utf-8")
