"""Shapes, and what cannot be, against torch: layers and chains of all kinds at random, run on the CPU.

    python benchmarks/shapes_against_torch.py
    python benchmarks/shapes_against_torch.py --count 2000 --seed 7

Both must accept and give one shape, or both must refuse. torch runs on real tensors, since its meta device accepts what
the CPU refuses. What is drawn, the tests draw, too; many layers do not fit their inputs, on purpose. Returns 1 if any
differ.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import hypothesis
import torch
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from torch.nn.attention import SDPBackend, sdpa_kernel

from convcheck.errors import ShapeError
from convcheck.layers import Layer, accept
from convcheck.sizes.patterns import Shape, Shapes
from tests.strategies.attentions import bent, dot_products, multiheads
from tests.strategies.chains import CHAINS, layouts, patches, products, rearrangements
from tests.strategies.counted import COUNTED, INTEGERS, module_of
from tests.strategies.layers import FAMILIES, misshapen, shapes
from tests.strategies.long_chains import long_chains

Drawn = tuple[Layer, Shapes]
COUNT = 20_000


@st.composite
def with_input(draw: st.DrawFn, layers: st.SearchStrategy[Layer]) -> Drawn:
    """Draw a layer and an input."""
    layer = draw(layers)
    return layer, draw(shapes(layer))


@st.composite
def sometimes_misshapen(draw: st.DrawFn, drawn: st.SearchStrategy[Drawn]) -> Drawn:
    """Draw a layer with inputs that fit, or, one time out of three, with one of another shape."""
    layer, inputs = draw(drawn)
    if draw(st.integers(0, 2)):
        return layer, inputs
    at = draw(st.integers(0, len(inputs) - 1))
    return layer, (*inputs[:at], draw(misshapen(inputs[at])), *inputs[at + 1 :])


@st.composite
def sometimes_bent(draw: st.DrawFn, drawn: st.SearchStrategy[Drawn]) -> Drawn:
    """Draw attention with inputs that fit or nearly do.

    Without masks of a single axis: whether torch takes one depends on the kernel it chooses, and convcheck does not.
    """
    layer, inputs = draw(drawn)
    given = draw(bent(inputs)) if draw(st.booleans()) else inputs
    return layer, inputs if len(given) > 3 and len(given[3]) < 2 else given


KINDS: Mapping[str, st.SearchStrategy[Drawn]] = {
    **{name: with_input(layers) for name, layers in FAMILIES.items()},
    "chains of any layers": long_chains(),
    **{f"chains for {name}": sometimes_misshapen(drawn) for name, drawn in CHAINS.items()},
    "changes of layout": sometimes_misshapen(layouts()),
    "rearrange": sometimes_misshapen(rearrangements()),
    "matrix products": sometimes_misshapen(products()),
    "Patchify": sometimes_misshapen(patches("Patchify")),
    "Unpatchify": sometimes_misshapen(patches("Unpatchify")),
    "dot-product attention": sometimes_bent(dot_products()),
    "multi-head attention": sometimes_bent(multiheads()),
    **{f"{name} (counted only)": drawn for name, drawn in COUNTED.items()},
}
WEIGHTS = {"chains of any layers": 4, "convolutions": 2, "transposed": 2, "pools": 2}
"""How many times as many are drawn."""


@dataclass
class Tally:
    """What was found of one kind."""

    accepted: int = 0
    refused: int = 0
    differ: int = 0


def dtype_of(layer: Layer, index: int) -> torch.dtype:
    """Return what an input holds: masks, rows of a table, or numbers."""
    if layer.kind in INTEGERS:
        return torch.long
    return torch.bool if index in layer.boolean_inputs() else torch.float32


def of_torch(layer: Layer, inputs: Shapes) -> Shape | None:
    """Return the output's shape, or None where torch refuses or makes an output without any value."""
    try:
        # torch's fused kernel does not compare the lengths of key and value, and reads past the end of the shorter.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            given = (torch.ones(shape, dtype=dtype_of(layer, index)) for index, shape in enumerate(inputs))
            output = module_of(layer).eval()(*given)
    except (RuntimeError, IndexError, KeyError, ValueError, TypeError, AssertionError, NotImplementedError):
        # Each of these is how torch, or einops in its layer, refuses some input.
        return None
    made = output[0] if isinstance(output, tuple) else output
    return tuple(made.shape) if made.numel() else None


def of_convcheck(layer: Layer, inputs: Shapes) -> Shape | None:
    """Return the output's shape, or None where it is refused."""
    try:
        return accept(layer, inputs)
    except ShapeError:
        return None


def compare(name: str, count: int, seed: int) -> tuple[Tally, list[str]]:
    """Draw layers of one kind, and return what was found, with a line for each that differs."""
    tally, lines = Tally(), []
    seen: set[tuple[str, Shapes]] = set()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
        max_examples=count,
    )
    @hypothesis.given(KINDS[name])
    def look(drawn: Drawn) -> None:
        layer, inputs = drawn
        if (str(layer), inputs) in seen:
            return
        seen.add((str(layer), inputs))
        ours, theirs = of_convcheck(layer, inputs), of_torch(layer, inputs)
        if ours != theirs:
            tally.differ += 1
            lines.append(f"{layer} on {inputs}: convcheck {ours}, torch {theirs}")
        elif ours is None:
            tally.refused += 1
        else:
            tally.accepted += 1

    look()
    return tally, lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print the table, and return 1 if any differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT, help="distinct layers and chains, at least (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (%(default)s)")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")
    warnings.filterwarnings("ignore", "dropout3d: Received a 3-D input")
    warnings.filterwarnings("ignore", ".*The given NumPy|Implicit dimension choice|.*num_layers greater than 1")
    warnings.filterwarnings("ignore", "input's size at dim=")
    torch.set_num_threads(1)  # small tensors are not worth more
    start = time.perf_counter()
    share = options.count / sum(WEIGHTS.get(name, 1) for name in KINDS)
    tallies: dict[str, Tally] = {name: Tally() for name in KINDS}
    lines: list[str] = []
    turn = 0
    while sum(each.accepted + each.refused + each.differ for each in tallies.values()) < options.count:
        for name in KINDS:
            found, told = compare(name, round(share * WEIGHTS.get(name, 1)) + 1, options.seed + 1000 * turn)
            tallies[name].accepted += found.accepted
            tallies[name].refused += found.refused
            tallies[name].differ += found.differ
            lines += told
        turn += 1
    table = Table("drawn", title="shapes of convcheck against those of torch on the CPU")
    for header in ("both accept, one shape", "both refuse", "differ"):
        table.add_column(header, justify="right")
    for name, tally in tallies.items():
        table.add_row(name, f"{tally.accepted:,}", f"{tally.refused:,}", f"{tally.differ:,}")
    sums = [sum(getattr(each, field) for each in tallies.values()) for field in ("accepted", "refused", "differ")]
    table.add_section()
    table.add_row(f"all {sum(sums):,}", *(f"{each:,}" for each in sums))
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    for line in lines[:20]:
        print(line)
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
