"""`convcheck scan` finds layers as they are called, says why it skips others, and leaves the model as it was."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from typer.testing import Result

import convcheck as package
from convcheck.errors import ConvcheckError
from convcheck.models import verdicts
from convcheck.models.records import Gain, LayerLine, ScanReport
from convcheck.proof.verification import verify as prove
from convcheck.report.plain_console import UNLIMITED, print_to_text
from convcheck.report.tables.scan_table import scan_tables
from convcheck.timing import rounds
from tests.models import nets

Run = Callable[..., Result]

MODEL = "tests.models.nets:{}()"
IMAGE = ["-i", "1,3,8,8"]


@pytest.fixture(autouse=True)
def _few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "BLOCK", 0.0)
    monkeypatch.setattr(rounds, "SECONDS", 0.0)


def scanned(convcheck: Run, name: str, *words: str, code: int = 0) -> dict[str, Any]:
    result = convcheck("scan", MODEL.format(name), *words, "--trust", "-f", "json")
    assert result.exit_code == code, result.output
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


def by_path(printed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {path: line for line in printed["layers"] for path in line["paths"]}


def test_layers_are_listed_with_their_real_inputs_and_those_that_are_alike_once(convcheck: Run) -> None:
    printed = scanned(convcheck, "Net", *IMAGE)
    assert printed["schema"] == 1
    assert printed["ok"] is True
    lines = {tuple(line["paths"]): line for line in printed["layers"]}
    fc1 = lines["blocks.0.fc1", "blocks.1.fc1"]
    assert fc1["layer"] == "Linear(in_features=8, out_features=16, bias=True)"
    assert fc1["inputs"] == [[1, 4, 8]]
    assert (fc1["calls"], fc1["params"], fc1["skipped"]) == (1, 8 * 16 + 16, None)
    patches = lines[("patches",)]
    assert {"patchify-linear", "unfold-matmul"} <= {one["rewrite"] for one in patches["rewrites"]}
    for line in printed["layers"]:
        for one in line["rewrites"]:
            assert {"rewrite", "verdict", "ok", "reason", "sizes", "bench"} <= one.keys()
            assert (one["verdict"], one["ok"], one["bench"]) == ("equal", True, {})


def test_a_rewrite_that_takes_far_more_work_is_left_out_unless_named(convcheck: Run) -> None:
    printed = scanned(convcheck, "Net", *IMAGE)
    assert "broadcast-sum" in printed["left_out"]
    named = scanned(convcheck, "Net", *IMAGE, "-r", "broadcast-sum")
    assert [one["rewrite"] for one in by_path(named)["head"]["rewrites"]] == ["broadcast-sum"]


def test_a_layer_on_inputs_of_two_shapes_is_two_lines_and_is_not_swapped(convcheck: Run) -> None:
    printed = scanned(convcheck, "TwoShapes", *IMAGE, "-r", "patchify-linear")
    assert [(line["paths"], line["inputs"]) for line in printed["layers"]] == [
        (["conv"], [[1, 3, 8, 8]]),
        (["conv"], [[1, 3, 8, 4]]),
    ]
    assert printed["chosen"] == []
    assert "several shapes" in printed["notes"][0]


def test_a_model_that_is_a_layer_itself_has_verdicts_and_is_not_swapped() -> None:
    report = package.scan(nn.Conv2d(3, 4, 2, 2), [1, 3, 4, 4], "patchify-linear")
    assert report.ok
    assert report.layers[0].paths == ("",)
    assert report.chosen == ()
    assert "the model itself" in report.notes[0]


def test_a_layer_that_is_called_by_keyword_is_skipped() -> None:
    (line,) = package.scan(nets.ByKeyword(), [1, 3, 4, 4]).layers
    assert line.skipped == "is called with input, of which its rewrites know nothing"


SKIPPED = {
    "doubled": "forward of its own",
    "hooked": "forward hook",
    "normed": "parametrizations of weight",
    "tied": "shares its weight",
    "shared": "stands in 2 places",
    "unused": "is not called",
    "sized": "called with output_size",
    "attention": "the weights of attention",
}


def test_what_is_no_plain_layer_of_its_own_is_skipped_with_the_reason(convcheck: Run) -> None:
    printed = scanned(convcheck, "Odd", "-i", "1,4,4,4", "-i", "ids=int 1,3")
    lines = by_path(printed)
    assert lines["plain"]["skipped"] is None
    for path, reason in SKIPPED.items():
        assert reason in lines[path]["skipped"], path
        assert lines[path]["rewrites"] == []
    assert lines["hooked"]["inputs"] == [[1, 4, 4, 4]]
    # What an attention holds is a part of it.
    assert "attention.out_proj" not in lines


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_part_of_a_model_is_left_as_it_was() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(4, 4, 1), nn.Dropout(0.5)))
    model = nn.Sequential(nn.Conv2d(3, 4, 2, 2), scripted)
    (line,) = package.scan(model, [1, 3, 4, 4], "patchify-linear").layers
    assert (line.paths, line.rewrites[0].verdict) == (("0",), "equal")
    assert scripted.training
    assert scripted[1].training


def test_only_looks_at_layers_whose_path_matches(convcheck: Run) -> None:
    printed = scanned(convcheck, "Net", *IMAGE, "--only", "blocks.*.fc1", "-r", "linear-as-conv1x1")
    assert [line["paths"] for line in printed["layers"]] == [["blocks.0.fc1", "blocks.1.fc1"]]
    result = convcheck("scan", MODEL.format("Net"), *IMAGE, "--only", "nowhere.*", "--trust")
    assert result.exit_code == 2
    assert "no layer matches nowhere.*" in result.stderr


def test_times_are_those_of_every_dtype_and_the_whole_model_is_timed_where_something_is_worth_it(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convcheck.models import choice

    monkeypatch.setattr(choice, "_worth", lambda line, _dtypes, _least: iter(line.rewrites))
    words = [*IMAGE, "-r", "patchify-linear", "--bench", "--dtype", "float32", "--dtype", "bfloat16"]
    printed = scanned(convcheck, "Net", *words)
    bench = by_path(printed)["patches"]["rewrites"][0]["bench"]
    assert bench.keys() == {"float32", "bfloat16"}
    for gain in bench.values():
        assert gain.keys() == {"reference", "candidate", "ratio", "low", "high"}
        assert gain["low"] <= gain["ratio"] <= gain["high"]
    for whole in printed["whole"].values():
        assert {"before", "after", "ratio", "low", "high"} <= whole.keys()
    assert printed["whole"].keys() == {"float32", "bfloat16"}


def test_lines_are_in_the_order_of_the_time_they_save() -> None:
    report = package.scan(nets.Net(), [1, 3, 8, 8], ["patchify-linear", "linear-as-conv1x1"], bench=True)
    saved = [line.saved("float32") for line in report.layers]
    assert saved == sorted(saved, reverse=True)


def test_every_one_of_alike_layers_is_held_against_its_own_weights() -> None:
    model = nets.Net()
    with torch.no_grad():
        model.blocks[1].fc1.weight[0, 0] = float("nan")
    report = package.scan(model, [1, 3, 8, 8], "linear-as-conv1x1", only="blocks.*.fc1")
    (line,) = report.layers
    (tried,) = line.rewrites
    assert tried.verdict == "different"
    assert tried.reason is not None
    assert tried.reason.startswith("blocks.1.fc1")
    assert not report.ok


def test_the_model_is_left_as_it_was() -> None:
    model = nets.Net()
    model.blocks[0].train(False)
    model.head.weight.grad = torch.ones_like(model.head.weight)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items() if name != "calls"}
    modes = [module.training for module in model.modules()]
    random = torch.get_rng_state()
    report = package.scan(model, torch.randn(1, 3, 8, 8), "patchify-linear")
    random_after = torch.get_rng_state()
    assert report.layers
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in before.items())
    assert torch.equal(model.head.weight.grad, torch.ones_like(model.head.weight))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    # The input was drawn here.
    assert not torch.equal(random, random_after)
    package.scan(model, [1, 3, 8, 8], "patchify-linear")
    assert torch.equal(random_after, torch.get_rng_state())


def test_a_model_that_hooks_its_layers_when_it_is_called_has_them_off_again() -> None:
    model = nets.Recording()
    report = package.scan(model, [1, 3, 4, 4], "patchify-linear")
    assert report.ok
    assert not model.conv._forward_hooks
    assert (model.installed, model.record) == (False, [])
    assert len(model(torch.zeros(1, 3, 4, 4))) == 1


@pytest.mark.parametrize(
    "inputs",
    [
        (torch.zeros(1, 4, 4, 4),),
        ["1,4,4,4", "ids=int 1,3"],
        {"x": [1, 4, 4, 4], "ids": torch.zeros(1, 3, dtype=torch.long)},
        {"x": torch.zeros(1, 4, 4, 4), "ids": "int 1,3"},
    ],
)
def test_inputs_are_tensors_shapes_or_texts(inputs: Any) -> None:
    if isinstance(inputs, tuple):
        with pytest.raises(ConvcheckError, match="missing 1 required keyword-only argument: 'ids'"):
            package.scan(nets.Odd(), inputs)
        return
    assert package.scan(nets.Odd(), inputs, "pointwise-linear").ok


def test_real_values_are_read_from_a_file(convcheck: Run, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    file = tmp_path / "x.safetensors"
    save_file({"x": torch.randn(1, 3, 8, 8)}, file)
    printed = scanned(convcheck, "Net", "-i", f"{file}:x", "-r", "patchify-linear")
    assert by_path(printed)["patches"]["inputs"] == [[1, 3, 8, 8]]


BAD = {
    "a model that raises": (["Raises()", "-i", "1,2"], "nets.py:"),
    "a model that wants more": (["Wants()", "-i", "1,3"], "it takes (x, mask)"),
    "a wrong shape": (["Net()", "-i", "1,4,8,8"], "the model raises"),
    "no such name": (["Nett()", "-i", "1,2"], "Net"),
    "no model": (["functional", "-i", "1,2"], "no class, function or torch.nn.Module"),
    "nothing to rewrite": (["NoLayers()", "-i", "1,2"], "no layer of it has rewrites"),
    "an unknown rewrite": (["Net()", *IMAGE, "-r", "patchify-linera"], "patchify-linear"),
    "an unknown dtype": (["Net()", *IMAGE, "--dtype", "float31"], "float32"),
    "an unreadable input": (["Net()", "-i", "1,x"], "1,x"),
    "nothing that could be swapped": (["Net()", *IMAGE, "--apply", "x.safetensors"], "give one of them"),
    "no safetensors": (["Net()", *IMAGE, "-r", "fft", "--apply", "x.pt"], "does not end in .safetensors"),
    "no folder": (["Net()", *IMAGE, "-r", "fft", "--apply", "no/x.safetensors"], "no folder"),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_message_and_exit_code_2(convcheck: Run, words: str) -> None:
    (name, *rest), said = BAD[words]
    result = convcheck("scan", f"tests.models.nets:{name}", *rest, "--trust")
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert result.stdout == ""


def test_nothing_is_imported_without_trust(convcheck: Run) -> None:
    result = convcheck("scan", "tests.models.no_such_module:Net()", *IMAGE)
    assert result.exit_code == 2
    assert "--trust" in result.stderr
    result = convcheck("scan", "Conv2d(3, 4, 2)", *IMAGE)
    assert result.exit_code == 2
    assert "is no code" in result.stderr


def test_what_the_model_prints_stays_out_of_the_results(convcheck: Run) -> None:
    result = convcheck("scan", MODEL.format("Net"), *IMAGE, "-r", "patchify-linear", "--trust")
    assert "a print of the model's own" not in result.stdout
    assert "a print of the model's own" in result.stderr


def test_an_interrupt_keeps_what_was_finished(convcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def interrupted(claim: Any) -> Any:
        calls.append(claim)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return prove(claim)

    monkeypatch.setattr(verdicts, "verify", interrupted)
    words = [*IMAGE, "-r", "patchify-linear", "-r", "linear-as-conv1x1"]
    printed = scanned(convcheck, "Net", *words, code=130)
    assert printed["interrupted"] is True
    assert len(printed["layers"]) == 1


def test_a_fault_of_our_own_is_an_error_and_ends_with_3(convcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_claim: Any) -> Any:
        raise AssertionError("ours")

    monkeypatch.setattr(verdicts, "verify", failing)
    printed = scanned(convcheck, "Net", *IMAGE, "-r", "patchify-linear", code=3)
    assert by_path(printed)["patches"]["rewrites"][0]["verdict"] == "error"


def test_layers_are_saved_as_cases_that_verify_reads(convcheck: Run, tmp_path: Path) -> None:
    saved = tmp_path / "cases.yaml"
    words = ["Net", *IMAGE, "-r", "patchify-linear", "--save", str(saved)]
    scanned(convcheck, *words)
    kept = convcheck("verify", saved, "-f", "json")
    assert kept.exit_code == 0, kept.output
    assert [result["case"] for result in json.loads(kept.stdout)["results"]] == ["patches"]
    scanned(convcheck, "TwoShapes", *words[1:-1], str(saved), "--overwrite")
    assert convcheck("verify", saved).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["cases.yaml"]
    again = convcheck("scan", MODEL.format("Net"), *words[1:], "--trust")
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    nowhere = convcheck("scan", MODEL.format("Net"), *words[1:-1], tmp_path / "no" / "x.yaml", "--trust")
    assert nowhere.exit_code == 2
    assert "cannot be written" in nowhere.stderr


@pytest.fixture(scope="module")
def report() -> ScanReport:
    return package.scan(nets.Net(), [1, 3, 8, 8], ["patchify-linear", "linear-as-conv1x1"])


@pytest.mark.parametrize("width", [UNLIMITED, 120, 80, 40])
def test_the_table_has_every_word_at_any_width(report: ScanReport, width: int) -> None:
    text = print_to_text(lambda console: scan_tables(report, console), width)
    words = " ".join(text.split())
    for word in ("patches", "blocks.*.fc1 (2)", "patchify-linear", "equal", "would be swapped", "skipped: none of"):
        assert word in words, text
    assert max(map(len, text.splitlines())) <= width or width == 40


def test_a_line_is_a_block_with_a_row_for_every_rewrite_and_dtype(report: ScanReport) -> None:
    gain = Gain(reference=2e-3, candidate=1e-3, ratio=2.0, low=1.5, high=2.5)
    (line,) = [line for line in report.layers if line.paths == ("patches",)]
    (one,) = line.rewrites
    wrong = replace(one, rewrite="unfold-matmul", ok=False, reason="it differs")
    chain = replace(line, merged=(("norm",),), rewrites=(replace(one, bench={"float32": gain}), wrong))
    blocks = replace(report, layers=(line, chain), dtypes=("float32", "bfloat16"), notes=(), chosen=(), left_out=())
    timed = ["float32", "2", "1.5", "to", "2.5", "2", "ms", "/", "1", "ms", "1", "ms"]
    for width in (UNLIMITED, 60):
        text = print_to_text(lambda console: scan_tables(blocks, console), width)
        words = text.partition("patches + ")[2].split()
        first = words.index(one.rewrite)
        assert words[first - 2 : first + 13] == ["✓", "equal", one.rewrite, *timed]
        assert "✗ equal" in text
        assert "\n    it differs\n" in text
        assert text.endswith("\n1 layer and 1 chain with rewrites, 3 verdicts, 1 not equal")


def test_a_model_on_the_meta_device_or_a_script_is_refused() -> None:
    with torch.device("meta"):
        model = nets.Net()
    with pytest.raises(ConvcheckError, match="meta device"):
        package.scan(model, [1, 3, 8, 8])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of torch advise against scripts
        script = torch.jit.trace(nn.Conv2d(3, 4, 1), torch.zeros(1, 3, 4, 4))
    with pytest.raises(ConvcheckError, match="ScriptModule"):
        package.scan(script, [1, 3, 4, 4])
    with pytest.raises(ConvcheckError, match="no module of torch"):
        package.scan("Net", [1, 3, 8, 8])  # type: ignore[arg-type]


def test_the_best_of_a_line_counts_its_calls() -> None:
    from convcheck.models.records import Tried

    gain = Gain(3.0, 1.0, 3.0, 2.0, 4.0)
    tried = Tried("patchify-linear", "equal", True, bench={"float32": gain})  # type: ignore[arg-type]
    line = LayerLine(("a", "b"), "Conv2d(1, 1, 1)", ((1, 1, 1, 1),), 3, 2, (tried,))
    assert line.saved("float32") == 12.0
    assert line.saved("bfloat16") == 0.0
