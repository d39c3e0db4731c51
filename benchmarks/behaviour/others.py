"""Questions about parameters and the catalogue, of all formats of results, and for help."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from benchmarks.behaviour.asking import Question
from benchmarks.behaviour.claims import catalogue, config
from benchmarks.behaviour.layers import any_layer
from benchmarks.behaviour.shapes import written

CATALOGUE, FORMATS, HELP = "params, rewrites, schema", "formats of results", "help, completion"
MIXED = config(
    [
        {"name": "equal", "layer": "Conv2d(3, 4, 2, stride=2)", "input": [1, 3, 6, 6]},
        {
            "name": "different",
            "layer": "Conv2d(3, 4, 2, stride=2)",
            "input": [1, 3, 6, 6],
            "rewrite": "patchify-linear",
            "transplant": {"weight": "o i kh kw -> o (kh kw i)"},
        },
        {"name": "refused", "layer": "Conv2d(3, 4, 3, stride=2)", "rewrite": ["patchify-linear", "winograd"]},
        {"name": "weak", "layer": "Conv2d(1, 1, 1)", "input": [1, 1, 1, 1]},
        {"name": "as-expected", "layer": "MaxPool2d(2)", "input": [1, 1, 4, 4], "expect": {"verdict": "refused"}},
        {"name": "unexpected", "layer": "Linear(3, 4)", "input": [2, 3], "expect": {"params": 7}},
        {"name": "rows-{n}", "layer": "matmul()", "input": [["{n}", 3], [3, 2]], "matrix": {"n": [1, 2]}},
        {"name": "loose", "layer": "Linear(3, 4)", "tolerance": {"atol": 1, "rtol": 1}},
    ]
)
ENDINGS = ("json", "jsonl", "junit", "github", "markdown", "html")
OPTIONS = (
    *(["-f", each] for each in ENDINGS),
    ["-v", *(f"--report={each}=report.{each}" for each in ENDINGS)],
    [],
    ["-q"],
    ["-x", "-f", "json"],
    ["--max-failures", "2"],
    ["--shard", "1/3"],
    ["--shard", "2/3", "-f", "jsonl"],
    ["-k", "equal or weak"],
    ["-k", "rows or not (equal or refused)", "--strict", "-v"],
    ["--list"],
    ["-r", "windows-sum", "-v", "--color", "always"],
    ["-r", "toeplitz-matmul", "--dtype", "bfloat16", "--seed", "5", "-f", "markdown"],
)
LAYERS = (
    ["Conv2d(3, 8, kernel_size=4, stride=4)", "-i", "1,3,8,8", "-v"],
    ["Conv2d(3, 8, kernel_size=4, stride=4, padding=1)", "-r", "patchify-linear"],
    ["Sequential(Conv2d(3, 4, 3), BatchNorm2d(4))", "-f", "json"],
    ["scaled_dot_product_attention(is_causal=True)", *["-i", "2,3,4"] * 3],
    ["Linear(3, 4)", "Conv1d(2, 3, 2)", "-q"],
    ["--list"],
    ["-f", "json"],
)


def format_questions() -> Iterator[Question]:
    """Yield proofs of one config in all formats, of layers, and of the config that ships."""
    for options in OPTIONS:
        yield Question(FORMATS, ["verify", "mixed.yaml", *options], {"mixed.yaml": MIXED})
    for words in LAYERS:
        yield Question(FORMATS, ["verify", *words])
    for number, width in enumerate(("40", "80", "200")):
        words = ["verify", "mixed.yaml", "-k", "different or refused", *["-v"] * number]
        yield Question(FORMATS, words, {"mixed.yaml": MIXED}, environment={"COLUMNS": width})
    printed = "Sequential(\n  (0): Conv2d(3, 4, kernel_size=(2, 2), stride=(2, 2))\n  (1): BatchNorm2d(4)\n)\n"
    yield Question(FORMATS, ["verify", "-", "-f", "json"], stdin=printed)
    yield Question(FORMATS, ["shape", "mixed.yaml", "-f", "json"], {"mixed.yaml": MIXED})
    yield Question(FORMATS, ["params", "mixed.yaml"], {"mixed.yaml": MIXED})


def catalogue_questions(checkout: Path, random: Random, count: int) -> Iterator[Question]:
    """Yield questions about every rewrite that there is, and about layers of all kinds."""
    names = catalogue(checkout)
    yield from (Question(CATALOGUE, words) for words in (["schema"], ["rewrites"], ["rewrites", "-f", "json"]))
    yield from (Question(CATALOGUE, ["rewrites", name]) for name in names)
    for number in range(count):
        drawn = any_layer(random)
        shapes = [word for shape in drawn.inputs for word in ("-i", written(shape))]
        form = random.choice(([], ["-f", "json"]))
        if number % 2:
            yield Question(CATALOGUE, ["rewrites", drawn.layer, *random.choice(([], shapes)), *form])
            continue
        more = random.choice(([], ["-v"], ["-r", random.choice(names)], ["--dtype", "float16", "-v"]))
        others = [any_layer(random).layer] if random.random() < 0.3 else []
        yield Question(CATALOGUE, ["params", drawn.layer, *others, *([] if others else shapes), *more, *form])


def help_questions() -> Iterator[Question]:
    """Yield what asks for help, for versions, and for the ends of words."""
    commands = ("verify", "params", "shape", "rewrites", "schema")
    for words in ([], ["--help"], ["-h"], ["--version"], *([each, "--help"] for each in commands)):
        yield Question(HELP, words)
    for line in ("sh", "verify --dt", "verify -r patch", "rewrites win", "shape Conv", "verify --dtype b", "params --"):
        typed = f"convcheck {line}"
        number = str(len(typed.split()) - 1)
        for shell in ("bash", "zsh"):
            environment = {
                "_CONVCHECK_COMPLETE": f"complete_{shell}",
                "COMP_WORDS": typed,
                "COMP_CWORD": number,
                "_TYPER_COMPLETE_ARGS": typed,
            }
            yield Question(HELP, [], environment=environment)
