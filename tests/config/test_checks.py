"""What options, configs and Python say alike, and how a dtype may be spelt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import Result

import convcheck as package
from convcheck.catalogue.catalogue import vocabulary
from convcheck.config.checks import DTYPES, OTHER_DTYPES, check_bytes, check_dtype
from convcheck.config.load import load
from convcheck.errors import ConfigError, UsageError

LAYER = "Linear(2, 3)"


def test_whatever_torch_calls_a_dtype_is_read_as_that_dtype() -> None:
    named = {name: thing for name, thing in vars(torch).items() if isinstance(thing, torch.dtype)}
    verified = {name: dtype for name, dtype in named.items() if dtype in [getattr(torch, name) for name in DTYPES]}
    assert {"half", "float", "double", "bfloat16"} <= set(verified)
    for name, dtype in verified.items():
        for spelling in (name, f"torch.{name}", dtype):
            assert getattr(torch, check_dtype(spelling)) is dtype
    for name, dtype in named.items():
        if name not in verified:
            with pytest.raises(UsageError, match="is no dtype; there are: float64, float32, bfloat16, float16"):
                check_dtype(dtype)


def test_no_spelling_contradicts_torch() -> None:
    for spelling in OTHER_DTYPES:
        dtype = getattr(torch, spelling.removeprefix("torch."), None)
        assert dtype in (None, getattr(torch, check_dtype(spelling)))


@pytest.mark.parametrize("value", [None, 16, True, "", "FLOAT16", "torch.nn.half", ["half"], float, [10**5000]])
def test_what_is_no_dtype_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="is no dtype"):
        check_dtype(value)


SPELT = {"fp16": "float16", "half": "float16", "bf16": "bfloat16", "float": "float32", "fp32": "float32",
         "double": "float64", "torch.bfloat16": "bfloat16", "BF16": "bfloat16"}  # fmt: skip


@pytest.mark.parametrize(("spelt", "name"), SPELT.items())
def test_a_dtype_is_normalised_wherever_it_is_read(
    convcheck: Callable[..., Result], tmp_path: Path, spelt: str, name: str
) -> None:
    def table(command: str, dtype: str) -> str:
        words = [command, LAYER, "ReLU()", *(["-i", "4,2"] if command == "shape" else [])]
        result = convcheck(*words, "--dtype", dtype)
        assert result.exit_code == 0
        return result.stdout

    config = tmp_path / "c.yaml"
    for dtype in (f"dtype: {spelt}", f"matrix: {{dtype: [{spelt}]}}"):
        config.write_text(f"cases: [{{layer: '{LAYER}', {dtype}}}]\n")
        (case,) = load(config, "c.yaml", vocabulary())
        assert case.dtype == name
    for command in ("shape", "params"):
        assert table(command, spelt) == table(command, name)
    assert package.verify(LAYER, rewrite="linear-as-conv1x1", dtype=spelt).dtype == name


def test_a_dtype_in_capitals_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"float16; did you mean 'float16'\?$"):
        check_dtype("FLOAT16")


def test_torchs_own_dtype_is_read_in_python() -> None:
    result = package.verify(LAYER, rewrite="linear-as-conv1x1", dtype=torch.bfloat16)
    assert result.dtype == "bfloat16"
    assert "bfloat16" in result.reproduce


def test_a_dtype_that_is_none_is_told_at_its_key(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"cases: [{{layer: '{LAYER}', dtype: int8}}]\n")
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "c.yaml", "c.yaml", vocabulary())
    assert str(error.value) == (
        "c.yaml:1:33: cases[0].dtype: 'int8' is no dtype; there are: float64, float32, bfloat16, float16"
    )


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("7", 7),
        ("500MB", 500_000_000),
        ("4GiB", 4 << 30),
        ("1.5 kib", 1536),
        ("2 G", 2_000_000_000),
        (12, 12),
        ("3b", 3),
    ],
)
def test_a_size_of_memory_has_a_unit_of_1000_or_of_1024(written: object, count: int) -> None:
    assert check_bytes(written) == count


@pytest.mark.parametrize("written", ["", "lots", "-1", "0", "0 GiB", "1e9", "4 GiBs", "nan", "9" * 30, None])
def test_what_is_no_size_of_memory_is_said(written: object) -> None:
    with pytest.raises(package.ConvcheckError, match="is no size of memory; write it with a unit"):
        check_bytes(written)


@pytest.mark.parametrize(("most", "code", "verdict"), [("1kB", 1, "error"), ("8GiB", 0, "equal")])
def test_what_would_take_more_memory_than_it_may_is_not_run(
    convcheck: Callable[..., Result], most: str, code: int, verdict: str
) -> None:
    result = convcheck("verify", "Conv2d(3, 4, 1)", "-i", "1,3,2,2", "-r", "pointwise-linear", "--max-memory", most)
    assert result.exit_code == code
    assert f"1 {verdict}" in result.stdout
    assert ("may take 1000 bytes" in result.stdout) == (verdict == "error")
