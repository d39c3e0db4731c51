"""What the index notation says is what torch computes: its lines are read back, and enumerated index by index."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

import pytest
import torch
from torch import Tensor

from convcheck.layers.text.parse import parse_layer
from convcheck.modules.build import build
from tests.all_sizes.claims import proof_of

ENTRY = re.compile(r"([\w.]+)\[(.*?)\]")
LINE = re.compile(r"(y\[.*?\]) ([+-])= (.*?)(?: where (.*))?$")


def python(text: str) -> str:
    """Return an expression of the notation as one of Python."""
    text = re.sub(r"(\d|[A-Z]\)?) ?(?=[a-z(])(?!mod|and|or)", r"\1*", text.replace(" mod ", " % "))
    return re.sub(r"(?<![<>!=])=(?!=)", "==", text)


def numbers(text: str, at: Mapping[str, int]) -> tuple[int, ...] | None:
    """Return an index; None where it is not whole."""
    found = [eval(python(one), {}, dict(at)) for one in text.split(", ")]
    return tuple(map(int, found)) if all(one == int(one) for one in found) else None


def inside(place: tuple[int, ...] | None, tensor: Tensor) -> bool:
    return place is not None and all(0 <= one < size for one, size in zip(place, tensor.shape, strict=True))


def enumerated(lines: Sequence[str], tensors: Mapping[str, Tensor], like: Tensor, lengths: Mapping[str, int]) -> Tensor:
    """Return the tensor `y` that lines say."""
    result = torch.zeros_like(like)
    named = {**tensors, "y": result}
    for line in lines:
        match = LINE.match(line)
        assert match is not None, line
        for at in indices(line, lengths, max(*like.shape, *(s for one in tensors.values() for s in one.shape))):
            if match[4] is not None and not eval(python(match[4]), {}, at):
                continue
            entries = [(named[name], numbers(text, at)) for name, text in ENTRY.findall(match[1] + match[3])]
            if all(inside(place, tensor) for tensor, place in entries):
                product = torch.stack([tensor[place] for tensor, place in entries[1:]]).prod()
                result[entries[0][1]] += product if match[2] == "+" else -product
    return result


def indices(line: str, lengths: Mapping[str, int], largest: int) -> Iterator[dict[str, int]]:
    """Yield all numbers that the indices of a line may be, with the lengths."""
    inner = re.sub(r"[\w.]+(?=\[)", "", line).replace("where", "").replace("mod", "").replace("and", "")
    names = sorted(set(re.findall(r"\b\d*([a-z])\b", inner)))
    for values in itertools.product(range(largest), repeat=len(names)):
        yield {**lengths, **dict(zip(names, values, strict=True))}


CASES = {
    "Linear(2, 3)": ("linear-as-conv1x1", (2, 3, 2), {}),
    "Conv1d(2, 3, 3, padding=1, stride=2)": ("unfold-matmul", (2, 2, 4), {}),
    "Conv1d(4, 4, 2, groups=2)": ("split-concat", (2, 4, 3), {"O": 4, "I": 4}),
    "Conv1d(2, 2, 3, padding=1, padding_mode='reflect')": ("explicit-pad", (2, 2, 4), {"W": 4, "L": 4, "T": 4}),
    "ConvTranspose1d(2, 2, 3, stride=2, padding=1)": ("zeroinsert-conv", (2, 2, 3), {}),
}


@pytest.mark.parametrize("text", CASES)
def test_the_lines_say_what_torch_computes(text: str) -> None:
    rewrite, shape, lengths = CASES[text]
    lines = proof_of(rewrite, text).relations
    module = build(parse_layer(text), torch.float64)
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.randint(-4, 5, one.shape, generator=generator).double() for name, one in module.state_dict().items()
    }
    tensors["x"] = torch.randint(-4, 5, shape, generator=generator).double()
    module.load_state_dict({name: one for name, one in tensors.items() if name != "x"})
    expected = module(tensors["x"]).detach()
    assert lines.reference
    for side in (lines.reference, lines.candidate):
        assert torch.equal(enumerated(side, tensors, expected, lengths), expected), side
