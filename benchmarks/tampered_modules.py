"""Torch modules that are tampered with, none of which may be called equal where its output or gradient is another.

    python benchmarks/tampered_modules.py
    python benchmarks/tampered_modules.py --modules 2000 --seed 7

Layers of several kinds get random weights, and are then changed by attributes, hooks, classes and descriptors. What is
called equal is run as a user runs it, forwards and backwards, at three scales of inputs, and held against the candidate
on the weights that were read. `fooled` counts where they differ; none may. Harmless changes must leave it
equal, or they are counted under `wolf`, and as it was, or under `altered`. Returns 1 if there is any of these, or a
crash.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor, nn

import convcheck
from benchmarks import harmless_changes, tampered_classes, tampering
from benchmarks.tables import FORMATS, Written, print_table
from benchmarks.tampering import InapplicableError
from convcheck.catalogue.claims import claims_of
from convcheck.config.case import Case
from convcheck.errors import ConvcheckError
from convcheck.layers import parse_layer, parse_shapes
from convcheck.modules.build import build
from convcheck.proof.build_pair import build_pair
from convcheck.results import Verdict
from convcheck.sides.read_weights import read_weights
from convcheck.sides.sample import Sample

MODULES = 600

WAYS = tampering.WAYS | tampered_classes.WAYS | harmless_changes.WAYS

LAYERS: tuple[tuple[str, str, object], ...] = (
    ("patchify-linear", "Conv2d(3, 4, kernel_size=2, stride=2)", (2, 3, 4, 6)),
    ("unfold-matmul", "Conv1d(4, 6, 3, padding=1, groups=2)", (2, 4, 7)),
    ("explicit-pad", "Conv2d(2, 4, 3, padding=1, padding_mode='reflect')", (2, 2, 5, 4)),
    ("conv1x1-unpatchify", "ConvTranspose2d(3, 4, kernel_size=2, stride=2)", (2, 3, 3, 2)),
    ("zeroinsert-conv", "ConvTranspose1d(2, 3, 3, stride=2, padding=1)", (2, 2, 5)),
    ("broadcast-sum", "Linear(5, 4)", (3, 5)),
    ("fold-batchnorm", "Sequential(Conv2d(3, 4, 2), BatchNorm2d(4))", (2, 3, 4, 5)),
    ("merge-convs", "Sequential(Conv1d(3, 4, 3), Conv1d(4, 2, 1))", (2, 3, 6)),
    ("multihead-sum", "MultiheadAttention(4, 2, batch_first=True)", (2, 5, 4)),
    ("patchify-unfold", "Patchify(3, 4, data_dim=2, patch_size=2)", (2, 4, 6, 3)),
    ("rearranged", "rearrange('b c (h x) w -> b (c x) w h', x=2)", (2, 3, 4, 5)),
)

TOLERANCE = 1e-9
"""Of float64, relative to the largest entry, where the smallest change that is made is a millionth."""

SCALES = (0.01, 1.0, 100.0)


class Outcome(StrEnum):
    """What became of one module."""

    REFUSED = "refused"
    NOT_EQUAL = "different or error"
    EQUAL = "equal, and it is"
    FOOLED = "fooled"
    WOLF = "wolf"
    CRASHED = "crashed"
    ALTERED = "altered"


FAILURES = (Outcome.FOOLED, Outcome.WOLF, Outcome.CRASHED, Outcome.ALTERED)


@dataclass(frozen=True)
class Trial:
    """One module: how it was changed, what it was, and what became of it."""

    way: str
    layer: str
    outcome: Outcome
    reason: str


def trials(modules: int, seed: int) -> Iterator[Trial]:
    """Change so many modules, every way as often as any other, and verify them."""
    return islice(_trials(seed), modules)


def _trials(seed: int) -> Iterator[Trial]:
    for number in count():
        for way, change in WAYS.items():
            random = Random(f"{seed} {number} {way}")
            # The first layer that has what is to be changed.
            for rewrite, text, shapes in random.sample(LAYERS, len(LAYERS)):
                module = drawn(text, random)
                try:
                    change(module, random)
                except InapplicableError:
                    continue
                yield Trial(way, text, *tried(module, rewrite, shapes, harmless=way in harmless_changes.WAYS))
                break


def drawn(text: str, random: Random) -> nn.Module:
    """Build a layer in float64, with parameters and statistics that are all numbers but 0 and 1."""
    generator = torch.Generator().manual_seed(random.randrange(2**31))
    layer = parse_layer(text)
    module = build(layer, torch.float64).eval()
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=torch.float64) + 0.5)
                if tensor.requires_grad:
                    tensor *= torch.randint(2, tensor.shape, generator=generator) * 2 - 1
    return module


def tried(module: nn.Module, rewrite: str, shapes: Any, *, harmless: bool) -> tuple[Outcome, str]:
    """Verify a module, and judge the verdict by what it computes."""
    before = kept(module)
    try:
        result = convcheck.verify(module, shapes, rewrite, dtype="float64")
    except ConvcheckError as error:
        return (Outcome.WOLF if harmless else Outcome.REFUSED), str(error)
    except Exception as error:
        return Outcome.CRASHED, f"{type(error).__name__}: {error}"
    if result.verdict is not Verdict.EQUAL:
        found = Outcome.REFUSED if result.verdict is Verdict.REFUSED else Outcome.NOT_EQUAL
        return (Outcome.WOLF if harmless else found), result.reason or ""
    if harmless and kept(module) != before:
        return Outcome.ALTERED, "its attributes or tensors are others after the proof"
    if unlike := list(departures(module, rewrite, shapes)):
        return Outcome.FOOLED, "; ".join(unlike)
    return Outcome.EQUAL, ""


def kept(module: nn.Module) -> list[object]:
    """Return what a module keeps: values of its tensors, and all other attributes."""
    tensors = [tensor.tolist() for tensor in (*module.parameters(), *module.buffers())]
    return [*tensors, *({name: id(value) for name, value in vars(part).items()} for part in module.modules())]


def departures(module: nn.Module, rewrite: str, shapes: Any) -> Iterator[str]:
    """Yield how a module is not what a rewrite of it computes; it is run as a user would."""
    read = read_weights(module)
    (claim,) = claims_of([Case("case", read.layer, parse_shapes(shapes), (rewrite,))])
    pair = build_pair(claim)
    module.eval()
    stored = {name: dict.get(owner._parameters, key) for name, (owner, key) in read.homes.items()}
    inference = any(tensor.is_inference() for tensor in read.tensors.values())
    dtype = next((tensor.dtype for tensor in read.tensors.values()), torch.float64)
    tolerance = TOLERANCE * torch.finfo(dtype).eps / torch.finfo(torch.float64).eps
    for scale in SCALES:
        inputs = [(scale * torch.randn(shape)).to(dtype) for shape in claim.case.inputs]
        theirs = [tensor.clone().requires_grad_() for tensor in inputs]
        with torch.inference_mode(inference):
            real = module(*theirs)
        ours = {name: tensor.clone().double().requires_grad_() for name, tensor in read.tensors.items()}
        leaves = [tensor.clone().double().requires_grad_() for tensor in inputs]
        due = pair.run_candidate(Sample(tuple(leaves), ours))
        if not close(real, due, tolerance):
            yield f"its output differs at scale {scale}"
        if inference:
            continue
        cotangent = torch.randn(due.shape).to(dtype)
        module.zero_grad()
        torch.autograd.backward([real, due], [cotangent, cotangent.double()])
        pairs = {f"input {number}": both for number, both in enumerate(zip(theirs, leaves, strict=True))}
        pairs |= {name: (tensor, ours[name]) for name, tensor in stored.items() if tensor is not None}
        for name, (one, other) in pairs.items():
            if one.requires_grad and not close(_gradient(one), _gradient(other), tolerance):
                yield f"the gradient of {name} differs at scale {scale}"


def _gradient(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def close(one: Tensor, other: Tensor, tolerance: float) -> bool:
    """Tell whether two tensors are the same but for rounding."""
    allowed = tolerance * other.abs().max().clamp(min=1e-30)
    return one.shape == other.shape and bool(((one - other).abs() <= allowed).all())


def row(title: str, found: Sequence[Trial]) -> tuple[str, ...]:
    """Return the cells for some modules."""
    outcomes = Counter(trial.outcome for trial in found)
    return title, *(f"{number:,}" for number in (len(found), *(outcomes[outcome] for outcome in Outcome)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Tamper, print the table and every failure, and return 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modules", type=int, default=MODULES, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of layers, weights and changes (%(default)s)")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    found = list(trials(options.modules, options.seed))
    rows = [row(way, [trial for trial in found if trial.way == way]) for way in WAYS]
    print_table(Written(("change", "modules", *Outcome), rows, row("total", found)), options.format)
    failures = [trial for trial in found if trial.outcome in FAILURES]
    for trial in failures:
        print(f"{trial.outcome}: {trial.way}, of {trial.layer}: {trial.reason}")
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
