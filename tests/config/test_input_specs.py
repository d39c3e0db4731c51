"""Inputs as text: shapes with types, keywords and real values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import Result

from convcheck.config.input_specs import InputSpec, parse_specs
from convcheck.errors import ConvcheckError

Run = Callable[..., Result]

WORKS = {
    "1,3,8,8": InputSpec((1, 3, 8, 8)),
    "float 2 7": InputSpec((2, 7)),
    "int 2,7": InputSpec((2, 7), "int"),
    " bool [4, 4] ": InputSpec((4, 4), "bool"),
    "x=1,3,8,8": InputSpec((1, 3, 8, 8), keyword="x"),
    "mask = bool 4x4": InputSpec((4, 4), "bool", "mask"),
    "torch.Size([2, 3])": InputSpec((2, 3)),
    "in.safetensors:x": InputSpec((2, 3), file="in.safetensors", key="x"),
    "tokens=in.safetensors:a:b c": InputSpec((5,), "int", "tokens", "in.safetensors", "a:b c"),
    "in.safetensors:mask": InputSpec((2, 2), "bool", file="in.safetensors", key="mask"),
}
REFUSALS = {
    "in 2,7": "'in' is no type of an input; did you mean 'int'?",
    "complex 2,7": "'complex' is no type of an input; there are: float, int, bool",
    "int": "'int' is not a shape",
    "int 2,0": "a length of 0 cannot be",
    "x=": "'' is not a shape",
    "in.safetensors:y": "there is no 'y' in in.safetensors",
    "in.safetensors:empty": "[] is not a shape",
    "none.safetensors:x": "there is no file 'none.safetensors'",
    "in.pt:x": "'in.pt:x' is not a shape",
}


@pytest.fixture(autouse=True)
def _stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tensors = {"x": torch.ones(2, 3), "a:b c": torch.arange(5), "mask": torch.ones(2, 2, dtype=torch.bool)}
    save_file({**tensors, "empty": torch.ones(())}, "in.safetensors")


@pytest.mark.parametrize(("text", "spec"), WORKS.items(), ids=WORKS)
def test_an_input_is_read_and_written_so_that_it_is_read_again(text: str, spec: InputSpec) -> None:
    assert parse_specs(text) == (spec,)
    assert parse_specs([str(spec)]) == (spec,)


@pytest.mark.parametrize(("text", "message"), REFUSALS.items(), ids=REFUSALS)
def test_what_is_no_input_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConvcheckError) as caught:
        parse_specs([text])
    assert message in str(caught.value)


def test_several_are_listed_as_texts_or_numbers_and_a_name_is_for_one_of_them() -> None:
    specs = (InputSpec((1, 3)), InputSpec((2, 7), "int"), InputSpec((4,), "bool", "mask"))
    assert parse_specs([[1, 3], "int 2,7", "mask=bool 4"]) == specs
    assert parse_specs([1, 3]) == specs[:1]
    with pytest.raises(ConvcheckError, match="two inputs are called 'x'"):
        parse_specs(["x=1,3", "x=int 2"])


def test_a_file_is_looked_for_where_the_config_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (spec,) = parse_specs("in.safetensors:x", tmp_path)
    assert (spec.shape, spec.file) == ((2, 3), str(tmp_path / "in.safetensors"))


@pytest.mark.parametrize("option", [["-i", "int 1,3,8,8"], ["-i", "x=1,3,8,8"], ["--select", "0"], ["--train"]])
def test_a_layer_takes_shapes_alone(convcheck: Run, option: list[str]) -> None:
    result = convcheck("verify", "Conv2d(3, 4, 2)", *option)
    assert result.exit_code == 2
    assert "is for code of your own" in result.stderr


def test_a_shape_that_is_asked_backwards_takes_no_types(convcheck: Run) -> None:
    assert convcheck("shape", "Conv2d(3, 4, 2)", "-i", "int 1,3,8,8").exit_code == 2
    assert convcheck("params", "Conv2d(3, 4, 2)", "-i", "int 1,3,8,8").exit_code == 2
