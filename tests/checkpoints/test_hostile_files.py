"""Checkpoints that are broken or made to harm: one clear message, exit code 2, and nothing is written."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import Result

from convcheck.checkpoints.checkpoint import open_checkpoint
from convcheck.checkpoints.safetensors_file import header_bytes, in_order
from convcheck.checkpoints.stored import CheckpointError, Stored
from tests.checkpoints.model import INDEX, WORDS, sharded, single

Run = Callable[..., Result]


def raw(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def f32(*offsets: int, shape: tuple[int, ...] = (1,), dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "half a length": b"\x08\0\0",
    "a header longer than the file": raw(b"{}", length=2**40),
    "a header of all memory": raw(b"{}", length=2**63 - 1),
    "no JSON": raw(b"{nothing"),
    "a list": raw([]),
    "deep brackets": raw(b"[" * 100_000),
    "no UTF-8": raw(b'{"\xff": 1}'),
    "data that ends early": raw({"a": f32(0, 4)}, b"\0\0"),
    "data that nobody has": raw({"a": f32(0, 4)}, b"\0" * 9),
    "tensors on one another": raw({"a": f32(0, 4), "b": f32(0, 4)}, b"\0" * 4),
    "a hole": raw({"a": f32(0, 4), "b": f32(8, 12)}, b"\0" * 12),
    "an end before its start": raw({"a": f32(4, 0)}, b"\0" * 4),
    "a start before the file": raw({"a": f32(-4, 0)}, b"\0" * 4),
    "a shape of more bytes": raw({"a": f32(0, 4, shape=(2**62, 8))}, b"\0" * 4),
    "a shape that overflows": raw({"a": f32(0, 4, shape=(2**63, 2))}, b"\0" * 4),
    "a negative length": raw({"a": f32(0, 4, shape=(-1,))}, b"\0" * 4),
    "an unknown dtype": raw({"a": f32(0, 4, dtype="F33")}, b"\0" * 4),
    "a key that stands there twice": raw(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}',
        b"\0" * 4,
    ),
    "metadata that is no text": raw({"__metadata__": {"a": 3}, "a": f32(0, 4)}, b"\0" * 4),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_file_is_refused_that_has(convcheck: Run, tmp_path: Path, content: bytes) -> None:
    source, target = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    source.write_bytes(content)
    result = convcheck("transplant", source, target, *WORDS)
    assert result.exit_code == 2, result.output
    assert "a.safetensors' is no whole safetensors file" in result.stderr or "header that cannot be" in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [source]


@given(place=st.integers(0, 5000), data=st.binary(max_size=3), end=st.integers(0, 5000))
def test_no_damage_ends_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, place: int, data: bytes, end: int
) -> None:
    """A header with other bytes, or a file that ends early, is read as it is or refused, and nothing else."""
    path = single(tmp_path_factory.getbasetemp() / "damaged.safetensors")
    content = bytearray(path.read_bytes())
    content[place : place + len(data)] = data
    path.write_bytes(content[: len(content) - end])
    try:
        tensors = open_checkpoint(str(path)).tensors
    except CheckpointError:
        return
    for stored in tensors.values():
        assert len(stored.read()) == stored.size


OUTSIDE = [
    "../a.safetensors",
    "/etc/passwd",
    "..",
    "sub/a.safetensors",
    "C:\\a.safetensors",
    "..\\a.safetensors",
    "",
    "a\0b",
]


@pytest.mark.parametrize("file", OUTSIDE)
def test_an_index_is_refused_that_points_elsewhere(convcheck: Run, tmp_path: Path, file: str) -> None:
    single(tmp_path / "a.safetensors")
    parts = sharded(tmp_path / "parts", {"net.patch.weight": file})
    result = convcheck("transplant", parts, tmp_path / "new", *WORDS)
    assert result.exit_code == 2
    assert "and files of a checkpoint stand beside their index; none is read from elsewhere" in result.stderr
    assert not (tmp_path / "new").exists()


INDEXES: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "is no JSON"),
    "a list": ("[]", "is no index: it needs a 'weight_map'"),
    "no map": ("{}", "is no index"),
    "a map of numbers": ('{"weight_map": {"a": 3}}', "is no index"),
    "deep brackets": ("[" * 100_000, "is no JSON"),
    "a file that is not there": ('{"weight_map": {"a": "b.safetensors"}}', "and there is no such file beside it"),
    "another format": ('{"weight_map": {"a": "model.safetensors.index.json"}}', "is no checkpoint by its name"),
    "a tensor that is elsewhere": (
        '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}',
        "says that 'a' is in 'model-00001-of-00002.safetensors', and it is not there",
    ),
    "a tensor too few": (
        '{"weight_map": {"net.patch.weight": "model-00001-of-00002.safetensors"}}',
        "holds 'net.patch.bias', of which",
    ),
}


@pytest.mark.parametrize(("text", "message"), INDEXES.values(), ids=INDEXES.keys())
def test_an_index_is_refused_that_is(convcheck: Run, tmp_path: Path, text: str, message: str) -> None:
    parts = sharded(tmp_path / "parts")
    (parts / INDEX).write_text(text)
    result = convcheck("transplant", parts, tmp_path / "new", *WORDS)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not (tmp_path / "new").exists()


class Harm:
    """What runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_runs_nothing(convcheck: Run, tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    torch.save({"net.patch.weight": Harm(harm)}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps({"a": Harm(harm)}))
    for name in ("a.pt", "b.pt"):
        result = convcheck("transplant", tmp_path / name, tmp_path / "new.safetensors", *WORDS)
        assert result.exit_code == 2, result.output
        assert "weights_only=True" in result.stderr
    assert not harm.exists()
    assert not (tmp_path / "new.safetensors").exists()


PT_FILES: dict[str, tuple[object, str]] = {
    "more than weights": ({"model": {}, "step": 3}, "is no plain state dict: 'model' (dict), 'step' (int)"),
    "two state dicts": (
        {"model": {"a": torch.ones(2)}, "ema": {"a": torch.ones(2)}},
        "holds 2 state dicts, 'model' and 'ema'; save the one that is meant by itself",
    ),
    "a state dict with more in it": ({"a": torch.ones(2), "more": {"b": torch.ones(2)}}, "'more' (dict)"),
    "a state dict of more": ({"model": {"a": torch.ones(2), "step": 3}}, "is no plain state dict: 'model' (dict)"),
    "a tensor alone": (torch.ones(2), "holds a Tensor, and no state dict"),
    "a sparse tensor": ({"a": torch.eye(3).to_sparse()}, "a safetensors file has no place for it"),
}


@pytest.mark.parametrize(("held", "message"), PT_FILES.values(), ids=PT_FILES.keys())
def test_a_pt_file_is_refused_that_holds(convcheck: Run, tmp_path: Path, held: object, message: str) -> None:
    torch.save(held, tmp_path / "a.pt")
    result = convcheck("transplant", tmp_path / "a.pt", tmp_path / "b.safetensors", *WORDS)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output


def test_a_truncated_pt_file_is_refused(convcheck: Run, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(200)}, tmp_path / "whole.pt")
    (tmp_path / "a.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:700])
    result = convcheck("transplant", tmp_path / "a.pt", tmp_path / "b.safetensors", *WORDS)
    assert (result.exit_code, "Traceback" in result.stderr) == (2, False), result.output


WIDTHS = {"F64": 8, "F32": 4, "BF16": 2, "I16": 2, "U8": 1, "BOOL": 1, "F8_E4M3": 1}


@given(st.lists(st.tuples(st.sampled_from(sorted(WIDTHS)), st.integers(0, 5)), max_size=8))
def test_every_tensor_begins_where_its_dtype_can(drawn: list[tuple[str, int]]) -> None:
    tensors = {
        f"t{number}": Stored(dtype, (count,), count * WIDTHS[dtype], lambda: iter(()))
        for number, (dtype, count) in enumerate(drawn)
    }
    ordered = in_order(tensors)
    assert ordered.keys() == tensors.keys()
    header = header_bytes(ordered, {"a": "é"})
    assert len(header) % 8 == 0
    entries = json.loads(header[8:])
    for name, stored in ordered.items():
        assert entries[name]["data_offsets"][0] % WIDTHS[stored.dtype] == 0
