"""What code takes and returns: keywords, whole numbers, masks, stored tensors; parts of tuples and mappings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import convcheck
from convcheck.errors import ShapeError
from tests.user_code.modules import odd, pairs

TOKENS = [2, 5, 3]

SELECTED = {
    "a tuple, by its number": ("tuple", 1),
    "a list": ("list", 1),
    "a dict": ("dict", "y"),
    "a dict, by its order": ("dict", 1),
    "a namedtuple": ("named", "second"),
    "a namedtuple, by its number": ("named", 1),
    "an output like those of transformers": ("output", "last_hidden_state"),
    "the only part": ("one", None),
    "the only part that is not None": ("output", None),
    "beside None": ("none", 1),
}


@pytest.mark.parametrize(("kind", "select"), SELECTED.values(), ids=SELECTED)
def test_a_part_is_selected(kind: str, select: int | str | None) -> None:
    assert convcheck.verify(pairs.Product(), TOKENS, candidate=odd.Several(kind), select=select).verdict == "equal"


NOT_SELECTED = {
    "several parts": ("tuple", None, "a tuple with several parts; choose one with --select: 0, 1"),
    "several names": ("dict", None, "a dict with several parts; choose one with --select: x, y"),
    "no such number": ("tuple", 2, "a tuple with no '2'; choose one with --select: 0, 1"),
    "no such name": ("dict", "z", "a dict with no 'z'; choose one with --select: x, y"),
    "no such field": ("named", "third", "a Pair with no 'third'; choose one with --select: first, second"),
    "a part that is None": ("none", 0, "its output is a NoneType, and no tensor"),
    "a field that is None": ("output", "attentions", "no 'attentions'; choose one with --select: last_hidden_state"),
    "nothing": ("nothing", None, "its output is a NoneType with no tensor in it"),
    "a text": ("text", None, "its output is a str, and no tensor"),
    "whole numbers": ("long", None, "its output is of torch.int64, and only floating point can be compared"),
}


@pytest.mark.parametrize(("kind", "select", "message"), NOT_SELECTED.values(), ids=NOT_SELECTED)
def test_what_cannot_be_selected_is_an_error_with_the_choices(kind: str, select: Any, message: str) -> None:
    result = convcheck.verify(pairs.Product(), TOKENS, candidate=odd.Several(kind), select=select)
    assert result.verdict == "error"
    assert message in str(result.reasons[0])


@pytest.mark.parametrize("reference", [pairs.Product, pairs.Mlp])
@pytest.mark.parametrize(
    ("change", "layout"),
    [
        ("transpose(1, 2)", "a0 a2 a1 -> a0 a1 a2"),
        ("flatten(0, 1)", "(a0 a1) a2 -> a0 a1 a2, a0=2"),
        ("unsqueeze(0)", "1 a0 a1 a2 -> a0 a1 a2"),
    ],
)
def test_an_output_of_another_shape_is_different_and_a_layout_that_would_do_is_suggested(
    reference: type[nn.Module], change: str, layout: str
) -> None:
    candidate = odd.changed(reference, change)
    result = convcheck.verify(reference(), TOKENS, candidate=candidate)
    assert (result.verdict, result.suggested_layout) == ("different", layout)
    assert any("the reference's output is [2, 5, " in str(reason) for reason in result.reasons)
    assert convcheck.verify(reference(), TOKENS, candidate=candidate, layout=layout).verdict == "equal"


@pytest.mark.parametrize("reference", [pairs.Product, pairs.Mlp])
def test_an_output_with_entries_left_out_is_different(reference: type[nn.Module]) -> None:
    result = convcheck.verify(reference(), TOKENS, candidate=odd.changed(reference, "__getitem__(0)"))
    assert (result.verdict, result.suggested_layout) == ("different", None)


def test_one_vector_is_an_input() -> None:
    assert convcheck.verify(pairs.Product(), [3], candidate=nn.Linear(3, 4)).verdict == "equal"
    unfit = convcheck.verify(pairs.Product(), [5], candidate=nn.Linear(3, 4))
    assert unfit.verdict == "error"
    assert "pairs.py:" in str(unfit.reasons[0])


MASK = ["2,5,3", "mask=bool 2,5"]


@pytest.mark.parametrize(("candidate", "verdict"), [(odd.MaskedByChoice, "equal"), (odd.MaskedOtherwise, "different")])
def test_a_mask_is_handed_over_by_its_name(candidate: type[nn.Module], verdict: str) -> None:
    result = convcheck.verify(odd.Masked(), MASK, candidate=candidate())
    assert (result.verdict, result.evidence, result.input) == (verdict, "exact", ((2, 5, 3), (2, 5)))


def test_an_unknown_keyword_is_told() -> None:
    result = convcheck.verify(odd.Masked(), ["2,5,3", "msk=bool 2,5"], candidate=odd.MaskedByChoice())
    assert result.verdict == "error"
    assert "got an unexpected keyword argument 'msk'" in str(result.reasons[0])


def test_rows_are_chosen_as_a_product_does() -> None:
    assert convcheck.verify(odd.Rows(), ["int 2,7"], candidate=odd.RowsByProduct()).verdict == "equal"


@pytest.mark.parametrize("row", range(odd.Rows.rows))
def test_an_error_in_one_row_of_a_table_is_found(row: int) -> None:
    result = convcheck.verify(odd.Rows(), ["int 2,7"], candidate=odd.OneRowWrong(row))
    assert (result.verdict, result.exact.status) == ("different", "different")


def test_a_row_without_a_gradient_is_found() -> None:
    result = convcheck.verify(odd.Rows(), ["int 2,7"], candidate=odd.RowsPadded())
    assert (result.verdict, result.exact.status, result.gradients.status) == ("different", "identical", "different")


@pytest.mark.parametrize(("candidate", "verdict"), [(odd.Counted, "equal"), (odd.CountedToOne, "different")])
def test_whole_numbers_of_which_nothing_is_known_are_large_and_said_to_be_some(
    candidate: type[nn.Module], verdict: str
) -> None:
    result = convcheck.verify(odd.Counted(), ["2,5,3", "int 2,5"], candidate=candidate())
    assert result.verdict == verdict
    assert [str(note) for note in result.weaknesses] == [
        "weak: whole numbers of input 1 were drawn below 256, and not all of them"
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_stored_numbers_are_those_of_the_run(tmp_path: Path, dtype: torch.dtype) -> None:
    save_file({"x": torch.full((2, 5, 3), 1000.0, dtype=dtype)}, tmp_path / "inputs.safetensors")
    given = [f"{tmp_path}/inputs.safetensors:x"]
    small, large = (convcheck.verify(pairs.Mlp(), one, candidate=pairs.MlpTanh()) for one in (TOKENS, given))
    assert small.verdict == large.verdict == "different"
    assert large.input == ((2, 5, 3),)
    assert large.error.bound > 50 * small.error.bound


def test_stored_rows_and_masks_are_of_their_kinds(tmp_path: Path) -> None:
    stored = {"ids": torch.tensor([[0, 4, 4]]), "x": torch.randn(2, 5, 3), "mask": torch.rand(2, 5) < 0.5}
    save_file(stored, tmp_path / "inputs.safetensors")
    file = f"{tmp_path}/inputs.safetensors"
    assert convcheck.verify(odd.Rows(), [f"{file}:ids"], candidate=odd.RowsByProduct()).verdict == "equal"
    mask = [f"{file}:x", f"mask={file}:mask"]
    assert convcheck.verify(odd.Masked(), mask, candidate=odd.MaskedByChoice()).verdict == "equal"


def test_a_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    save_file({"pixel_values": torch.zeros(2, 5, 3)}, tmp_path / "inputs.safetensors")
    with pytest.raises(ShapeError, match=r"there is no 'pixels' in .*; did you mean 'pixel_values'\?"):
        convcheck.verify(pairs.Product(), [f"{tmp_path}/inputs.safetensors:pixels"], candidate=pairs.Product())
