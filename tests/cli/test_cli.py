"""The outside: (arguments, exit code, what is printed), in every command; and how faults and signals end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from convcheck import __version__
from convcheck.cli import main as program

Run = Callable[..., Result]

CONV = "Conv2d(3, 64, kernel_size=4, stride=4)"
PADDED = "Conv2d(3, 64, kernel_size=16, stride=16, padding=2)"
WRONG = """\
cases:
  - name: wrong-on-purpose
    layer: Conv2d(3, 64, kernel_size=4, stride=4)
    input: [1, 3, 32, 32]
    rewrite: patchify-linear
    transplant: {weight: "o i kh kw -> o (kh kw i)"}
"""
MANY = """\
cases:
  - {name: first-bad, layer: "Conv2d(3, 4, 2, stride=2, padding=1)", input: [1, 3, 8, 8], rewrite: patchify-linear}
  - {name: good, layer: "Conv2d(3, 4, 2, stride=2)", input: [1, 3, 8, 8], rewrite: patchify-linear}
  - {name: last-bad, layer: "Conv2d(3, 4, 2, stride=2, dilation=2)", input: [1, 3, 8, 8], rewrite: patchify-linear}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run every test from a folder of its own, with a few configs in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text(WRONG)
    (tmp_path / "expected.yaml").write_text(WRONG + "    expect: {verdict: different}\n")
    (tmp_path / "many.yaml").write_text(MANY)
    (tmp_path / "broken.yaml").write_text("cases:\n  - {layer: Conv2d(3), inputs: 3}\n")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "one.yaml").write_text(MANY.splitlines()[0] + "\n" + MANY.splitlines()[2] + "\n")
    (tmp_path / "empty").mkdir()
    order = 'cases:\n  - {layer: "Conv2d(3, 4, 2, stride=2)", order: kh kw o}\n'
    (tmp_path / "order.yaml").write_text(order)
    return tmp_path


