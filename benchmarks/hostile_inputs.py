"""What is thrown at the loader and the program: kinds of input, each drawn from a seed, with what takes it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.random_edits import SIGNS, WORDS, changed_text, changed_value
from convcheck.calculator.formulas import parse_formulas
from convcheck.calculator.unread_inputs import unread_inputs
from convcheck.catalogue.catalogue import catalogue, vocabulary
from convcheck.cli.main import COMMANDS
from convcheck.config.load import load
from convcheck.config.nodes import read
from convcheck.config.selection import matcher
from convcheck.layers import Layer, accept, kind_names, parse_layer, parse_shapes
from convcheck.layers.families import family_of
from convcheck.layers.text.arguments import REQUIRED
from convcheck.layers.text.pasted import parse_pasted
from convcheck.sizes.patterns import parse, parse_order

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
FULL = """
defaults: {dtype: float32}
cases:
  - name: "full-{p}"
    layer: Conv2d(3, 8, kernel_size={p}, stride={p})
    input: [1, 3, "{n}", 8]
    rewrite: patchify-linear
    order: kh kw i
    seed: 3
    tolerance: {atol: 1e-6, rtol: 0}
    expect: {verdict: equal, params: {reference: 104, candidate: 104}}
    matrix: {p: [2], n: [8, 12]}
  - name: own
    layer: {op: Conv2d, in_channels: 3, out_channels: 8, kernel_size: 2, stride: 2}
    rewrite: patchify-linear
    transplant: {weight: o i kh kw -> o (i kh kw)}
    weights: {file: w.safetensors, weight: w}
"""
PRINT = """Net(
  (stem): Sequential(
    (0): Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)
    (1): BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  )
  (0-1): 2 x Linear(in_features=64, out_features=64, bias=True)
)"""
CHOICES = ["down and not (bf16 or up)", "a or b and not c", '"quoted name" or p16', "(a)", "not not a"]
PATTERNS = ["o i kh kw -> o (i kh kw)", "b c (h p) -> b (c p) h", "kh kw i", "b 1 c -> b c", "... c -> c ..."]
SHAPES = ["1,3,224,224", "[1, 3, 8, 8]", "b,3,H,W", "b,3,H=16*h,W//2 + 1", "1x3x8x8", "(2, 3)"]


@cache
def _cases() -> list[dict[str, Any]]:
    """Return the cases of all configs that ship, and some with every key."""
    texts = [path.read_text("utf-8") for path in sorted(CONFIGS.glob("*.yaml"))]
    documents: list[Any] = [read(text, "c.yaml").value for text in [FULL, FULL, FULL, *texts]]
    return [case for document in documents for case in document["cases"]]


@cache
def _layers() -> list[str]:
    return [str(case["layer"]) for case in _cases() if isinstance(case["layer"], str) and "{" not in case["layer"]]


def config_of_values(random: Random) -> str:
    """Draw a config of some cases, in which values or keys were changed."""
    config: Any = {"defaults": {"seed": 0}, "cases": random.sample(_cases(), random.randint(1, 3))}
    for _ in range(random.choice((0, 1, 1, 1, 2, 4))):
        config = changed_value(config, random)
    return json.dumps(config)


def config_of_text(random: Random) -> str:
    """Draw a config whose text was changed."""
    blocks = json.dumps({"cases": random.sample(_cases(), 2)}, indent=1)
    return changed_text(random.choice((FULL, FULL, blocks)), random)


def layer_of_text(random: Random) -> str:
    """Draw a layer whose text was changed."""
    return changed_text(random.choice(_layers()), random)


def layer_of_words(random: Random, depth: int = 3) -> str:
    """Draw a layer with arguments of its kind, and values that may be anything."""
    kind = random.choice([*kind_names(), "Sequential", "Sequential"])
    family = family_of(kind)
    if depth and family is not None and family.IS_CONTAINER:
        return f"{kind}({', '.join(layer_of_words(random, depth - 1) for _ in range(random.randint(0, 4)))})"
    names = [argument.name for argument in family.SIGNATURE] if family else []
    needed = sum(argument.default is REQUIRED for argument in family.SIGNATURE) if family else 0
    words = [random.choice(("1", "2", "4")) for _ in range(needed)]
    if random.random() < 0.4:
        words = [_value(random) for _ in range(random.randint(0, 4))]
    words += [f"{name}={_value(random)}" for name in random.sample(names, random.randint(0, min(3, len(names))))]
    return f"{kind}({', '.join(words)})"


def _value(random: Random) -> str:
    one = str(random.choice((1, 2, 3, 4, 8, 0, -1, 2**31, 2**63 - 1, 10**30)))
    tame = random.choice(("1", "2", "3", "4", "8", "(2, 2)", "True", "False", "None", "'same'", "0.1"))
    return random.choice((tame, tame, tame, one, f"({one}, {one})", random.choice(WORDS), repr(random.choice(SIGNS))))


def line_of_words(random: Random) -> list[str]:
    """Draw the words of a command line. Nothing is proved: `verify` lists."""
    command = random.choice([*COMMANDS, changed_text("verify", random)])
    words = [command, *(["--list"] if command == "verify" else [])]
    targets = (layer_of_text, lambda random: random.choice(_layers()), layer_of_words, lambda _: "none.yaml")
    words += [random.choice(targets)(random) for _ in range(random.choice((0, 1, 1, 1, 2)))]
    options = {
        "-i": lambda: changed_text(random.choice(SHAPES), random),
        "-k": lambda: changed_text(random.choice(CHOICES), random),
        "-r": lambda: changed_text(random.choice(list(catalogue())), random),
        "--dtype": lambda: changed_text("float32", random),
        "--device": lambda: changed_text("cpu", random),
        "--seed": lambda: changed_text("7", random),
        "-f": lambda: random.choice(("json", "table", "xml")),
        "--output": lambda: changed_text(random.choice(SHAPES), random),
        "--explain": None,
        "--same": None,
        "--sizes": None,
        "-v": None,
    }
    for name in random.sample(list(options), random.choice((0, 1, 1, 2, 3))):
        made = options[name]
        words += [name, *([made()] if made else [])]
    # No system hands a NUL byte to a program, and none but its own encoding's halves of characters.
    return [word.replace("\0", "").replace("\ud800", "\udc80") for word in words]


def take_config(text: str) -> None:
    """Load a config."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        load(path, "c.yaml", vocabulary())


