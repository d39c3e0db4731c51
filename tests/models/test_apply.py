"""A swap is proved before it is written, written whole or not at all, and loads without convcheck."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from typer.testing import Result

import convcheck as package
from convcheck.errors import ConvcheckError
from convcheck.models import apply, whole_check
from convcheck.models.example import read_example
from convcheck.models.scan import Asked, scan
from tests.models import nets

Run = Callable[..., Result]

TOP = Path(__file__).parents[2]
WORDS = ["scan", "tests.models.nets:Net()", "-i", "1,3,8,8", "--trust"]
NAMED = [*WORDS, "-r", "patchify-linear", "-r", "conv1x1-unpatchify", "-r", "linear-as-conv1x1"]

FRESH = """
import sys, torch
from safetensors.torch import load_file
import out_swap
from tests.models.nets import Net

torch.manual_seed(1)
model = out_swap.swap(Net()).eval()
model.load_state_dict(load_file("out.safetensors"), strict=True)
x = torch.load("x.pt")
with torch.no_grad():
    output = model(x)["logits"]
back = out_swap.swap_back(model)
torch.save({"output": output, "state": back.state_dict()}, "fresh.pt")
assert not any(name.partition(".")[0] == "convcheck" for name in sys.modules)
"""


def applied(convcheck: Run, out: Path, *words: str, code: int = 0) -> dict[str, Any]:
    result = convcheck(*NAMED, "--apply", out, "-f", "json", *words)
    assert result.exit_code == code, result.output
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


def test_saved_weights_load_into_the_swapped_class_in_a_process_without_convcheck(
    convcheck: Run, tmp_path: Path
) -> None:
    printed = applied(convcheck, tmp_path / "out.safetensors")
    assert set(printed["applied"]) == {
        "patches", "up", "head", "blocks.0.fc1", "blocks.0.fc2", "blocks.1.fc1", "blocks.1.fc2"
    }  # fmt: skip
    assert printed["check"]["status"] in ("identical", "within-bound")
    assert printed["check"].keys() >= {"status", "max_abs", "bound", "argmax_agree"}
    assert printed["files"].keys() == {"weights", "code", "config", "before"}
    # All of these have a way back by themselves.
    assert printed["files"]["before"] is None
    # The weights of the class that the command line made, which are drawn from its text.
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        assert "out_swap.py" in file.metadata()["convcheck"]
    x = torch.randn(1, 3, 8, 8)
    torch.save(x, tmp_path / "x.pt")
    (tmp_path / "fresh.py").write_text(FRESH)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TOP), str(tmp_path)])}
    subprocess.run([sys.executable, "fresh.py"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    fresh = torch.load(tmp_path / "fresh.pt")
    original = nets.Net().eval()
    original.load_state_dict(fresh["state"])
    with torch.no_grad():
        torch.testing.assert_close(original(x)["logits"], fresh["output"], rtol=1e-4, atol=1e-5)


def test_the_way_back_of_what_was_written_is_the_models_own_state_bit_for_bit(tmp_path: Path) -> None:
    model = nets.Net()
    report = scan(model, read_example([1, 3, 8, 8]), "Net", Asked(("patchify-linear", "conv1x1-unpatchify")))
    report, text, swaps = apply.swapped_in(model, report)
    files = apply.files_for(str(tmp_path / "net.v2.safetensors"), overwrite=False)
    apply.write(model, report, text, swaps, files)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "net.v2.safetensors", "net_v2_swap.py", "net_v2_swap.yaml"
    ]  # fmt: skip
    code = ModuleType("swapped")
    exec(Path(files.code).read_text(), vars(code))
    back = code.convert_state_back(load_file(files.weights))
    assert back.keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, back[name]) for name, tensor in model.state_dict().items())


def test_the_written_config_is_a_gate_that_verify_keeps(convcheck: Run, tmp_path: Path) -> None:
    printed = applied(convcheck, tmp_path / "out.safetensors", "--only", "patches")
    config = printed["files"]["config"]
    kept = convcheck("verify", config, "--trust", "-f", "json")
    assert kept.exit_code == 0, kept.output
    assert {result["verdict"] for result in json.loads(kept.stdout)["results"]} == {"equal"}
    code = Path(printed["files"]["code"])
    wrong = code.read_text().replace('"o i kh kw -> o (i kh kw)"', '"o i kh kw -> o (i kw kh)"', 1)
    assert wrong != code.read_text()
    code.write_text(wrong)
    # Python takes a file of the same second and length for the one that it compiled.
    os.utime(code, (0, 0))
    assert convcheck("verify", config, "--trust").exit_code == 1
    assert convcheck("verify", config).exit_code == 2


WRONG = {
    "another order": ('"o i kh kw -> o (i kh kw)"', '"o i kh kw -> o (i kw kh)"'),
    "a weight that is a little off": (
        'rearrange(state_dict["weight"],',
        '(1 + 1e-6) * rearrange(state_dict["weight"],',
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_swap_is_different(fault: str) -> None:
    due, wrong = WRONG[fault]
    model = nets.Net()
    report = scan(model, read_example([1, 3, 8, 8]), "Net", Asked(("patchify-linear",)))
    swaps = apply.keys_of(report.layers, report.chosen)
    text = apply.swap_text("Net", swaps)
    assert due in text
    code = apply.load_text(text.replace(due, wrong, 1))
    check = whole_check.check(model, report.example, code, swaps)
    assert check.status == "different"
    assert check.reason is not None


def test_a_swap_that_computes_something_else_is_exit_1_and_leaves_no_file(
    convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convcheck.models.records import Check

    monkeypatch.setattr(apply, "check", lambda *_: Check("different", 1.0, 0.1, reason="planted"))
    printed = applied(convcheck, tmp_path / "out.safetensors", code=1)
    assert (printed["applied"], printed["files"], printed["ok"]) == ([], None, False)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_there_are_written_over_when_told_only(convcheck: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    (tmp_path / "out_swap.yaml").write_text("mine")
    result = convcheck(*NAMED, "--apply", out)
    assert result.exit_code == 2
    assert "is there already; add --overwrite" in result.stderr
    assert (tmp_path / "out_swap.yaml").read_text() == "mine"
    assert not out.exists()
    applied(convcheck, out, "--overwrite", "--only", "patches")
    assert out.exists()
    assert (tmp_path / "out_swap.yaml").read_text() != "mine"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_goes_wrong_while_writing_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    model = nets.Net()
    report = scan(model, read_example([1, 3, 8, 8]), "Net", Asked(("patchify-linear",)))
    report, text, swaps = apply.swapped_in(model, report)
    out = tmp_path / "out.safetensors"
    save_file({"x": torch.ones(1)}, out)
    before = out.read_bytes()
    files = apply.files_for(str(out), overwrite=True)
    write_text = Path.write_text

    def full(path: Path, *_text: Any, **_settings: Any) -> int:
        write_text(path, "half")
        raise error

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ConvcheckError):
        apply.write(model, report, text, swaps, files)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out.safetensors"]


def test_nothing_that_is_worth_it_is_no_swap(convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convcheck.timing import rounds

    monkeypatch.setattr(rounds, "BLOCK", 0.0)
    monkeypatch.setattr(rounds, "SECONDS", 0.0)
    words = [*WORDS, "-r", "patchify-linear", "--bench", "--min-speedup", "1e9", "-f", "json"]
    result = convcheck(*words, "--apply", tmp_path / "out.safetensors")
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert (printed["applied"], printed["files"], printed["chosen"]) == ([], None, [])
    assert list(tmp_path.iterdir()) == []


def test_python_swaps_in_place_what_was_scanned() -> None:
    model = nets.Net()
    x = torch.randn(1, 3, 8, 8)
    due = model.eval()(x)["logits"]
    report = package.scan(model, [1, 3, 8, 8], "patchify-linear")
    assert package.swap(model, report) is model
    assert not isinstance(model.patches, nn.Conv2d)
    torch.testing.assert_close(model(x)["logits"], due, rtol=1e-4, atol=1e-5)
    nothing = package.scan(model, [1, 3, 8, 8], "winograd")
    with pytest.raises(ConvcheckError, match="nothing to swap"):
        package.swap(model, nothing)


def test_a_python_swap_that_is_not_proved_leaves_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from convcheck.models.records import Check

    monkeypatch.setattr(apply, "check", lambda *_: Check("different", 1.0, 0.1, reason="planted"))
    model = nets.Net()
    with pytest.raises(ConvcheckError, match="planted"):
        package.swap(model, package.scan(model, [1, 3, 8, 8], "patchify-linear"))
    assert isinstance(model.patches, nn.Conv2d)


def test_a_model_that_rounds_as_before_is_identical() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x)

    model = Plain()
    report = scan(model, read_example([1, 2, 6, 6]), "Plain", Asked(("explicit-pad",)))
    done, _, _ = apply.swapped_in(model, report)
    assert done.check is not None
    # Padding written out goes through the same kernel or one of another rounding.
    assert done.check.status in ("identical", "within-bound")