TABLE: dict[str, tuple[list[str], int, list[str]]] = {
    "the config that ships is proved": (
        ["verify"],
        0,
        ["notebook-down", "[4, 128, 3, 5, 6]", "notebook-up", "[4, 48, 3, 10, 12]", "24,576 parameters", "identical"],
    ),
    "the config that ships is counted": (["params"], 0, ["project.weight [128, 192, 1, 1, 1]", "24,576 = 24,576"]),
    "the config that ships is calculated": (["shape"], 0, ["[4, 128, 3, 5, 6]", "8,847,360", "none"]),
    "a layer is proved with all rewrites that hold": (
        ["verify", CONV, "-i", "1,3,32,32"],
        0,
        ["patchify-conv1x1", "patchify-linear", "every verdict as expected"],
    ),
    "a layer without an input gets one, and it is said": (
        ["verify", CONV],
        0,
        ["no -i given", "2,3,13,13", "every verdict as expected"],
    ),
    "one rewrite is chosen": (["verify", CONV, "-r", "patchify-linear"], 0, ["patchify-linear", "1 equal, 1 in all"]),
    "dilation is refused": (
        ["verify", "Conv2d(3, 64, kernel_size=2, stride=2, dilation=2)", "-i", "1,3,9,9", "-r", "patchify-linear"],
        1,
        ["refused", "dilation is (2, 2), and needs to be 1"],
    ),
    "padding is refused": (
        ["verify", PADDED, "-i", "1,3,64,64", "-r", "patchify-linear"],
        1,
        ["refused", "padding is (2, 2), and needs to be 0"],
    ),
    "a layer that no rewrite takes is refused with every reason": (
        ["verify", "order.yaml"],
        1,
        [
            "refused",
            "patchify-conv1x1: order is 'kh kw o'",
            "patchify-linear: order is 'kh kw o', and needs to name each",
        ],
    ),
    "a refusal points to what holds": (
        ["verify", "Conv2d(4, 4, 2, stride=2, groups=2)", "-r", "patchify-linear"],
        1,
        ["groups is 2, and needs to be 1", "what holds: ", "patchify-conv1x1"],
    ),
    "a wrong pattern is different, and the right one named": (
        ["verify", "wrong.yaml"],
        1,
        ["different", "'o i kh kw -> o (kh kw i)'", "'o i kh kw -> o (i kh kw)' matches exactly", "1 not as expected"],
    ),
    "a wrong pattern may be expected": (["verify", "expected.yaml"], 0, ["different", "every verdict as expected"]),
    "where all that hold take long, one is tried": (
        ["verify", "MultiheadAttention(768, 12, batch_first=True)", "-i", "1,197,768", "--list"],
        0,
        ["multiheadattention", "[multihead-sum]"],
    ),
    "an operation takes several inputs": (
        ["verify", "matmul()", "-i", "2,3,4", "-i", "4,5"],
        0,
        ["broadcast-sum", "[2, 3, 5]", "1 equal"],
    ),
    "an operation with an input too few": (["verify", "mm()", "-i", "2,3"], 2, ["mm takes 2 inputs, and 1 was given"]),
    "a chain of an operation and a layer": (["shape", "mm()", "Linear(4, 5)", "-i", "2,3", "-i", "3,4"], 0, ["[2, 5]"]),
    "a module as torch prints it": (
        [
            "verify",
            "-v",
            "Sequential(\n  (0): Conv2d(3, 4, kernel_size=(1, 1), stride=(1, 1))\n  (1): BatchNorm2d(4)\n)",
        ],
        0,
        ["fold-batchnorm", "0.25 or 0.0625", "1 equal"],
    ),
    "a folder is searched": (["verify", "configs"], 0, ["good", "1 equal"]),
    "a file and a layer go together": (["verify", "configs", CONV, "-r", "patchify-linear"], 0, ["good", "2 equal"]),
    "a layer too large for this machine cannot be run": (
        ["verify", "Conv2d(10000, 10000, 64)", "-r", "unfold-matmul"],
        1,
        ["error", "could not be run: the proof needs about", "TiB of memory, and"],
    ),
    "a layer too large for any machine is bad input": (
        ["verify", "Conv2d(100000, 100000, 64)"],
        2,
        ["unfold-matmul]: the proof needs about", "PiB of memory, which no machine has"],
    ),
    "only the unexpected is printed if quiet": (
        ["verify", "many.yaml", "-q"],
        1,
        ["first-bad", "last-bad", "2 refused"],
    ),
    "all evidence is printed if verbose": (
        ["verify", CONV, "-r", "patchify-linear", "-v"],
        0,
        [
            "project.weight: o i kh kw -> o (i kh kw)",
            "identical on 1 probe;",
            "referee",
            "again convcheck verify",
        ],
    ),
    "cases are chosen by name": (["verify", "many.yaml", "-k", "good or nothing"], 0, ["good", "1 in all"]),
    "names are listed": (["verify", "many.yaml", "--list"], 0, ["first-bad[patchify-linear]", "good[patchify-linear]"]),
    "shape says what is dropped": (
        ["shape", "Conv2d(3, 1152, kernel_size=14, stride=14, padding='valid')", "-i", "1,3,384,384"],
        0,
        ["[1, 1152, 27, 27]", "6 rows, 6 columns"],
    ),
    "layers make a chain": (
        ["shape", "Conv2d(3, 8, 3, stride=2, padding=1)", "ConvTranspose2d(8, 3, 2, stride=2)", "-i", "1,3,9,9"],
        0,
        ["[1, 8, 5, 5]", "[1, 3, 10, 10]"],
    ),
    "params needs no input": (
        ["params", CONV],
        0,
        ["weight [64, 3, 4, 4]", "project.weight [64, 48]", "3,136 = 3,136", "yes"],
    ),
    "a repeated bias is no bijection": (
        ["params", "ConvTranspose2d(8, 4, 2, stride=2)"],
        0,
        ["132 / 144", "project.bias [16]", "no"],
    ),
    "params of a refused rewrite": (["params", PADDED, "-r", "patchify-linear"], 1, ["refused", "padding is (2, 2)"]),
    "params of a layer without a rewrite": (["params", "Linear(3, 4)"], 0, ["weight [4, 3]", "16"]),
    "the catalogue is listed": (["rewrites"], 0, ["patchify-linear", "conv1x1-unpatchify", "one-to-one"]),
    "a rewrite is explained": (
        ["rewrites", "patchify-linear"],
        0,
        ["project.weight: weight o i kh kw -> o (i kh kw)", "holds when", "self.project = nn.Linear(768, 64)"],
    ),
    "a layer is told what holds for it": (
        ["rewrites", "Conv2d(4, 4, 2, stride=2, groups=2)", "-i", "1,4,8,8"],
        0,
        ["do not hold", "groups is 2, and needs to be 1", "more are made for layers of other kinds"],
    ),
    "a rewrite of a layer is printed as code": (
        ["rewrites", "patchify-linear", "Conv2d(3, 8, 4, stride=4)", "--order", "kh kw i"],
        0,
        ["class PatchifyLinear(nn.Module):", '"... i (h kh) (w kw) -> ... h w (kh kw i)"', "def convert_back("],
    ),
    "a rewrite that does not hold has no code": (
        ["rewrites", "patchify-linear", PADDED],
        1,
        ["patchify-linear does not hold: padding is (2, 2), and needs to be 0"],
    ),
    "an order that a rewrite does not have": (
        ["rewrites", "taps-sum", CONV, "--order", "kh kw i"],
        1,
        ["taps-sum does not hold: order is 'kh kw i'"],
    ),
    "an order of no rewrite": (["rewrites", "--order", "kh kw i"], 2, ["--order goes with a rewrite and a layer"]),
    "an order that is none": (
        ["rewrites", "patchify-linear", CONV, "--order", "kh (kw i)"],
        2,
        ["'kh (kw i)' is not a row of axis names"],
    ),
    "code of an unknown rewrite": (["rewrites", "patchify-liner", CONV], 2, ["did you mean 'patchify-linear'?"]),
    "code of two layers": (["rewrites", CONV, CONV], 2, ["two layers; the name of a rewrite comes first"]),
    "the version comes with torch's": (["--version"], 0, [f"convcheck {__version__} (torch 2."]),
    "help": (["--help"], 0, ["verify", "params", "shape", "rewrites"]),
    "a missing file": (["verify", "wrnog.yaml"], 2, ["there is no file 'wrnog.yaml'; did you mean 'wrong.yaml'?"]),
    "a folder without configs": (["verify", "empty"], 2, ["the folder 'empty' holds no config"]),
    "a broken config": (
        ["verify", "broken.yaml"],
        2,
        [
            "broken.yaml:2:6: cases[0].layer: Conv2d: out_channels is missing",
            "broken.yaml:2:24: cases[0].inputs: unknown key",
        ],
    ),
    "several bad targets": (
        ["verify", "none.yaml", "Conv2d(3)", "empty"],
        2,
        ["there is no file 'none.yaml'", "out_channels is missing", "the folder 'empty' holds no config"],
    ),
    "an empty word": (["shape", "", "-i", "1,3,8,8"], 2, ["a target is empty"]),
    "a layer's name alone": (["rewrites", "Conv2d"], 2, ["did you mean Conv2d(...)?"]),
    "what is neither": (["verify", "nonsense"], 2, ["there is no file or folder 'nonsense', and it is no layer"]),
    "an unknown layer": (["shape", "Convv2d(3, 8, 2)", "-i", "1,3,8,8"], 2, ["did you mean 'Conv2d'?"]),
    "a negative stride": (["shape", "Conv2d(3, 8, 2, stride=-1)", "-i", "1,3,8,8"], 2, ["stride is -1; it must be"]),
    "an unknown rewrite": (["verify", CONV, "-r", "patchify-liner"], 2, ["did you mean 'patchify-linear'?"]),
    "an unknown rewrite to explain": (["rewrites", "patchify-liner"], 2, ["did you mean 'patchify-linear'?"]),
    "an input of the wrong rank": (["verify", CONV, "-i", "3,8"], 2, ["takes [batch, 3, H, W] or [3, H, W]"]),
    "an input with the wrong channels": (
        ["verify", CONV, "-i", "1,4,8,8"],
        2,
        ["3 input channels; [1, 4, 8, 8] has 4"],
    ),
    "an input that is no shape": (["shape", CONV, "-i", "1,3,?"], 2, ["'1,3,?' is not a shape"]),
    "a formula that is none": (["shape", CONV, "-i", "1,3,a/2,b"], 2, ["'a/2' is no length"]),
    "an empty output": (["shape", CONV, "-i", "1,3,3,8"], 2, ["the output would be empty; h must be at least 4"]),
    "an input that is missing": (["shape", CONV], 2, ["an input's shape is needed; add -i, for example -i 2,3,13,13"]),
    "an input for a config": (["verify", "-i", "1,3,8,8"], 2, ["-i is the input of a layer"]),
    "two inputs for one layer": (["verify", CONV, "-i", "1,3,8,8", "-i", "1"], 2, ["takes 1 input, and 2 were given"]),
    "nothing selected": (
        ["verify", "-k", "nothing"],
        2,
        ["selects nothing; there are: notebook-down[patchify-conv1x1]"],
    ),
    "an expression that cannot be read": (["verify", "-k", "a and"], 2, ["a name is missing at the end at column 6"]),
    "an expression of blanks": (["verify", CONV, "-k", " "], 2, ["-k ' ': a name is missing at the end"]),
    "one for shapes": (["shape", CONV, "-i", "1,3,8,8", "-k", " "], 2, ["-k ' ': a name is missing at the end"]),
    "one for parameters": (["params", CONV, "ReLU()", "-k", " "], 2, ["-k ' ': a name is missing at the end"]),
    "an unknown dtype": (
        ["verify", "--dtype", "float31"],
        2,
        ["'float31' is no dtype; there are: float64, float32, bfloat16, float16"],
    ),
    "an unknown device": (["verify", "--device", "gpu"], 2, ["'gpu' is no device"]),
    "a negative seed": (["verify", "--seed", "-1"], 2, ["-1 is no seed; it must be a whole number from 0"]),
    "an unknown format": (["verify", "-f", "xml"], 2, ["unknown format 'xml'; there are: table, "]),
    "an unknown option": (["verify", "--sed", "3"], 2, ["No such option: --sed"]),
    "an unknown command": (["verfy"], 2, ["Did you mean 'verify'?"]),
}


