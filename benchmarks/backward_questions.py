"""Questions backwards, held against torch, which tries every padding, output_padding, stride and ceil_mode.

    python benchmarks/backward_questions.py
    python benchmarks/backward_questions.py --count 1000 --seed 7

Of each layer and input, another output is asked for. Every layer that is suggested has to make it in torch, none may
change more arguments than the fewest that do, and what is absurd has to come last and be called so. Of each layer and
output, all inputs up to a length are tried. torch runs on real tensors, since its meta device makes what the CPU
refuses. Returns 1 if any answer is wrong.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from convcheck.calculator.questions.changes import changes_for
from convcheck.calculator.questions.inputs import inputs_for
from convcheck.errors import ShapeError
from convcheck.layers import parse_layer

COUNT = 150
STRIDES = 12
LONGEST = 40

Arguments = dict[str, Any]


class Question(NamedTuple):
    """A layer of one axis as its kind and arguments, the length of its input, and the length that is asked for."""

    kind: str
    arguments: Arguments
    length: int
    asked: int

    @property
    def layer(self) -> str:
        """The layer as a call."""
        return f"{self.kind}({', '.join(f'{name}={value}' for name, value in self.arguments.items())})"


def drawn(random: Random) -> Question:
    """Draw a question; some ask for what needs two arguments, or cannot be."""
    kind = random.choice(["Conv1d", "Conv1d", "ConvTranspose1d", "MaxPool1d", "AvgPool1d"])
    kernel, length = random.randint(1, 7), random.randint(8, 32)
    arguments: Arguments = {"in_channels": 1, "out_channels": 1} if "Conv" in kind else {}
    arguments |= {"kernel_size": kernel, "stride": random.randint(1, 3), "padding": random.randint(0, kernel // 2)}
    if kind != "AvgPool1d":
        arguments["dilation"] = random.choice([1, 1, 2, 3])
    asked = random.choice([length, length // 2, length // 3, 2 * length, random.randint(1, 2 * length)])
    return Question(kind, arguments, length, max(1, asked))


def made(kind: str, arguments: Arguments, length: int) -> int | None:
    """Return the length that torch makes; None where it refuses."""
    try:
        return int(getattr(nn, kind)(**arguments)(torch.empty(1, 1, length)).shape[-1])
    except (RuntimeError, ValueError):
        return None


def reach(arguments: Arguments) -> int:
    """Return over how many positions the kernel reaches."""
    return int(arguments.get("dilation", 1) * (arguments["kernel_size"] - 1) + 1)


def others(question: Question) -> Iterator[Arguments]:
    """Yield every other setting of the arguments that may change, absurd ones left out."""
    given = question.arguments
    choices: dict[str, Any] = {"stride": range(1, STRIDES + 1), "padding": [*range(reach(given))]}
    if question.kind == "ConvTranspose1d":
        choices["output_padding"] = range(max(STRIDES, given["dilation"]))
    elif "Pool" in question.kind:
        choices["ceil_mode"] = [False, True]
    else:
        choices["padding"].append("same")
    for values in itertools.product(*choices.values()):
        yield {**given, **dict(zip(choices, values, strict=True))}


def changed(given: Arguments, other: Arguments) -> int:
    """Return how many arguments differ."""
    usual = {"output_padding": 0, "ceil_mode": False}
    return sum(given.get(name, usual.get(name)) != value for name, value in other.items())


def wrong(question: Question) -> str | None:
    """Return what is wrong with the answer to which layer makes the length that is asked for; None if nothing is."""
    kind, given, length, asked = question
    try:
        answer = changes_for([parse_layer(question.layer)], (1, 1, length), (1, 1, asked))
    except ShapeError:
        return None if made(kind, given, length) is None else "refused what torch takes"
    if answer.found != (made(kind, given, length) == asked):
        return "what the layer gives"
    if answer.found:
        return None
    absurd = [one.absurd is not None for one in answer.suggestions]
    if absurd != sorted(absurd):
        return "absurd ones do not come last"
    for one in answer.suggestions:
        module = eval(one.layer, {"nn": nn})
        if module(torch.empty(1, 1, length)).shape[-1] != asked:
            return f"{one.layer} makes another length"
        padding = module.padding if isinstance(module.padding, (int, str)) else module.padding[0]
        if (not isinstance(padding, str) and padding >= reach(given)) != (one.absurd is not None):
            return f"whether {one.layer} is absurd"
    fewest = min(
        (changed(given, other) for other in others(question) if made(kind, other, length) == asked), default=None
    )
    sensible = [one for one in answer.suggestions if one.absurd is None]
    if fewest is not None and (not sensible or len(sensible[0].changed) > fewest):
        return f"{fewest} changes are enough"
    if fewest is None and sensible and max(parse_stride(one.layer) for one in sensible) <= STRIDES:
        return "torch makes it with no setting that was tried"
    return None


def parse_stride(text: str) -> int:
    """Return the stride of a layer of one axis as source code."""
    stride = getattr(eval(text, {"nn": nn}), "stride")  # noqa: B009 -- torch's modules have no types for it
    return int(stride if isinstance(stride, int) else stride[0])


def wrong_inputs(question: Question) -> str | None:
    """Return what is wrong with the answer to which inputs make the length that is asked for; None if nothing is."""
    answer = inputs_for([parse_layer(question.layer)], (1, 1, question.asked))
    told = {n for one in answer.inputs for first, last in one["l"] for n in range(first, min(last, LONGEST) + 1)}
    there = {n for n in range(1, LONGEST + 1) if made(question.kind, question.arguments, n) == question.asked}
    return None if told == there else f"inputs {sorted(told)}, and torch's are {sorted(there)}"


def main() -> int:
    """Ask and print; see the docstring of this file."""
    parser = argparse.ArgumentParser(description="Backward questions against torch.")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random = Random(options.seed)
    questions = [drawn(random) for _ in range(options.count)]
    table = Table("question", "asked", "wrong")
    faults = 0
    for name, check in (("which layer makes it", wrong), ("which inputs make it", wrong_inputs)):
        told = [(question, text) for question in questions if (text := check(question)) is not None]
        table.add_row(name, str(len(questions)), str(len(told)))
        for question, text in told[:10]:
            sys.stderr.write(f"{question.layer}, {question.length} to {question.asked}: {text}\n")
        faults += len(told)
    Console(width=100).print(table)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
