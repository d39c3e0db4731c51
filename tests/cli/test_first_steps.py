"""Errors that a new user meets: what was seen and the way out, in one line, on standard error, with exit code 2."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch
from typer.testing import Result

from convcheck.layers import kind_names
from convcheck.report.formats import format_names

Run = Callable[..., Result]

LAYER = "Conv2d(3, 4, 2, stride=2)"
CASE = f'cases:\n  - {{name: first, layer: "{LAYER}", rewrite: patchify-linear}}\n'
FAULTY = "cases:\n  - {layer: Conv2d(3), inputs: 3}\n"
COMPOSE = "services:\n  web: {image: nginx}\n"
CLASS = "class {}(nn.Module):\n    def __init__(self):\n        self.conv = nn.Conv2d(3, 4, 2)\n"
SEVERAL = CLASS.format("Block") + CLASS.format("Net")
CUDA = """\
defaults: {device: "cuda:7"}
cases:
  - {name: one, layer: "Conv2d(3, 4, 2, stride=2)", rewrite: patchify-linear}
  - {device: cuda, name: two, layer: "Conv2d(3, 4, 2, stride=2)", rewrite: patchify-linear}
  - {matrix: {device: [cpu, cuda]}, name: "three-{device}", layer: "ReLU()"}
  - {name: four, layer: "Conv2d(3, 4, 2, stride=2)", rewrite: patchify-linear, device: cpu}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files = {
        "good.yaml": CASE,
        "faulty.yaml": FAULTY,
        "cuda.yaml": CUDA,
        "model.py": "import torch\ncases: list = []\n",
        "several.py": SEVERAL,
        "net.txt": "a net of two layers\n",
        "odd.txt": "cases: [\n",
        "w.safetensors": "",
        "mixed/good.yml": CASE,
        "mixed/docker-compose.yml": COMPOSE,
        "foreign/docker-compose.yml": COMPOSE,
        "as-text.txt": CASE,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def told(result: Result) -> str:
    """Return the one line of an error; nothing else is printed."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


TARGETS = {
    "Python": (
        "model.py",
        "'model.py' is Python, which is not run; name what is in it, as model.py:name(arguments), for verify with "
        "--candidate and --trust, or let it print the model, and pipe that: "
        "python model.py | convcheck shape -",
    ),
    "a text that is no print": (
        "net.txt",
        "'net.txt' is no config, which ends in .yaml or .yml and has the key 'cases'; if it is what print(model) "
        "prints, pipe it: convcheck shape - < net.txt",
    ),
    "a text that is no YAML": ("odd.txt", "odd.txt:2:1: not YAML: while parsing a flow node, did not find expected"),
    "weights": ("w.safetensors", "'w.safetensors' holds weights; a config names such a file under 'weights', beside a"),
    "a file that is not there": ("net2.json", "there is no file 'net2.json'; a config ends in .yaml or .yml"),
    "an ending with a letter too few": ("good.yam", "there is no file 'good.yam'; did you mean 'good.yaml'?"),
    "a config that is not there": ("vit.yaml", "there is no file 'vit.yaml'"),
    "Python that is not there": ("none.py", "there is no file 'none.py'; a config ends in .yaml or .yml"),
    "a folder with a letter wrong": ("mixd", "there is no file 'mixd'; did you mean 'mixed'?"),
    "a path that is not there": ("here/there", "there is no file 'here/there'; a config ends in .yaml or .yml"),
    "a rewrite": ("fft", "'fft' is a rewrite; name it behind -r, as in: convcheck verify LAYER -r fft"),
    "a shape": ("1,3,8,8", "a shape is no target; it goes behind -i as one word, such as -i 1,3,224,224"),
    "a number": ("224", "a shape is no target; it goes behind -i as one word, such as -i 1,3,224,224"),
    "a folder that is not there": ("configurations", "there is no file or folder 'configurations', and it is no layer"),
    "Python that makes several": (
        "several.py",
        "'several.py': it makes Block, Net, and is read as text only where it makes one; run it: "
        "convcheck shape 'several.py:Net()' -i ... --trust; or pipe its print: python several.py | convcheck shape -",
    ),
    "a qualified name": ("nn.Conv2d", "'nn.Conv2d' is not a layer: write a call, such as Conv2d(3, 8, kernel_size=2)"),
}


@pytest.mark.parametrize(("word", "message"), TARGETS.values(), ids=TARGETS.keys())
@pytest.mark.parametrize("command", ["verify", "shape", "params"])
def test_what_is_no_target_is_told_what_it_is_and_what_to_do(
    convcheck: Run, command: str, word: str, message: str
) -> None:
    assert told(convcheck(command, word)).startswith(f"error: {message}")


def test_a_shape_in_several_words_is_one_shape_for_the_calculator(convcheck: Run) -> None:
    whole = convcheck("shape", LAYER, "-i", "1,3,224,224")
    assert convcheck("shape", LAYER, "-i", "1", "3", "224", "224").stdout == whole.stdout
    assert "a shape is no target" in told(convcheck("shape", LAYER, "3", "224", "224"))
    assert "a shape is no target" in told(convcheck("verify", LAYER, "-i", "1", "3", "224", "224"))


def test_a_config_by_another_name_is_read_where_it_has_cases(convcheck: Run) -> None:
    assert convcheck("verify", "as-text.txt", "--list").stdout == "first[patchify-linear]\n"


MEANT = {
    "a layer": ([LAYER, "-i", "1,3,8,8"], f"'{LAYER}' is a layer", "verify"),
    "the name of a kind": (["Conv2d"], "'Conv2d' is the name of a layer", "verify"),
    "a config": (["good.yaml", "-q"], "'good.yaml' is a file", "verify"),
    "a config that is not there": (["none.yaml"], "'none.yaml' is a file", "verify"),
    "a folder": (["mixed"], "'mixed' is a folder", "verify"),
    "a print": (["-"], "'-' is standard input", "verify"),
    "a rewrite": (["patchify-linear"], "'patchify-linear' is a rewrite", "rewrites"),
}


@pytest.mark.parametrize(("words", "what", "command"), MEANT.values(), ids=MEANT.keys())
def test_a_target_without_a_command_is_told_which_was_meant(
    convcheck: Run, words: list[str], what: str, command: str
) -> None:
    result = convcheck(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    meant = shlex.join(["convcheck", command, *words])
    assert f"{what}, and a command comes first; did you mean: {meant}" in " ".join(result.stderr.split())


def test_the_command_that_was_meant_can_be_pasted(convcheck: Run) -> None:
    meant = convcheck(LAYER, "-i", "1,3,8,8", "--list").stderr.strip().rpartition("did you mean: ")[2]
    assert "patchify-linear" in convcheck(*shlex.split(meant)[1:]).stdout


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["-i", "1,3,8,8", LAYER], f"convcheck verify -i 1,3,8,8 '{LAYER}'"),
        (["-f", "json", "shape", "ReLU()"], "convcheck shape -f json 'ReLU()'"),
    ],
)
def test_an_option_before_the_command_is_told_where_it_stands(convcheck: Run, words: list[str], meant: str) -> None:
    result = convcheck(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"options stand behind the command. Did you mean: {meant}" in " ".join(result.stderr.split())
    unknown = convcheck("--none", LAYER)
    assert unknown.exit_code == 2
    assert "Did you mean" not in unknown.stderr


UNKNOWN = {
    "with a letter too many": ("Convv2d(1, 2, 3)", "; did you mean 'Conv2d'?"),
    "cut short": ("Conv(1, 2, 3)", "; did you mean 'Conv1d', 'Conv2d', 'Conv3d' or 'ConvTranspose1d'?"),
    "of torch, a loss": ("L1Loss()", ", which torch has and convcheck cannot read; a loss takes a target beside its"),
    "of torch, without sizes": (
        "LazyConv2d(8, 3)",
        ", which torch has and convcheck cannot read; it gets its in_channels from the first input; write Conv2d with",
    ),
    "of torch, which is not called": (
        "ModuleList()",
        ", which torch has and convcheck cannot read; it holds layers and",
    ),
    "of nobody": ("Frobnicate(3)", ""),
}


@pytest.mark.parametrize(("text", "message"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_layer_is_told_what_is_like_it_and_whether_torch_has_it(
    convcheck: Run, text: str, message: str
) -> None:
    lines = convcheck("params", text).stderr.splitlines()
    assert lines[0].startswith(f"error: unknown layer {text.partition('(')[0]!r}{message}")
    # Where nothing is like it, there is the list.
    assert [line.startswith("note: layers that can be read: Conv1d, Conv2d") for line in lines[1:]] == (
        [] if "torch has" in message or "mean" in message else [True]
    )


@pytest.mark.parametrize(
    "words", [["Foo()", "L1Loss()", "Bar(1)", "Convv2d()"], ["many.yaml"], ["Sequential(Foo(), Bar())"]]
)
def test_kinds_are_listed_once_a_run(convcheck: Run, folder: Path, words: list[str]) -> None:
    (folder / "many.yaml").write_text('defaults: {layer: "Foo()"}\ncases: [{name: a}, {layer: "Bar()"}]\n')
    result = convcheck("shape", *words)
    assert result.exit_code == 2
    assert result.stderr.count(", ".join(kind_names())) == 1
    assert result.stderr.splitlines()[-1].startswith("note: layers that can be read: ")


@pytest.fixture
def one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch see one CUDA device, whatever the machine has."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


@pytest.fixture
def no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


@pytest.mark.usefixtures("no_device")
@pytest.mark.parametrize("format", format_names())
def test_a_device_that_is_not_there_is_one_line_before_anything_runs(convcheck: Run, format: str) -> None:
    line = told(convcheck("verify", LAYER, "-i", "1,3,8,8", "--device", "cuda", "-f", format))
    sees = f"torch {torch.__version__} sees no CUDA device here"
    assert line == f"error: --device cuda: {sees}; without the option, it is the CPU"


@pytest.mark.usefixtures("one_device")
def test_a_device_of_a_config_is_told_at_its_key(convcheck: Run) -> None:
    result = convcheck("verify", "cuda.yaml", "-k", "one or two")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line == (
        f"error: cuda.yaml:1:12: defaults.device: 'cuda:7' is not there: torch {torch.__version__} sees 1 CUDA device "
        "here; cpu is, or choose other cases with -k"
    )


@pytest.mark.usefixtures("no_device")
def test_only_the_chosen_cases_and_their_last_device_count(convcheck: Run) -> None:
    assert [line.split(" ")[1] for line in convcheck("verify", "cuda.yaml").stderr.splitlines()[:-1]] == [
        "cuda.yaml:1:12:",
        "cuda.yaml:4:6:",
        "cuda.yaml:5:15:",
    ]
    assert convcheck("verify", "cuda.yaml", "-k", "four").exit_code == 0
    assert convcheck("verify", "cuda.yaml", "--list").exit_code == 0
    assert convcheck("shape", "cuda.yaml").exit_code == 0
    assert convcheck("verify", "cuda.yaml", "-k", "one or two", "--device", "cpu").exit_code == 0
    assert told(convcheck("verify", "cuda.yaml", "--device", "cuda")).startswith("error: --device cuda: ")


@pytest.mark.parametrize("device", ["cuda:1000", f"cuda:{'9' * 5000}", "cuda:-1"])
def test_a_device_of_an_impossible_number_is_none(convcheck: Run, device: str) -> None:
    result = convcheck("verify", "--device", device)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is no device; there are: cpu, cuda, cuda:0" in result.stderr


FAULTS = [
    {
        "file": "faulty.yaml",
        "line": 2,
        "column": 6,
        "key": "cases[0].layer",
        "message": "Conv2d: out_channels is missing; kernel_size is missing",
    },
    {
        "file": "faulty.yaml",
        "line": 2,
        "column": 24,
        "key": "cases[0].inputs",
        "message": "unknown key; did you mean 'input'?",
    },
]


@pytest.mark.parametrize("command", ["verify", "shape", "params"])
def test_faults_of_a_config_are_a_json_object(convcheck: Run, command: str) -> None:
    result = convcheck(command, "faulty.yaml", "-f", "json")
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {"schema": 1, "ok": False, "faults": FAULTS}
    assert result.stderr.splitlines()[-1] == "2 faults; nothing was run"


def test_faults_of_a_config_are_lines_of_json(convcheck: Run) -> None:
    result = convcheck("verify", "faulty.yaml", "-f", "jsonl")
    assert [json.loads(line) for line in result.stdout.splitlines()] == FAULTS


def test_faults_of_a_config_are_annotations_at_their_places(convcheck: Run) -> None:
    assert convcheck("verify", "faulty.yaml", "-f", "github").stdout.splitlines() == [
        "::error file=faulty.yaml,line=2,col=6,title=convcheck%3A cases[0].layer::"
        "Conv2d: out_channels is missing; kernel_size is missing",
        "::error file=faulty.yaml,line=2,col=24,title=convcheck%3A cases[0].inputs::unknown key; did you mean 'input'?",
        "::notice title=convcheck::2 faults; nothing was run",
    ]


def test_as_many_annotations_of_faults_are_printed_as_github_shows(convcheck: Run, folder: Path) -> None:
    (folder / "many.yaml").write_text("cases:\n" + '  - {layer: "ReLU(3, 4)", "a%\\u2028b": 1}\n' * 8)
    lines = convcheck("verify", "many.yaml", "-f", "github").stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error"] * 10 + ["::notice"]
    assert lines[-1] == ("::notice title=convcheck::16 faults, of which the first 10 are annotations; nothing was run")
    assert "title=convcheck%3A cases[0].a%25\\u2028b::" in lines[1]


def test_faults_of_a_config_are_errors_of_junit(convcheck: Run) -> None:
    root = ET.fromstring(convcheck("verify", "faulty.yaml", "-f", "junit").stdout)
    (suite,) = root
    assert (suite.get("tests"), suite.get("errors"), suite.get("failures")) == ("2", "2", "0")
    assert [(case.get("classname"), case.get("name"), case[0].get("message")) for case in suite] == [
        (fault["file"], fault["key"], fault["message"]) for fault in FAULTS
    ]


@pytest.mark.parametrize("format", ["table", "markdown", "html"])
def test_faults_are_on_standard_error_alone_in_formats_for_people(convcheck: Run, format: str) -> None:
    result = convcheck("verify", "faulty.yaml", "-f", format)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 3


@pytest.mark.usefixtures("no_device")
def test_a_device_of_a_config_is_a_fault_in_every_format(convcheck: Run) -> None:
    (fault,) = json.loads(convcheck("verify", "cuda.yaml", "-k", "one", "-f", "json").stdout)["faults"]
    assert (fault["line"], fault["column"], fault["key"]) == (1, 12, "defaults.device")


@pytest.mark.parametrize(("command", "done"), [("verify", "proved"), ("params", "counted"), ("shape", "calculated")])
def test_without_a_target_it_is_said_what_is_taken(convcheck: Run, command: str, done: str) -> None:
    said = f"note: no target given, so the pairs that ship are {done}, those of configs/notebook.yaml"
    result = convcheck(command, "-f", "json")
    assert result.exit_code == 0
    assert result.stderr.startswith(said)
    assert said not in result.stdout
    assert "no target" not in convcheck(command, LAYER, "-i", "1,3,8,8").stderr


@pytest.mark.parametrize("command", ["verify", "shape", "params"])
def test_foreign_yaml_in_a_folder_is_passed_over_with_a_note_and_refused_by_name(convcheck: Run, command: str) -> None:
    result = convcheck(command, "mixed", "--list")
    assert (result.exit_code, "first" in result.stdout) == (0, True)
    note = f"note: passed over, since there is no key 'cases': {Path('mixed', 'docker-compose.yml')}"
    assert result.stderr.splitlines() == [note]
    named = convcheck(command, "mixed", str(Path("mixed", "docker-compose.yml")))
    assert named.exit_code == 2
    assert "services: unknown key" in named.stderr
    alone = convcheck(command, "foreign")
    assert alone.exit_code == 2
    assert alone.stderr.splitlines()[1] == (
        "error: the folder 'foreign' holds no config; one ends in .yaml or .yml, and has the key 'cases'"
    )