@pytest.mark.parametrize(("words", "code", "printed"), TABLE.values(), ids=TABLE.keys())
def test_prints_and_exits(convcheck: Run, words: list[str], code: int, printed: list[str]) -> None:
    result = convcheck(*words)
    said = result.stdout + result.stderr
    assert result.exit_code == code, said
    # Usage errors come in a frame that folds; the words are what counts.
    flat = " ".join(said.replace("│", " ").split())
    for text in printed:
        assert text in flat
    assert "Traceback" not in said


def test_results_go_to_standard_output_and_faults_to_standard_error(convcheck: Run) -> None:
    good, bad = convcheck("verify"), convcheck("verify", "broken.yaml")
    assert good.stdout
    assert good.stderr.startswith("note: no target given, so the pairs that ship are proved, those of configs/notebook")
    assert bad.stderr
    assert not bad.stdout


def test_quiet_prints_nothing_when_all_is_as_expected(convcheck: Run) -> None:
    result = convcheck("verify", "-q")
    assert (result.stdout, result.stderr, result.exit_code) == ("", "", 0)


def test_fail_fast_stops_at_the_first_unexpected_verdict(convcheck: Run) -> None:
    result = convcheck("verify", "many.yaml", "-x", "-f", "json")
    assert [each["case"] for each in json.loads(result.stdout)["results"]] == ["first-bad"]
    assert result.exit_code == 1
    assert "stopped, 2 not tried" in convcheck("verify", "many.yaml", "-x").stdout


