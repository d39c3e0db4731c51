"""What is timed computes what was verified, in the dtype and layout that are asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from convcheck.catalogue.claims import Claim, claims_of
from convcheck.cli import own_code
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence.floating_point import draw
from convcheck.timing.modules import standing_modules

CODE = """
import torch
from torch import nn

class Scaled(nn.Module):
    def __init__(self, tied=True):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.register_buffer("scale", torch.tensor(3.0))

    def forward(self, x):
        return self.second(self.first(x)) * self.scale
"""


def claim_of(words: list[str], rewrite: str | None, inputs: list[str], candidate: str | None, dtype: str) -> Claim:
    given = own_code.Given(candidate, None, None, None, None, False, True)
    cases = own_code.read_cases(words, inputs, rewrite and [rewrite], given)
    cases = [replace(case, dtype=dtype, rewrites=rewrite and (rewrite,)) for case in cases]
    (claim,) = claims_of(cases)
    return claim


CLAIMS = {
    "a rewrite": ("Conv2d(3, 8, 2, stride=2)", "patchify-linear", ["2,3,4,6"]),
    "weights that are made of several": (
        "Sequential(Conv2d(3, 8, 3, bias=False), BatchNorm2d(8))",
        "fold-batchnorm",
        ["2,3,5,5"],
    ),
    "weights without a layer": ("Conv1d(2, 3, 3)", "winograd", ["1,2,9"]),
    "three inputs": ("scaled_dot_product_attention()", "attention-sum", ["2,3,4", "2,3,4", "2,3,4"]),
    "five axes": ("Conv3d(2, 3, (1, 2, 2), stride=(1, 2, 2))", "patchify-conv1x1", ["1,2,2,4,4"]),
    "code with a tied weight and a buffer": ("Scaled()", None, ["2,4"]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("channels_last", [False, True], ids=["", "channels last"])
@pytest.mark.parametrize("name", CLAIMS)
def test_what_is_timed_is_what_was_verified(name: str, channels_last: bool, dtype: str, tmp_path: Path) -> None:
    target, rewrite, inputs = CLAIMS[name]
    if rewrite is None:
        (tmp_path / "code.py").write_text(CODE)
        target = f"{tmp_path}/code.py:{target}"
    claim = claim_of([target], rewrite, inputs, None if rewrite else target, dtype)
    pair = build_pair(claim)
    sample = draw(pair, claim.case).to(torch.device("cpu"), getattr(torch, dtype))
    sides = standing_modules(claim, channels_last=channels_last)
    for side, verified in (
        (sides.reference, pair.run_reference(sample)),
        (sides.candidate, pair.run_candidate(sample)),
    ):
        output = side.module(*side.inputs)
        assert output.dtype == verified.dtype == getattr(torch, dtype)
        # Another layout may take another kernel, which rounds otherwise.
        torch.testing.assert_close(output, verified, rtol=0.05, atol=0.05)
        assert all(tensor.is_leaf and tensor.requires_grad for tensor in side.variables())
        assert len(side.variables()) == len(inputs) + len(list(side.module.parameters()))
        if channels_last:
            formats = {4: torch.channels_last, 5: torch.channels_last_3d}
            held = [one for one in (*side.inputs, *side.module.parameters()) if one.dim() in formats]
            assert all(one.is_contiguous(memory_format=formats[one.dim()]) for one in held)


def test_bytes_are_those_of_inputs_weights_and_buffers(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(CODE)
    target = f"{tmp_path}/code.py:Scaled()"
    sides = standing_modules(claim_of([target], None, ["2,4"], target, "float32"), channels_last=False)
    # An input, a weight in two places, two biases, a scale.
    assert sides.reference.held_bytes() == 4 * (8 + 16 + 4 + 4 + 1)
