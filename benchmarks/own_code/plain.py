"""Both sides of a pair in plain torch: built, filled, mapped and run without anything that convcheck proves with."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import NamedTuple

import einops
import torch
from torch import Tensor, nn

from benchmarks import own_code
from benchmarks.own_code.record import Pair
from convcheck.layers import parse_layer
from convcheck.modules.build import build

Tensors = Mapping[str, Tensor]
INTEGERS = 6
"""Integer inputs are below it; all tables that they are looked up in have as many rows."""


class Entry(NamedTuple):
    """A pair or its twin, in the file that holds it."""

    file: ModuleType
    pair: Pair
    faulty: bool

    @property
    def map(self) -> Mapping[str, str]:
        """The candidate's map, as text by parameter."""
        return self.pair.twin_map if self.faulty and self.pair.twin_map is not None else self.pair.map

    @property
    def map_by(self) -> Callable[[Tensors], Tensors] | None:
        """The function that makes the candidate's state of the reference's, or None."""
        name = self.pair.twin_map_by if self.faulty and self.pair.twin_map_by is not None else self.pair.map_by
        return None if name is None else getattr(self.file, name)

    @property
    def texts(self) -> tuple[str, str]:
        """The texts of reference and candidate."""
        twin = self.pair.twin if self.faulty else None
        return self.pair.reference, twin or self.pair.candidate

    def sides(self, seed: int = 0) -> tuple[nn.Module, nn.Module]:
        """Build both sides in float64, the reference on random numbers and the candidate on the mapped ones."""
        reference, candidate = map(self.module, self.texts)
        fill(reference, torch.Generator().manual_seed(seed))
        candidate.load_state_dict(self.mapped(reference, candidate))
        return reference, candidate

    def module(self, text: str) -> nn.Module:
        """Build a side in float64 and eval mode."""
        place, colon, call = text.partition(":")
        if not colon:
            return build(parse_layer(text)).to(torch.float64).eval()
        tree = ast.parse(call, mode="eval").body
        assert isinstance(tree, ast.Call), text
        kind = getattr(importlib.import_module(place) if place else self.file, ast.unparse(tree.func))
        keywords = {str(word.arg): ast.literal_eval(word.value) for word in tree.keywords}
        module: nn.Module = kind(*map(ast.literal_eval, tree.args), **keywords)
        return module.to(torch.float64).eval()

    def mapped(self, reference: nn.Module, candidate: nn.Module) -> dict[str, Tensor]:
        """Return the candidate's state, made of the reference's.

        Raises:
            KeyError: a parameter gets nothing.
        """
        state = reference.state_dict()
        if self.map_by is not None:
            given = self.map_by(state)
        else:
            given = state | {name: source(text, state) for name, text in self.map.items()}
        parameters, buffers = dict(candidate.named_parameters()), dict(candidate.named_buffers())
        return {name: given[name] for name in parameters} | {
            name: given.get(name, value) for name, value in buffers.items()
        }

    def run(self, module: nn.Module, inputs: tuple[Tensor, ...], keywords: Tensors) -> Tensor:
        """Return a side's output, the selected one where there are several."""
        output = module(*inputs, **keywords)
        if self.pair.select is not None and not isinstance(output, Tensor):
            output = output[int(self.pair.select) if isinstance(output, tuple) else self.pair.select]
        assert isinstance(output, Tensor)
        return output

    def outputs(self, dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return both sides' outputs on one random input, the candidate's laid out as the reference's."""
        drawn = [
            draw(text, torch.Generator().manual_seed(seed + number)) for number, text in enumerate(self.pair.inputs)
        ]
        cast = [(name, one.to(dtype) if one.is_floating_point() else one) for name, one in drawn]
        inputs, keywords = tuple(one for name, one in cast if not name), {name: one for name, one in cast if name}
        with torch.no_grad():
            reference, candidate = (self.run(side.to(dtype), inputs, keywords) for side in self.sides(seed))
        return reference, rearranged(candidate, self.pair.layout) if self.pair.layout else candidate


def entries(prefix: str = "pairs_") -> list[Entry]:
    """Return all pairs of the files whose names begin so, each followed by its twin."""
    names = sorted(module.name for module in pkgutil.iter_modules(own_code.__path__))
    files = [importlib.import_module(f"benchmarks.own_code.{name}") for name in names if name.startswith(prefix)]
    return [Entry(file, pair, faulty) for file in files for pair in file.PAIRS for faulty in (False, True)]


def fill(module: nn.Module, generator: torch.Generator) -> None:
    """Fill parameters and running statistics with random numbers, variances with positive ones."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        for name, statistic in module.named_buffers():
            if name.endswith("running_mean"):
                statistic.copy_(torch.randn(statistic.shape, generator=generator))
            elif name.endswith("running_var"):
                statistic.copy_(torch.rand(statistic.shape, generator=generator) + 0.5)


def draw(text: str, generator: torch.Generator) -> tuple[str, Tensor]:
    """Draw an input such as `2,3`, `int 2,5` or `mask=bool 3,3`; its keyword comes first, or an empty text."""
    keyword, _, kind = text.rpartition("=")
    *words, sizes = kind.split()
    shape = [int(size) for size in sizes.split(",")]
    if words == ["int"]:
        return keyword, torch.randint(0, INTEGERS, shape, generator=generator)
    if words == ["bool"]:
        return keyword, torch.rand(shape, generator=generator) < 0.5
    return keyword, torch.randn(shape, generator=generator, dtype=torch.float64)


def source(text: str, state: Tensors) -> Tensor:
    """Return what a map's text makes of a state: a tensor as it is, or after a pattern and steps behind it.

    Of joined, added, scaled and multiplied tensors only the spellings are read that the tables have.
    """
    if text.startswith("["):
        return torch.cat([source(part.strip(), state) for part in text[1:-1].split(";")])
    if " + " in text:
        first, second = text.split(" + ")
        return source(first, state) + source(second, state)
    if " * " in text:
        scaled, factor = text.split(" * ")
        return source(scaled, state) * float(factor)
    if product := re.fullmatch(r"einsum\('(.*)', (\S+), (\S+)\)", text):
        result: Tensor = einops.einsum(state[product[2]], state[product[3]], product[1])
        return result
    name, colon, steps = (part.strip() for part in text.partition(":"))
    tensor, axes = state[name], ""
    for step in steps.split("|") if colon else ():
        if "->" in step:
            tensor, axes = rearranged(tensor, step), step.split(",")[0].split("->")[1]
            continue
        word, axis, *numbers = step.split()
        dim, values = axes.split().index(axis), [int(number) for number in numbers]
        if word == "flip":
            tensor = tensor.flip(dim)
        elif word == "part":
            tensor = tensor.chunk(values[1], dim)[values[0] - 1]
        else:
            assert word == "pad", step
            zeros = [[*tensor.shape[:dim], count, *tensor.shape[dim + 1 :]] for count in values]
            tensor = torch.cat([tensor.new_zeros(zeros[0]), tensor, tensor.new_zeros(zeros[1])], dim)
    return tensor


def rearranged(tensor: Tensor, text: str) -> Tensor:
    """Rearrange by an einops pattern, behind which lengths of axes may stand."""
    pattern, *lengths = (part.strip() for part in text.split(","))
    known = {name: int(length) for name, _, length in (one.partition("=") for one in lengths)}
    result: Tensor = einops.rearrange(tensor, pattern, **known)
    return result