def test_options_win_over_the_config(convcheck: Run) -> None:
    result = convcheck(
        "verify", "--dtype", "bfloat16", "--seed", "5", "-r", "patchify-linear", "-k", "down", "-f", "json"
    )
    (found,) = json.loads(result.stdout)["results"]
    assert (found["dtype"], found["seed"], found["rewrite"]) == ("bfloat16", 5, "patchify-linear")


def test_one_seed_gives_the_same_digits_and_another_seed_others(convcheck: Run) -> None:
    def digits(seed: int) -> object:
        found = json.loads(convcheck("verify", CONV, "-f", "json", "--seed", seed).stdout)["results"]
        return [{key: value for key, value in each.items() if key != "seconds"} for each in found]

    assert digits(1) == digits(1)
    assert digits(1) != digits(2)


def test_the_command_that_is_given_repeats_the_result(convcheck: Run) -> None:
    import shlex

    for words in (
        ["verify", "wrong.yaml"],
        ["verify", CONV, "-r", "patchify-linear", "--dtype", "bfloat16", "--seed", "3"],
    ):
        (first,) = json.loads(convcheck(*words, "-f", "json").stdout)["results"]
        program_name, *again = shlex.split(first["reproduce"])
        (second,) = json.loads(convcheck(*again, "-f", "json").stdout)["results"]
        assert program_name == "convcheck"
        for key in ("layer", "rewrite", "input", "dtype", "seed", "verdict", "error", "transplant"):
            assert first[key] == second[key]