def take_layer(text: str) -> None:
    """Read a layer, and ask of it all that the commands ask."""
    _ask(parse_layer(text))


def _ask(layer: Layer) -> None:
    parse_layer(str(layer))
    layer.label(), layer.parameters(), layer.statistics(), layer.parameter_count(), layer.roundings(), layer.degree()
    shapes = layer.example_inputs()
    accept(layer, shapes)
    layer.macs(*shapes), list(layer.explain(*shapes)), unread_inputs(layer, *shapes), layer.im2col_size(*shapes)


def take_shape(text: str) -> None:
    """Read a shape, of numbers or with names."""
    if any(letter.isalpha() for letter in text):
        parse_formulas(text)
    else:
        parse_shapes(text)


def take_pattern(text: str) -> None:
    """Read a pattern, or an order of axes, and put it to use."""
    if "->" not in text:
        parse_order(text)
        return
    pattern = parse(text)
    pattern.shape((4,) * len(pattern.source), {})


def _text(samples: list[str]) -> Callable[[Random], str]:
    return lambda random: changed_text(random.choice(samples), random)


Kind = tuple[int, Callable[[Random], Any], Callable[[Any], object] | None]

KINDS: Mapping[str, Kind] = {
    "configs, values changed": (6, config_of_values, take_config),
    "configs, text changed": (5, config_of_text, take_config),
    "layers, text changed": (4, layer_of_text, take_layer),
    "layers, made of words": (4, layer_of_words, take_layer),
    "prints of models": (2, _text([PRINT]), parse_pasted),
    "shapes and formulas": (2, _text(SHAPES), take_shape),
    "-k expressions": (2, _text(CHOICES), lambda text: matcher(text)("vit-p16[patchify-linear]")),
    "patterns and orders": (2, _text(PATTERNS), take_pattern),
    "command lines": (2, line_of_words, None),
}
"""By name: how many times as many are drawn, what draws one, and what takes it; None stands for the program."""
