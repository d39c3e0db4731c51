"""A certificate says what was proved, of which sizes and how, and is the same text whenever it is made."""

from __future__ import annotations

import torch

from tests.all_sizes.claims import proof_of


def test_a_certificate_says_all_of_a_proof() -> None:
    proof = proof_of("patchify-linear", "Conv2d(3, 4, 2, stride=2)")
    text = proof.certificate
    assert text is not None
    for line in (
        "layer: Conv2d(3, 4, kernel_size=(2, 2), stride=(2, 2))",
        "rewrite: patchify-linear",
        "map: o i kh kw -> o (i kh kw)",
        "b: all from 1 on",
        "h: all from 2 on",
        "y[b, o, h, w] += weight[o, i, p, q] * x[b, i, 2h + p, 2w + q]",
        "coefficients of weight * x differ nowhere",
        "convolution.default",
        "entries of the output",
        "graph sha256",
        torch.__version__,
    ):
        assert line in text, line
    for side in (proof.relations.reference, proof.relations.candidate):
        assert side == ("y[b, o, h, w] += bias[o]", "y[b, o, h, w] += weight[o, i, p, q] * x[b, i, 2h + p, 2w + q]")
    assert list(proof.free) == ["b", "i", "o", "h", "w"]
    assert proof_of("patchify-linear", "Conv2d(3, 4, 2, stride=2)").certificate == text


def test_a_certificate_defines_what_operators_make() -> None:
    proof = proof_of("fold-batchnorm", "Sequential(Conv2d(2, 3, 1), BatchNorm2d(3))")
    assert any(line.startswith("rsqrt#") and " = rsqrt(" in line for line in proof.relations.reference)
    assert proof.certificate is not None
    assert "makes the same of equal arguments" in proof.certificate


def test_a_certificate_says_whose_code_fixes_an_axis() -> None:
    proof = proof_of("flatten-linear", "Conv2d(2, 3, 2)", (2, 2, 2, 2))
    assert dict(proof.fixed) == {"h": 2, "w": 2}
    assert proof.certificate is not None
    assert "h: 2 only, by the code of the candidate" in proof.certificate


def test_where_one_side_alone_raises_is_a_condition() -> None:
    raises = proof_of("patchify-linear", "Conv2d(3, 4, 4, stride=4)").raises
    assert (raises.reference, raises.candidate) == ("where h < 4 or w < 4", None)
    # Both raise where an input is too small to be reflected, or has other channels.
    raises = proof_of("explicit-pad", "Conv2d(2, 3, 3, padding=1, padding_mode='reflect')").raises
    assert (raises.reference, raises.candidate) == (None, None)