def test_a_missed_expectation_is_missed_again(convcheck: Run, folder: Path) -> None:
    import shlex

    (folder / "missed.yaml").write_text(
        'cases:\n  - {layer: "Conv2d(3, 4, 2, stride=2)", rewrite: patchify-linear, expect: {output: [1, 2, 3]}}\n'
    )
    (found,) = json.loads(convcheck("verify", "missed.yaml", "-f", "json").stdout)["results"]
    assert convcheck(*shlex.split(found["reproduce"])[1:]).exit_code == 1


def test_an_interrupt_reports_what_was_finished_and_exits_with_130(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import convcheck.proof.run as runs
    from convcheck.proof.verification import verify

    calls = []

    def second_is_interrupted(claim: object, *given: object) -> object:
        calls.append(claim)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return verify(claim, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "verify", second_is_interrupted)
    assert "interrupted, 2 not tried" in convcheck("verify", "many.yaml").stdout
    calls.clear()
    result = convcheck("verify", "many.yaml", "-f", "json")
    assert result.exit_code == 130
    assert [each["case"] for each in json.loads(result.stdout)["results"]] == ["first-bad"]


def test_a_fault_of_ours_exits_with_3_and_never_looks_like_a_mismatch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import convcheck.proof.run as runs

    def broken(*_: object) -> object:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(runs, "verify", broken)
    monkeypatch.setattr(sys, "argv", ["convcheck", "verify"])
    with pytest.raises(SystemExit) as stop:
        program.main()
    assert stop.value.code == 3
    said = capsys.readouterr()
    assert "this is a fault of convcheck itself" in said.err
    assert "planted" in said.err
    assert "2 error, 2 in all" in said.out
    assert "different" not in said.out


@pytest.mark.parametrize(("words", "code"), [("rewrites", 0), ("params 'Conv2d(3, 4, 3)' -r patchify-linear", 1)])
def test_a_reader_that_leaves_is_no_fault_and_changes_no_exit_code(words: str, code: int) -> None:
    command = f"{sys.executable} -m convcheck {words} | true"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", code)


def test_what_cannot_be_written_is_said() -> None:
    command = f"{sys.executable} -m convcheck rewrites > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot write to standard output" in done.stderr


@pytest.mark.parametrize(("words", "code"), [("rewrites >&-", 0), ("verify none.yaml 2>&-", 2)])
def test_a_closed_stream_changes_no_exit_code(words: str, code: int) -> None:
    command = f"{sys.executable} -m convcheck {words}"
    assert subprocess.run(["bash", "-c", command], capture_output=True, check=False).returncode == code


def test_what_only_the_machine_refuses_cannot_be_expected(convcheck: Run, folder: Path) -> None:
    case = (
        'cases:\n  - layer: "Conv2d(3, 4000000000, {}, stride=2)"\n'
        "    rewrite: patchify-linear\n    expect: {{verdict: refused}}\n"
    )
    (folder / "large.yaml").write_text(case.format(2))
    (folder / "overlap.yaml").write_text(case.format(3))
    assert convcheck("verify", "large.yaml").exit_code == 1
    assert convcheck("verify", "overlap.yaml").exit_code == 0
    assert convcheck("params", "overlap.yaml").exit_code == 0


def test_every_wrong_pattern_is_named_with_the_right_one(convcheck: Run, folder: Path) -> None:
    (folder / "bias.yaml").write_text(
        'cases:\n  - layer: "ConvTranspose2d(3, 4, 2, stride=2)"\n    rewrite: linear-unpatchify\n'
        '    transplant: {weight: "i o kh kw -> (o kh kw) i", bias: "o -> (kh kw o)"}\n'
    )
    (found,) = json.loads(convcheck("verify", "bias.yaml", "-f", "json").stdout)["results"]
    assert found["suggestion"] == "o -> (o kh kw)"
    assert found["suggestions"] == {"weight": "i o kh kw -> (o kh kw) i", "bias": "o -> (o kh kw)"}
    assert "bias was laid out as 'o -> (kh kw o)', and 'o -> (o kh kw)' matches exactly" in found["reason"]


def test_all_corrections_can_be_pasted_and_are_then_equal(convcheck: Run, folder: Path) -> None:
    case = (
        'cases:\n  - layer: "ConvTranspose2d(3, 4, 3, stride=2)"\n    rewrite: conv-depthtospace\n'
        '    transplant: {weight: "i o kh kw -> o i kh kw", bias: "o -> (kh kw o), kh=2, kw=2"}\n'
    )
    (folder / "wrong.yaml").write_text(case)
    table = convcheck("verify", "wrong.yaml").stdout
    assert "weight was laid out as" in table
    assert "bias was laid out as" in table
    (pasted,) = [line.partition("paste: ")[2] for line in table.splitlines() if "paste: " in line]
    head = case[: case.index("transplant")]
    (folder / "mended.yaml").write_text(head + pasted + "\n")
    assert convcheck("verify", "mended.yaml").exit_code == 0
    assert (" | pad kh 0 1 | " in pasted, " | flip w" in pasted) == (True, True)


def test_a_name_with_markup_or_escape_codes_is_shown_inert(convcheck: Run, folder: Path) -> None:
    (folder / "odd.yaml").write_text('cases:\n  - {name: "[red]x\\e[31m", layer: "Conv2d(3, 4, 2, stride=2)"}\n')
    result = convcheck("verify", "odd.yaml")
    assert "[red]x\\x1b[31m" in result.stdout
    assert "\x1b" not in result.stdout
    assert result.exit_code == 0


def test_a_rewrite_that_takes_far_longer_is_tried_when_named(convcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if a layer of a thousandth were large.
    monkeypatch.setattr("convcheck.catalogue.claims.ALWAYS_CHEAP_MACS", 2_000_000)
    layer, shape = "Conv2d(8, 16, 8, stride=8)", "1,8,48,48"
    listed = convcheck("verify", layer, "-i", shape, "--list").stdout
    assert "unfold-matmul" in listed
    assert "loops" not in listed
    assert "loops" in convcheck("verify", layer, "-i", shape, "--list", "-r", "loops").stdout
    said = convcheck("verify", layer, "-i", shape, "-k", "unfold").stderr
    assert "left out for conv2d-8-16-k8-s8, since they take about" in said
    assert "loops" in said
    assert "left out" not in convcheck("verify", layer, "-i", shape, "--candidate", layer).stderr
