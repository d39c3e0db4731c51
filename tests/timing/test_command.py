"""What `convcheck bench` prints, what it refuses, and how it ends. Nothing here depends on how fast anything is."""

from __future__ import annotations

import builtins
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import Result

from convcheck.cli import bench
from convcheck.report import drawing
from convcheck.timing import compare, compiler, rounds
from convcheck.timing import run as timing_run

Run = Callable[..., Result]

CONV = ["Conv2d(3, 4, 2, stride=2)", "-i", "1,3,4,6"]

CODE = """
from torch import nn

class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(12, 4)

    def forward(self, x):
        print("the user's own print")
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5)
        return self.proj(x.reshape(b, h // 2, w // 2, 12)).permute(0, 3, 1, 2)

class OnlyInRows(Patches):
    def forward(self, x):
        if not x.is_contiguous():
            raise ValueError("rows only")
        return super().forward(x)
"""


@pytest.fixture(autouse=True)
def _few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "BLOCK", 0.0)
    monkeypatch.setattr(rounds, "SECONDS", 0.0)
    monkeypatch.setattr(bench, "LOOK", 0.001)


@pytest.fixture
def code(tmp_path: Path) -> str:
    path = tmp_path / "code.py"
    path.write_text(CODE)
    return str(path)


def timed(convcheck: Run, *words: str) -> tuple[int, dict[str, Any]]:
    result = convcheck("bench", *words, "-f", "json")
    assert result.exit_code in (0, 1), result.output
    return result.exit_code, json.loads(result.stdout)


SIDE = {"median", "low", "high", "cold", "gflops", "gb_per_s", "peak_bytes"}
FIELDS = {
    "case", "rewrite", "dtype", "threads", "device", "pass", "channels_last", "compile", "rounds",
    "reference", "candidate", "ratio", "said",
}  # fmt: skip


def check_fields(result: dict[str, Any]) -> None:
    """See that a result has what a program relies on, and that its numbers are possible and go together."""
    assert result.keys() == FIELDS
    assert result["pass"] in ("forward", "backward")
    ratio = result["ratio"]
    assert ratio.keys() == {"median", "low", "high"}
    assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
    said = "faster" if ratio["low"] > 1 else "slower" if ratio["high"] < 1 else "no difference"
    assert result["said"] == said
    for side in (result["reference"], result["candidate"]):
        assert side.keys() == SIDE
        assert 0 < side["low"] <= side["median"] <= side["high"]
        assert side["cold"] > 0
        assert side["peak_bytes"] > 0


def test_every_rewrite_is_timed_forwards_and_backwards_in_every_dtype(convcheck: Run) -> None:
    rewrites = ["patchify-linear", "unfold-matmul"]
    words = [word for name in rewrites for word in ("-r", name)]
    code, printed = timed(
        convcheck, *CONV, *words, "--dtype", "bf16", "--dtype", "double", "--threads", "1", "--backward"
    )
    assert code == 0
    assert printed["schema"] == 1
    assert printed["tool"].keys() == {"convcheck", "torch", "python", "device", "threads"}
    assert (printed["ok"], printed["interrupted"], printed["untried"], printed["not_timed"]) == (True, False, 0, [])
    results = printed["results"]
    for result in results:
        check_fields(result)
        assert result["device"] == "cpu"
        assert result["threads"] == 1
        assert result["rounds"] == rounds.FEWEST
    ways = [(result["dtype"], result["rewrite"], result["pass"]) for result in results]
    assert ways == [
        (dtype, rewrite, direction)
        for dtype in ("bfloat16", "float64")
        for rewrite in rewrites
        for direction in ("forward", "backward")
    ]
    summary = printed["summary"]
    assert summary["total"] == len(results) == sum(summary[word] for word in ("faster", "slower", "no difference"))


def test_operations_and_bytes_a_second_are_those_of_a_call(convcheck: Run) -> None:
    _, printed = timed(convcheck, *CONV, "-r", "patchify-linear", "--backward")
    forward, backward = printed["results"]
    # 24 outputs of 12 products; 72 inputs, 52 parameters and 24 outputs of 4 bytes.
    for side in (forward["reference"], forward["candidate"]):
        assert side["gflops"] * side["median"] == pytest.approx(1e-9 * 2 * 24 * 12)
        assert side["gb_per_s"] * side["median"] == pytest.approx(1e-9 * 4 * (72 + 52 + 24))
        assert side["peak_bytes"] >= 4 * 24
    assert {backward[side][rate] for side in ("reference", "candidate") for rate in ("gflops", "gb_per_s")} == {None}


