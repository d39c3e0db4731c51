"""What can be known of a map in plain torch: that it is correct, that it is the only one, that there is none."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchmarks import public_code
from benchmarks.public_code.record import Solvable, Truth
from benchmarks.torch_sides import built_side

State = dict[str, Tensor]
DRAWS = 4
LARGEST = 5
"""Inputs and weights are whole numbers up to it."""
INTEGERS = 6
"""Integer inputs are below it; all tables that they are looked up in have as many rows."""
CLOSE = 1e-9


class Entry(NamedTuple):
    """A pair in the file that holds it."""

    file: ModuleType
    pair: Solvable

    def sides(self) -> tuple[nn.Module, nn.Module]:
        """Build both sides in float64."""
        return built_side(self.file, self.pair.reference), built_side(self.file, self.pair.candidate)

    def inputs(self, draw: int) -> list[Tensor]:
        """Draw inputs of whole numbers."""
        generator = torch.Generator().manual_seed(draw)
        drawn = []
        for text in self.pair.inputs:
            *words, sizes = text.split()
            shape = [int(size) for size in sizes.split(",")]
            if words:
                drawn.append(torch.randint(0, INTEGERS, shape, generator=generator))
            else:
                drawn.append(torch.randint(-LARGEST, LARGEST + 1, shape, generator=generator).double())
        return drawn

    def converted(self, convert: str, state: State) -> State:
        """Return the candidate's state, made of the reference's by a function of the file."""
        result: State = getattr(self.file, convert)(state)
        return result

    def wrong(self, convert: str) -> str | None:
        """Tell what is wrong with a map, in one of several draws of weights and inputs; None stands for nothing."""
        reference, candidate = self.sides()
        for draw in range(DRAWS):
            fill(reference, draw)
            state = self.converted(convert, reference.state_dict())
            candidate.load_state_dict(state)
            inputs = self.inputs(draw)
            wanted, got = reference(*inputs), candidate(*inputs)
            if wanted.shape != got.shape:
                return f"{convert}: shape {tuple(got.shape)} for {tuple(wanted.shape)}"
            if not (torch.equal(wanted, got) if self.pair.exact else torch.allclose(wanted, got, CLOSE, CLOSE)):
                return f"{convert}: {(wanted != got).sum()} of {wanted.numel()} outputs differ"
            if not wanted.count_nonzero():
                return f"{convert}: all outputs are zero"
        return None

    def jacobian(self, state: State) -> Tensor:
        """Return the gradients `[outputs of all draws, parameters' entries]` of the candidate at a state."""
        _, candidate = self.sides()  # torch does not put all back into a module that is registered twice
        sizes = dict(candidate.named_parameters())
        buffers = {name: state.get(name, buffer) for name, buffer in candidate.named_buffers()}
        flat = torch.cat([state[name].flatten() for name in sizes])

        def outputs(entries: Tensor) -> Tensor:
            parts = torch.split(entries, [one.numel() for one in sizes.values()])
            given = {name: part.view(one.shape) for (name, one), part in zip(sizes.items(), parts, strict=True)}
            runs = [functional_call(candidate, buffers | given, tuple(self.inputs(draw))) for draw in range(DRAWS)]
            return torch.cat([run.flatten() for run in runs])

        return gradients(outputs, flat)

    def steps(self) -> list[str]:
        """Return what the map does to entries of the reference's state, as its own gradients tell."""
        reference, _ = self.sides()
        fill(reference, 0)
        if self.pair.convert is None:
            return []
        convert = self.pair.convert
        state = {name: one for name, one in reference.state_dict().items() if one.is_floating_point()}

        def entries_of(flat: Tensor) -> Tensor:
            parts = torch.split(flat, [one.numel() for one in state.values()])
            given = {name: part.view(one.shape) for (name, one), part in zip(state.items(), parts, strict=True)}
            return torch.cat([one.flatten() for one in self.converted(convert, given).values()])

        flat = torch.cat([one.flatten() for one in state.values()])
        first, second = (gradients(entries_of, point) for point in (flat, flat + 1))
        if not torch.equal(first, second):
            return ["products"]
        constants = entries_of(torch.zeros_like(flat))
        from_one, used = first.count_nonzero(1), first.count_nonzero(0)
        steps = {
            "sums": bool((from_one > 1).any()),
            "factors": not bool(((first == 0) | (first == 1)).all()),
            "constants": bool(constants.count_nonzero()),
            "zeros": bool(((from_one == 0) & (constants == 0)).any()),
            "repeats": bool((used > 1).any()),
        }
        return [step for step, holds in steps.items() if holds] or ["moves"]

    def free(self) -> int:
        """Return how many directions there are in which the candidate's parameters leave the outputs as they are."""
        reference, _ = self.sides()
        fill(reference, 0)
        assert self.pair.convert is not None
        state = reference.state_dict()
        if not self.pair.exact:  # near zero, no sigmoid is flat
            state = {name: one / 8 if one.is_floating_point() else one for name, one in state.items()}
        columns = self.jacobian(self.converted(self.pair.convert, state))
        scaled = columns / columns.norm(dim=0).clamp(min=1e-300)
        return columns.shape[1] - int(torch.linalg.matrix_rank(scaled, rtol=1e-9))

    def residual(self) -> float:
        """Return how far the best of all states of the candidate is from the reference, in parts of its outputs.

        Outputs must be affine in the candidate's parameters, so that least squares find the best.

        Raises:
            ValueError: they are not.
        """
        reference, candidate = self.sides()
        fill(reference, 0)
        states = []
        for draw in range(3):
            fill(candidate, draw)
            states.append({name: one.clone() for name, one in candidate.state_dict().items()})
        zero = {name: torch.zeros_like(one) for name, one in states[0].items()}
        *others, columns = (self.jacobian(state) for state in (*states, zero))
        if not all(torch.equal(columns, one) for one in others):
            raise ValueError(f"{self.pair.name}: not affine")
        inputs = [self.inputs(draw) for draw in range(DRAWS)]
        candidate.load_state_dict(zero)
        with torch.no_grad():
            wanted, constant = (torch.cat([side(*one).flatten() for one in inputs]) for side in (reference, candidate))
        target = wanted - constant
        best = torch.linalg.lstsq(columns, target[:, None], driver="gelsd").solution
        return float((columns @ best - target[:, None]).norm() / wanted.norm())

    def faults(self) -> list[str]:
        """Tell all that is not as the table has it."""
        pair = self.pair
        if pair.truth is Truth.NONE:
            return [] if pair.convert is None and self.residual() > 0.01 else ["a state of the candidate fits"]
        assert pair.convert is not None, pair.name
        faults = [fault for convert in (pair.convert, pair.other) if convert and (fault := self.wrong(convert))]
        if pair.other:
            reference, _ = self.sides()
            fill(reference, 0)
            one, other = (self.converted(name, reference.state_dict()) for name in (pair.convert, pair.other))
            faults += ["both maps are one"] * all(torch.equal(one[name], other[name]) for name in one)
        elif free := self.free():
            faults.append(f"{free} directions are free")
        if (pair.other is None) is (pair.truth is Truth.NOT_UNIQUE or pair.up_to is not None):
            faults.append("a second map and its reason belong together")
        return faults


def gradients(function: Callable[[Tensor], Tensor], point: Tensor) -> Tensor:
    """Return the gradients `[entries of the result, entries of the argument]` of a function of one axis."""
    result: Tensor = torch.autograd.functional.jacobian(function, point, vectorize=True)  # type: ignore[no-untyped-call]
    return result


def fill(module: nn.Module, draw: int) -> None:
    """Fill parameters and running statistics with whole numbers, variances with positive ones."""
    generator = torch.Generator().manual_seed(100 + draw)
    tensors = dict(module.named_parameters()) | {n: b for n, b in module.named_buffers() if "running" in n}
    for name, tensor in tensors.items():
        drawn = torch.randint(-LARGEST, LARGEST + 1, tensor.shape, generator=generator).double()
        tensor.data = drawn.abs() + 1 if name.endswith("running_var") else drawn


def entries() -> list[Entry]:
    """Return the pairs of all files."""
    names = sorted(module.name for module in pkgutil.iter_modules(public_code.__path__))
    files = [importlib.import_module(f"benchmarks.public_code.{name}") for name in names]
    return [Entry(file, pair) for file in files for pair in getattr(file, "PAIRS", ())]
