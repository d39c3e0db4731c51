"""Laws of chains on programs that are drawn: each pair that is one is found, and merging them changes nothing."""

from __future__ import annotations

import gc
from typing import NamedTuple
from unittest.mock import patch

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convcheck.catalogue.catalogue import applicable
from convcheck.models.chains import LONGEST, chains_of
from convcheck.models.example import Example
from convcheck.models.flow import Flow
from convcheck.models.leaves import Leaf, leaves_of, parts_of
from convcheck.models.records import Place
from convcheck.models.swap_file import Key, load_text, swap_text
from tests.models.nets import draw_statistics

MERGES = ("merge-convs", "fold-batchnorm", "fold-batchnorm-forward")


class Step(NamedTuple):
    """A call: of a layer, or a function, on values by their numbers; 0 is the model's input."""

    kind: str
    takes: tuple[int, ...]


class Program(nn.Module):
    """A model that runs steps, each of which makes one more value, and returns some of the values."""

    def __init__(self, steps: list[Step], outputs: set[int], order: list[int]) -> None:
        super().__init__()
        self.steps, self.outputs = steps, outputs
        layers = {"conv": lambda: nn.Conv2d(2, 2, 1), "norm": lambda: nn.BatchNorm2d(2)}
        # Neither names nor the order in which layers are made tell how they are called.
        self.layers = nn.ModuleDict({str(n): layers[steps[n].kind]() for n in order if steps[n].kind in layers})
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                draw_statistics(module)

    def forward(self, x: Tensor) -> list[Tensor]:
        values = [x]
        for number, (kind, takes) in enumerate(self.steps):
            given = [values[place] for place in takes]
            match kind:
                case "relu":
                    values.append(given[0].relu())
                case "add":
                    values.append(given[0] + given[1])
                case "cat":
                    values.append(torch.cat(given)[: x.shape[0]])
                case _:
                    values.append(self.layers[str(number)](*given))
        return [values[number] for number in sorted(self.outputs)]

    def rows(self) -> set[tuple[str, ...]]:
        """Return the paths of layers of which each alone takes what the one before returns, by the steps."""
        pairs = set[tuple[str, str]]()
        for number, step in enumerate(self.steps):
            users = [n for n, other in enumerate(self.steps) if number + 1 in other.takes]
            if step.kind in ("conv", "norm") and len(users) == 1 and number + 1 not in self.outputs:
                (user,) = users
                if self.steps[user].kind in ("conv", "norm"):
                    pairs.add((f"layers.{number}", f"layers.{user}"))
        following = dict(pairs)
        rows = set[tuple[str, ...]](pairs)
        for _ in range(LONGEST - 2):
            rows |= {(*row, following[row[-1]]) for row in rows if row[-1] in following and len(row) < LONGEST}
        return rows


@st.composite
def programs(draw: st.DrawFn) -> Program:
    steps: list[Step] = []
    for number in range(draw(st.integers(3, 8))):
        kind = draw(st.sampled_from(["conv", "norm", "relu", "add", "cat"]))
        # Layers mostly take what was made last, and functions anything.
        last, any_value = st.just(number), st.integers(0, number)
        first = draw(st.one_of(last, last, any_value) if kind in ("conv", "norm") else any_value)
        takes = (first, draw(any_value)) if kind in ("add", "cat") else (first,)
        steps.append(Step(kind, takes))
    outputs = {len(steps)} | draw(st.sets(st.integers(1, len(steps)), max_size=1))
    return Program(steps, outputs, draw(st.permutations(range(len(steps)))))


def chains_in(model: Program, x: Tensor) -> list[Leaf]:
    flow = Flow(list(parts_of(model)))
    leaves_of(model, Example((x,), {}), flow.watch)
    # No program makes cycles, and to look for them in all of a test run takes longest.
    with patch.object(gc, "collect"):
        chains, note = chains_of(model, Example((x,), {}), flow)
    assert note is None
    return chains


@given(programs())
def test_chains_are_the_pairs_of_layers_that_the_program_has(model: Program) -> None:
    chains = chains_in(model, torch.randn(1, 2, 1, 1))
    assert {(chain.path, *chain.merged) for chain in chains} == model.rows()


@settings(max_examples=5)
@given(programs().filter(Program.rows))
def test_a_merge_changes_nothing(model: Program) -> None:
    model = model.double().eval()
    x = torch.randn(2, 2, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        due = model(x)
    swaps: dict[Place, Key] = {}
    shapes = ((2, 2, 3, 3),)
    for chain in sorted(chains_in(model, x), key=lambda chain: -len(chain.merged)):
        assert chain.layer is not None
        names = [name for name in applicable(chain.layer, shapes) if name in MERGES]
        if names and not any(path in place for place in swaps for path in (chain.path, *chain.merged)):
            swaps[chain.path, *chain.merged] = (chain.layer, shapes, names[0])
    if swaps:
        load_text(swap_text("a program", swaps)).swap(model)
        with torch.no_grad():
            for ours, theirs in zip(model(x), due, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)