def test_every_number_of_threads_is_timed_once(convcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    before = torch.get_num_threads()
    words = ["--threads", "2", "--threads", "1", "--threads", "2"]
    _, printed = timed(convcheck, *CONV, "-r", "patchify-linear", *words)
    assert [result["threads"] for result in printed["results"]] == [2, 1]
    assert torch.get_num_threads() == before


def test_own_code_is_timed_where_it_is_trusted(convcheck: Run, code: str) -> None:
    words = [*CONV, "--candidate", f"{code}:Patches()"]
    ended, printed = timed(convcheck, *words, "--trust", "--backward")
    assert ended == 0
    assert [result["pass"] for result in printed["results"]] == ["forward", "backward"]
    for result in printed["results"]:
        check_fields(result)
        assert result["rewrite"] is None
    refused = convcheck("bench", *words)
    assert refused.exit_code == 2
    assert "--trust" in refused.stderr


def test_what_does_not_verify_is_listed_and_not_timed(
    convcheck: Run, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(timing_run, "compare", never)
    wrong = "proj.weight=weight: o i kh kw -> o (kh kw i)"
    words = [*CONV, "--candidate", f"{code}:Patches()", "--map", wrong, "--map", "proj.bias=bias", "--trust"]
    ended, printed = timed(convcheck, *words)
    assert ended == 1
    assert (printed["ok"], printed["results"]) == (False, [])
    (refused,) = printed["not_timed"]
    assert refused.keys() == {"case", "rewrite", "dtype", "device", "verdict", "reason", "reproduce"}
    assert refused["verdict"] == "different"
    assert "o (i kh kw)" in refused["reason"]
    shown = convcheck("bench", *words)
    assert shown.exit_code == 1
    assert "not timed: conv2d-3-4-k2-s2-as-patches in float32: different\n    weight was laid out" in shown.stdout
    assert shown.stdout.endswith("\n0 comparisons: 1 not timed\n")


def test_the_others_are_timed_beside_what_does_not_verify(convcheck: Run) -> None:
    ended, printed = timed(
        convcheck, "Conv2d(3, 4, 3, stride=2)", "-i", "1,3,7,7", "-r", "patchify-linear", "-r", "taps-sum"
    )
    assert ended == 1
    assert [refused["rewrite"] for refused in printed["not_timed"]] == ["patchify-linear"]
    assert printed["not_timed"][0]["verdict"] == "refused"
    assert [result["rewrite"] for result in printed["results"]] == ["taps-sum"]


def test_what_is_proved_and_does_not_run_as_asked_is_listed(convcheck: Run, code: str) -> None:
    words = [*CONV, "--candidate", f"{code}:OnlyInRows()", "--trust", "--channels-last"]
    ended, printed = timed(convcheck, *words)
    assert ended == 1
    (refused,) = printed["not_timed"]
    assert refused["verdict"] == "equal"
    assert refused["reason"] == f"could not be timed: {code}:18: ValueError: rows only"


def test_only_cases_with_images_are_laid_out_channels_last(convcheck: Run, tmp_path: Path) -> None:
    config = tmp_path / "two.yaml"
    config.write_text(
        "cases:\n"
        "  - {layer: 'Conv2d(3, 4, 2, stride=2)', input: [1, 3, 4, 6], rewrite: patchify-linear}\n"
        "  - {layer: 'Conv1d(3, 4, 2, stride=2)', input: [1, 3, 6], rewrite: patchify-linear}\n"
    )
    _, printed = timed(convcheck, str(config), "--channels-last")
    assert [result["channels_last"] for result in printed["results"]] == [True, False]


def test_an_interrupted_run_reports_what_is_finished(convcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def once(*arguments: Any) -> Any:
        if calls:
            raise KeyboardInterrupt
        calls.append(arguments)
        return compare.compare(*arguments)

    monkeypatch.setattr(timing_run, "compare", once)
    result = convcheck("bench", *CONV, "-r", "patchify-linear", "-r", "taps-sum", "-f", "json")
    printed = json.loads(result.stdout)
    assert result.exit_code == 130
    assert (printed["interrupted"], printed["untried"], len(printed["results"])) == (True, 1, 1)


def test_a_fault_of_ours_ends_with_3_and_the_others_are_timed(convcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(claim: Any, *arguments: Any) -> Any:
        if claim.name == "taps-sum":
            raise ZeroDivisionError
        return compare.compare(claim, *arguments)

    monkeypatch.setattr(timing_run, "compare", broken)
    result = convcheck("bench", *CONV, "-r", "taps-sum", "-r", "patchify-linear", "-f", "json")
    printed = json.loads(result.stdout)
    assert result.exit_code == 3
    assert "ZeroDivisionError" in result.stderr
    assert [refused["verdict"] for refused in printed["not_timed"]] == ["error"]
    assert [result["rewrite"] for result in printed["results"]] == ["patchify-linear"]


REFUSED = {
    "an unknown dtype": ([*CONV, "--dtype", "int8"], "'int8' is no dtype"),
    "no thread": ([*CONV, "--threads", "0"], "0 is no number of threads"),
    "threads that no machine has": ([*CONV, "--threads", "1000000"], "1000000 is no number of threads"),
    "threads that are no number": ([*CONV, "--threads", "two"], "not a valid int"),
    "channels last of no image": (["Linear(3, 4)", "--channels-last"], "--channels-last is for inputs of 4 or 5 axes"),
    "an unknown rewrite": ([*CONV, "-r", "none"], "unknown rewrite"),
    "a figure in a file": ([*CONV, "--figure", __file__], "--figure"),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses(convcheck: Run, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str) -> None:
    monkeypatch.setattr(drawing, "find_spec", lambda _name: importlib.util.find_spec("json"))
    result = convcheck("bench", *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_torch_that_cannot_compile_is_said_in_one_line(convcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler(_function: object) -> object:
        raise RuntimeError("no C++ compiler\nand more lines")

    monkeypatch.setattr(compiler.torch, "compile", no_compiler)
    result = convcheck("bench", *CONV, "--compile")
    assert result.exit_code == 2
    assert "error: --compile: torch.compile cannot run here: no C++ compiler\n" in result.stderr


def test_both_sides_are_compiled_where_that_is_asked_for(convcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []

    def remember(module: Any) -> Any:
        compiled.append(type(module).__name__)
        return module

    monkeypatch.setattr(compiler.torch, "compile", remember)
    _, printed = timed(convcheck, *CONV, "-r", "patchify-linear", "--compile")
    assert [result["compile"] for result in printed["results"]] == [True]
    # The first is a look at whether there is a compiler.
    assert compiled[1:] == ["Conv2d", "PatchifyLinear"]


def test_without_matplotlib_a_figure_is_refused_before_anything_runs(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(drawing, "find_spec", lambda _name: None)
    result = convcheck("bench", *CONV, "--figure", tmp_path / "plots")
    assert result.exit_code == 2
    assert "--figure needs matplotlib, which is not installed; pip install matplotlib" in result.stderr
    assert not (tmp_path / "plots").exists()


def test_a_figure_is_drawn_where_it_is_asked_for(convcheck: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = convcheck("bench", *CONV, "-r", "patchify-linear", "--figure", tmp_path / "new" / "plots")
    assert result.exit_code == 0
    assert (tmp_path / "new" / "plots" / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_figure_matplotlib_is_never_imported(convcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    original = builtins.__import__

    def watched(name: str, *more: Any, **named: Any) -> Any:
        imported.append(name)
        return original(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", watched)
    assert convcheck("bench", *CONV, "-r", "patchify-linear").exit_code == 0
    assert imported
    assert not any(name.partition(".")[0] == "matplotlib" for name in imported)


def test_names_are_listed_and_nothing_is_timed(convcheck: Run) -> None:
    result = convcheck("bench", *CONV, "-r", "patchify-linear", "--dtype", "float32", "--dtype", "float64", "--list")
    assert (result.exit_code, result.stdout) == (0, "conv2d-3-4-k2-s2[patchify-linear]\n")


@pytest.mark.parametrize(("busy", "is_said"), [(99.0, True), (3.0, False)])
def test_a_busy_machine_is_said(convcheck: Run, monkeypatch: pytest.MonkeyPatch, busy: float, is_said: bool) -> None:
    monkeypatch.setattr("psutil.cpu_percent", lambda **_: busy)
    result = convcheck("bench", *CONV, "-r", "patchify-linear")
    assert ("other programs keep the CPUs 99 % busy" in result.stderr) == is_said
