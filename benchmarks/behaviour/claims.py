"""Configs of random claims, of which the checkout that is recorded tells which are none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.behaviour.asking import Question, ask
from benchmarks.behaviour.layers import any_layer

SECTION = "random claims"
CONFIG = "claims.yaml"
DTYPES = ("float64", "float32", "bfloat16", "float16")
EACH_CONFIG = 60
"""Cases of one config; every other one is run with --strict."""
MISTAKEN, VARIED = 0.3, 0.35
"""Which parts of the cases have weights that are laid out wrongly, and other keys than layer and input."""

Case = dict[str, Any]


def catalogue(checkout: Path) -> list[str]:
    """Return the names of all rewrites."""
    listed = ask(checkout, Question(SECTION, ["rewrites", "-f", "json"])).stdout
    return [each["name"] for each in json.loads(listed)["rewrites"]]


def config(cases: Sequence[Case]) -> str:
    """Return the text of a config: JSON, which is YAML, with a case a line."""
    return '{"cases": [\n' + ",\n".join(map(json.dumps, cases)) + "\n]}\n"


def claims(checkout: Path, random: Random, count: int) -> tuple[list[Question], list[Case]]:
    """Return what proves some cases in every dtype, and cases that were drawn and are faulty."""
    names = catalogue(checkout)
    plain, faulty = _sorted_out(checkout, [_case(random, number, names) for number in range(count)])
    mistaken, more = _sorted_out(checkout, list(_mistaken(random, plain, _layouts(checkout, plain))))
    chosen = random.sample(mistaken, min(len(mistaken), round(MISTAKEN * count)))
    cases = plain[: count - len(chosen)] + chosen
    random.shuffle(cases)
    return list(_questions(cases)), [*faulty, *more]


def _questions(cases: Sequence[Case]) -> Iterator[Question]:
    for start in range(0, len(cases), EACH_CONFIG):
        strict = ["--strict"] if start // EACH_CONFIG % 2 else []
        for dtype in DTYPES:
            words = ["verify", CONFIG, "--dtype", dtype, *strict, "-f", "json"]
            yield Question(SECTION, words, {CONFIG: config(cases[start : start + EACH_CONFIG])})


def _case(random: Random, number: int, rewrites: Sequence[str]) -> Case:
    """Draw a layer, and at times what else a case may say."""
    drawn = any_layer(random)
    inputs = [list(shape) for shape in drawn.inputs]
    case: Case = {"name": f"c{number}", "layer": drawn.layer, "input": inputs if len(inputs) > 1 else inputs[0]}
    if random.random() > VARIED:
        return case
    tolerances = ({"atol": 1e-12, "rtol": 0}, {"atol": 0.5, "rtol": 0.1}, {"atol": 1e-6, "rtol": 1e-5})
    expected = (
        {"verdict": "refused"},
        {"verdict": "different"},
        {"output": [2, 3, 4, 4]},
        {"params": 7},
        {"params": {"reference": 40, "candidate": 41}},
        {"verdict": "equal", "params": {"reference": 24}},
    )
    asked = random.sample(rewrites, 3)
    others = {
        "rewrite": asked,
        "tolerance": random.choice(tolerances),
        "seed": random.randint(1, 99),
        "expect": random.choice(expected),
    }
    return case | {key: others[key] for key in random.sample(sorted(others), random.randint(1, 2))}


def _sorted_out(checkout: Path, cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """Return the cases that are none, after those that a config may hold."""
    kept, faulty = list(cases), []
    # Some faults are told only where there is no other kind of them.
    while kept:
        answer = ask(checkout, Question(SECTION, ["verify", CONFIG, "--list"], {CONFIG: config(kept)}))
        wrong = {int(each) for each in re.findall(r"\bcases\[(\d+)\]", answer.stderr)}
        if not wrong:
            break
        faulty += [case for number, case in enumerate(kept) if number in wrong]
        kept = [case for number, case in enumerate(kept) if number not in wrong]
    return kept, faulty


def _layouts(checkout: Path, cases: Sequence[Case]) -> Iterator[tuple[str, str, str]]:
    """Yield cases by name, with a rewrite that holds and how it lays out the weight."""
    for start in range(0, len(cases), EACH_CONFIG):
        files = {CONFIG: config(cases[start : start + EACH_CONFIG])}
        answer = ask(checkout, Question(SECTION, ["params", CONFIG, "-f", "json"], files))
        for row in json.loads(answer.stdout)["results"]:
            for pattern in row["transplant"].values():
                if re.fullmatch(r"[a-z() ]+ -> [a-z0-9() ]+", pattern) and " " in pattern.partition(" ->")[0]:
                    yield row["case"], row["rewrite"], pattern


def _mistaken(random: Random, cases: Sequence[Case], layouts: Iterator[tuple[str, str, str]]) -> Iterator[Case]:
    """Yield cases with another layout of the weight, or another order; not all of them can be."""
    named: Mapping[str, Case] = {case["name"]: case for case in cases}
    for number, (name, rewrite, pattern) in enumerate(layouts):
        case = {**named[name], "name": f"m{number}", "rewrite": rewrite}
        key = "conv.weight" if "atchify" in case["layer"] else "weight"
        group = re.search(r"\(([^()]*\bk[^()]*)\)$|\(([^()]*\bk[^()]*)\) i$", pattern)
        if group and random.random() < 0.2:
            words = (group[1] or group[2]).split()
            yield {**case, "order": " ".join(random.sample(words, len(words)))}
        else:
            yield {**case, "transplant": {key: mistake(random, pattern)}}


def mistake(random: Random, pattern: str) -> str:
    """Exchange two axes on the right of a pattern, or two on its left."""
    sides = pattern.split(" -> ")
    at = random.choice((0, 1, 1, 1))
    words = re.findall(r"[a-z]+", sides[at])
    one, other = random.sample(words, 2) if len(words) > 1 else (words[0], words[0])
    sides[at] = re.sub(r"[a-z]+", lambda found: {one: other, other: one}.get(found[0], found[0]), sides[at])
    return " -> ".join(sides)
