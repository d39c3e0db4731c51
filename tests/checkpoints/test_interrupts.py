"""Whatever ends a transplant sooner leaves the old files whole, and nothing under the new name."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import Result

from convcheck.checkpoints import writing
from convcheck.checkpoints.safetensors_file import read_safetensors
from convcheck.checkpoints.staging import Staging
from convcheck.checkpoints.stored import Stored
from convcheck.cli.signals import ending_in_order
from tests.checkpoints.model import INDEX, WORDS, sharded, single, tensors

Run = Callable[..., Result]

WRITE = """
import sys
from pathlib import Path
from convcheck.checkpoints.checkpoint import open_checkpoint
from convcheck.checkpoints.destination import destination
from convcheck.checkpoints.writing import write_checkpoint
source = open_checkpoint(sys.argv[1])
place = destination(source, sys.argv[2], overwrite=True)
print("begin", flush=True)
files = [file.tensors for file in source.files]
listed = source.index.files if source.index else ()
write_checkpoint(source, place, files, listed, lambda back: None, lambda name, count: None, overwrite=True)
"""
"""Copies a checkpoint as the command does once the mapping is proved, without torch, which takes seconds to import."""


def begun(source: Path, target: Path, **options: Any) -> subprocess.Popen[str]:
    """Return a process that is just about to write."""
    words = [sys.executable, "-c", WRITE, str(source), str(target)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    assert process.stdout is not None
    assert process.stdout.readline() == "begin\n"
    return process


def large(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    save_file({f"t{number}": torch.full((1 << 20,), float(number)) for number in range(8)}, folder / "a.safetensors")
    return folder / "a.safetensors"


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path, kind: signal.Signals) -> None:
    source = large(tmp_path)
    before = source.read_bytes()
    for number in range(3):
        target = single(tmp_path / "b.safetensors")
        old = target.read_bytes()
        process = begun(source, target)
        time.sleep(random.Random(number).uniform(0, 0.1))
        process.send_signal(kind)
        process.communicate()
        assert target.read_bytes() in (old, before)
        assert source.read_bytes() == before
        left = {path.name for path in tmp_path.iterdir()} - {"a.safetensors", "b.safetensors"}
        assert all(name.endswith(".part") for name in left)
        if kind == signal.SIGINT:
            assert not left
        for name in left:
            (tmp_path / name).unlink()


def test_a_kill_leaves_an_index_whole(tmp_path: Path) -> None:
    """The index that is there names files that are there, and they are whole."""
    source = sharded(tmp_path / "parts")
    for number in range(3):
        process = begun(source, source)
        time.sleep(random.Random(number).uniform(0, 0.03))
        process.kill()
        process.communicate()
        names = set(json.loads((source / INDEX).read_text())["weight_map"].values())
        held = {key for name in names for key in read_safetensors(source / name, name).tensors}
        assert held == set(tensors())


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    source = large(tmp_path)
    before = source.read_bytes()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10 << 20, 10 << 20))

    process = begun(source, tmp_path / "b.safetensors", preexec_fn=limit)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "cannot be written: File too large; nothing of it is left" in errors
    assert source.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_disk_with_too_little_room_is_refused_at_once(
    convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = single(tmp_path / "a.safetensors")
    usage = type(writing.shutil.disk_usage(tmp_path))
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda _path: usage(total=1000, used=900, free=100))
    result = convcheck("transplant", source, tmp_path / "b.safetensors", *WORDS)
    assert result.exit_code == 2
    assert "it takes 3,464 bytes, and 100 are free" in result.stderr
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder into which nobody can write")
def test_a_folder_that_cannot_be_written_is_refused(convcheck: Run, tmp_path: Path) -> None:
    source = single(tmp_path / "a.safetensors")
    result = convcheck("transplant", source, "/sys/kernel/b.safetensors", *WORDS)
    assert result.exit_code == 2
    assert "'/sys/kernel/b.safetensors' cannot be written: " in result.stderr
    assert "nothing of it is left" in result.stderr


@pytest.mark.skipif(os.name != "posix" or not hasattr(os, "geteuid"), reason="needs permissions of POSIX")
def test_a_read_only_folder_is_refused(convcheck: Run, tmp_path: Path) -> None:
    source, folder = single(tmp_path / "a.safetensors"), tmp_path / "locked"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("whoever runs this may write everywhere")
    result = convcheck("transplant", source, folder / "b.safetensors", *WORDS)
    assert (result.exit_code, "Permission denied" in result.stderr) == (2, True)
    assert list(folder.iterdir()) == []


def test_what_is_read_back_otherwise_gets_no_name(
    convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a disk that drops what it was given."""
    source = single(tmp_path / "a.safetensors")
    read = writing.read_safetensors

    def flipped(path: Path, written: str) -> object:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        return read(path, written)

    monkeypatch.setattr(writing, "read_safetensors", flipped)
    result = convcheck("transplant", source, tmp_path / "b.safetensors", *WORDS)
    assert result.exit_code == 2
    assert "was read back otherwise than it was written" in result.stderr
    assert list(tmp_path.iterdir()) == [source]


def test_a_source_that_changes_meanwhile_is_seen(
    convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = single(tmp_path / "a.safetensors")
    equal = writing._equal

    def changed(back: Stored, stored: Stored, name: str, tick: writing.Tick) -> bool:
        content = bytearray(source.read_bytes())
        content[-1] ^= 1
        source.write_bytes(content)
        return equal(back, stored, name, tick)

    monkeypatch.setattr(writing, "_equal", changed)
    result = convcheck("transplant", source, tmp_path / "b.safetensors", *WORDS)
    assert result.exit_code == 2
    assert not (tmp_path / "b.safetensors").exists()


def test_a_target_that_somebody_else_makes_meanwhile_is_left_alone(
    convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = single(tmp_path / "a.safetensors"), tmp_path / "b.safetensors"
    equal = writing._equal

    def made(*arguments: Any) -> bool:
        target.write_bytes(b"theirs")
        return equal(*arguments)

    monkeypatch.setattr(writing, "_equal", made)
    result = convcheck("transplant", source, target, *WORDS)
    assert result.exit_code == 2
    assert "has been made by somebody else meanwhile" in result.stderr
    assert target.read_bytes() == b"theirs"
    assert {path.name for path in tmp_path.iterdir()} == {"a.safetensors", "b.safetensors"}


def test_ctrl_c_ends_with_130_and_leaves_nothing(
    convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = single(tmp_path / "a.safetensors")

    def interrupted(*_arguments: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "_equal", interrupted)
    result = convcheck("transplant", source, tmp_path / "b.safetensors", *WORDS)
    assert result.exit_code == 130
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGHUP])
def test_who_asks_it_to_end_gets_nothing_left(tmp_path: Path, kind: signal.Signals) -> None:
    def write() -> None:
        with ending_in_order(), Staging() as staging, staging.create(tmp_path / "b.safetensors") as file:
            file.write(b"half")
            os.kill(os.getpid(), kind)
            time.sleep(60)

    before = signal.getsignal(kind)
    with pytest.raises(SystemExit) as ended:
        write()
    assert ended.value.code == 128 + kind
    assert signal.getsignal(kind) is before
    assert list(tmp_path.iterdir()) == []
