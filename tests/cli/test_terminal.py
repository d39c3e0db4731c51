"""What a terminal shows: colours, progress, narrow tables, help, completion, and an interrupt."""

from __future__ import annotations

import fcntl
import importlib
import io
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import Result

from convcheck.cli import completion, console, progress
from convcheck.cli.command import split_examples
from convcheck.cli.main import COMMANDS

Run = Callable[..., Result]

SHAPE = ["shape", "Conv2d(3, 8, 2)", "-i", "1,3,8,8"]
ESCAPE = "\x1b["
AT_LAST = 600
"""Seconds after which what is waited for will never come; a machine may be as busy as it likes."""


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def screen(text: str) -> str:
    """Return what is read, without what moves the cursor or colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


def in_the_end(text: str) -> list[str]:
    """Return the lines that are on the screen when all is written: some are gone over again, or wiped."""
    lines, row = [""], 0
    for piece in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|[\r\n])", text):
        if piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif move := re.fullmatch(r"\x1b\[(\d+)A", piece):
            row -= int(move[1])
        elif piece == "\x1b[2K":
            lines[row] = ""
        elif piece != "\r" and not piece.startswith("\x1b"):
            lines[row] += piece
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment and an option that say nothing about colours."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(console, "_colour_option", ["auto"])


@pytest.mark.parametrize(
    ("words", "environment", "coloured"),
    [
        pytest.param([], {}, False, id="a pipe has no colours"),
        pytest.param(["--color", "always"], {}, True, id="unless they are asked for"),
        pytest.param([], {"FORCE_COLOR": "1"}, True, id="by option or by environment"),
        pytest.param([], {"FORCE_COLOR": ""}, False, id="an empty variable says nothing"),
        pytest.param([], {"FORCE_COLOR": "0"}, False, id="nor does 0"),
        pytest.param([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, id="NO_COLOR goes before FORCE_COLOR"),
        pytest.param(["--color", "never"], {"FORCE_COLOR": "1"}, False, id="the option goes before the environment"),
        pytest.param(["--color", "always"], {"NO_COLOR": "1"}, True, id="whichever of them it is"),
        pytest.param(["--color", "always"], {"TERM": "dumb"}, True, id="and before what the terminal can"),
    ],
)
def test_colours_in_a_pipe(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch, words: list[str], environment: dict[str, str], coloured: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = convcheck(*SHAPE, *words)
    assert result.exit_code == 0
    assert (ESCAPE in result.stdout) is coloured


@pytest.mark.parametrize(
    ("words", "environment", "coloured"),
    [
        pytest.param([], {}, True, id="a terminal has colours"),
        pytest.param([], {"NO_COLOR": "1"}, False, id="unless NO_COLOR is set"),
        pytest.param(["--color", "never"], {}, False, id="or the option says so"),
    ],
)
def test_colours_on_a_terminal(words: list[str], environment: dict[str, str], coloured: bool) -> None:
    code, said = on_a_terminal([*SHAPE, *words], 80, environment)
    assert code == 0
    assert (ESCAPE in said) is coloured


def test_a_table_loses_nothing_at_40_columns(convcheck: Run) -> None:
    layers = ["Conv2d(3, 64, 7, stride=2, padding=3)", "MaxPool2d(3, 2, 1)"]
    code, said = on_a_terminal(["shape", *layers, "-i", "1,3,224,224", "-v"], 40)
    lines = screen(said).splitlines()
    assert code == 0
    # Sentences are folded by the terminal, so that what is copied from them is one line.
    assert max(len(line) for line in lines if not line.startswith(("FLOPs = ", "field: "))) <= 40
    packed = re.sub(r"\s", "", screen(said))
    piped = convcheck("shape", *layers, "-i", "1,3,224,224", "-v").stdout
    cells = re.split(r"\s{2,}|\n", piped)
    assert len(cells) > 30
    assert not [cell for cell in cells if re.sub(r"[\s─]", "", cell) not in packed]


def test_a_run_that_ends_before_the_time_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    # A second may pass anywhere, on a busy machine.
    monkeypatch.setattr(progress, "AFTER", threading.TIMEOUT_MAX)
    with progress.show_progress(2) as bar:
        bar.begin("one")
        bar.begin("two")
    assert terminal.getvalue() == ""


def test_a_longer_run_shows_the_case_how_many_are_done_and_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "AFTER", 0.0)
    monkeypatch.setenv("COLUMNS", "100")
    drawn = threading.Event()
    monkeypatch.setattr(terminal, "flush", lambda: "third[\\x1b[31m" in terminal.getvalue() and drawn.set())
    with progress.show_progress(5) as bar:
        for name in ("first", "second", "third[\x1b[31m"):
            bar.begin(name)
        assert drawn.wait(AT_LAST)
    said = screen(terminal.getvalue())
    assert re.search(r"third\[\\x1b\[31m .* 2/5 .*(/s|s each)", said), "names are inert"
    assert "\x1b[31m" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[?25h") or "\x1b[?25h" in terminal.getvalue(), "the cursor is back"


def test_bytes_are_shown_with_what_is_at_work_a_rate_and_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "AFTER", 0.0)
    monkeypatch.setenv("COLUMNS", "120")
    drawn = threading.Event()
    monkeypatch.setattr(terminal, "flush", lambda: "writing b" in terminal.getvalue() and drawn.set())
    with progress.show_progress(5_000_000, of_bytes=True) as bar:
        bar.advance("writing a", 1_000_000)
        bar.advance("writing b", 1_500_000)
        assert drawn.wait(AT_LAST)
    assert re.search(r"writing b .* 2\.5/5\.0 MB .*(B/s|\?)", screen(terminal.getvalue()))


@pytest.mark.parametrize("quiet", [True, False])
def test_no_progress_in_a_pipe_or_if_quiet(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    stream = Terminal() if quiet else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "AFTER", 0.0)
    before = threading.active_count()
    with progress.show_progress(1, shown=not quiet) as bar:
        bar.begin("one")
        assert threading.active_count() == before
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("interruptible")
def test_control_c_leaves_a_clean_screen_with_what_was_finished_and_a_report_of_it(tmp_path: Path) -> None:
    config, report = tmp_path / "long.yaml", tmp_path / "report.json"
    sweep = (
        '  - {name: "n-{seed}", layer: "Conv2d(3, 8, 2, stride=2)", rewrite: patchify-linear, input: [2, 3, 64, 64],'
    )
    config.write_text(f"cases:\n{sweep} matrix: {{seed: {list(range(3000))}}}}}\n")

    def interrupt(said: str) -> bytes:
        # Three cases are done once the fourth is named, and a bar is there.
        return b"\x03" if re.search(r"n-\d*[3-9]\[.*━ .*/3000", screen(said)) else b""

    code, said = on_a_terminal(["verify", str(config), "--report", f"json={report}"], 80, type_when=interrupt)
    assert code == 130
    assert "Traceback" not in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l"), "the cursor is back"
    lines = in_the_end(said)
    assert not [line for line in lines if "━" in line or "/3000" in line], "the bar is gone"
    results = json.loads(report.read_text())
    finished = len(results["results"])
    assert results["interrupted"]
    assert 3 <= finished == 3000 - results["untried"]
    # The last one may have been interrupted on its way to the screen.
    assert 0 <= finished - sum(line.startswith("✓ equal") for line in lines) <= 1
    assert re.fullmatch(
        rf"{finished} equal, {finished} in all, .* s; interrupted, {3000 - finished} not tried; .*", lines[-1]
    )


def test_control_c_while_torch_is_loaded_reports_that_nothing_was_tried(tmp_path: Path) -> None:
    """The module that is imported first stands in for torch: it waits, and is interrupted."""
    (tmp_path / "torch.py").write_text("raise KeyboardInterrupt\n")
    report = tmp_path / "report.json"
    words = ["verify", "Conv2d(3, 4, 2)", "-r", "loops", "--report", f"json={report}"]
    path = f"{tmp_path}{os.pathsep}{os.pathsep.join(sys.path)}"
    done = subprocess.run(
        [sys.executable, "-m", "convcheck", *words],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 130
    assert "interrupted, 1 not tried" in done.stdout
    assert "Traceback" not in done.stderr
    assert json.loads(report.read_text())["untried"] == 1


def test_control_c_while_the_program_itself_is_loaded_exits_with_130(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")
    path = f"{tmp_path}{os.pathsep}{os.pathsep.join(sys.path)}"
    command = [sys.executable, "-m", "convcheck", "--help"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_the_program_alone_prints_its_help(convcheck: Run) -> None:
    result = convcheck()
    assert result.exit_code == 2
    assert result.stderr.rstrip() == convcheck("--help").stdout.rstrip()


def examples(command: str) -> list[str]:
    """Return the examples of a command's help."""
    module = importlib.import_module(f"convcheck.cli.{command}")
    return split_examples(getattr(module, command))[1].splitlines()[2:]


MODELS = """
from torch import nn


def Net():
    return nn.Conv2d(3, 8, 16, stride=16)


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.rows = nn.Embedding(9, 4)
        self.layers = nn.ModuleList([nn.ModuleDict({"fc1": nn.Linear(4, 5)})])

    def forward(self, ids):
        return self.layers[0]["fc1"](self.rows(ids))
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_examples_that_work(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    if command == "transplant":
        monkeypatch.chdir(tmp_path)
        save_file({"stem.weight": torch.ones(8, 3, 2, 2), "stem.bias": torch.ones(8)}, "a.safetensors")
    if command in ("scan", "shape", "init", "rewrites"):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "models.py").write_text(MODELS)
        save_file({"stem.weight": torch.ones(8, 3, 4, 4)}, "model.safetensors")
        (tmp_path / "layers.yaml").write_text("stem: Conv2d(3, 8, 4, stride=4, bias=False)")
    given = [line.strip() for line in examples(command)]
    assert len(given) >= 2
    monkeypatch.setenv("COLUMNS", "60")
    assert convcheck(command, "--help").stdout.rstrip().splitlines()[-len(given) :] == [f"    {line}" for line in given]
    for line in given:
        # Where the output goes is the shell's matter.
        name, *words = shlex.split(line.partition(" > ")[0])
        assert name == "convcheck"
        assert convcheck(*words).exit_code == 0, line


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("words", [["--help"], *([command, "--help"] for command in COMMANDS)])
def test_help_fits_the_terminal(convcheck: Run, monkeypatch: pytest.MonkeyPatch, words: list[str], width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = convcheck(*words).stdout.splitlines()
    # Examples stay on one line, to be copied; a list of choices has no place at which to break it.
    folded = [line for line in lines if not re.match(r" +convcheck |  -.*<", line)]
    assert max(map(len, folded)) <= width


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["shap"], "'shape'"),
        (["shape", "--verbos"], "--verbose"),
        (["verify", "-r", "patchify-liner"], "'patchify-linear'"),
        (["rewrites", "patchfy"], "'patchify-conv1x1', 'patchify-linear' or 'patchify-unfold'?"),
        (["shape", "Convv2d(3, 8, 2)"], "'Conv2d'"),
        (["shape", "Conv2d(3, 8, kernelsize=2)"], "'kernel_size'"),
        (["verify", "--dtype", "floot32"], "'float32'"),
        (["verify", "-f", "jnuit"], "'junit'"),
        (["verify", "--report", "jnuit=report.xml"], "'junit'"),
    ],
)
def test_what_is_misspelt_is_answered_with_the_nearest(convcheck: Run, words: list[str], meant: str) -> None:
    result = convcheck(*words)
    assert result.exit_code == 2
    assert meant in result.stderr


def test_formats_are_completed() -> None:
    assert completion.formats("js") == ["json", "jsonl"]
    assert completion.report_files("ht") == ["html="]


def test_rewrites_are_completed() -> None:
    assert completion.rewrite_names("patchify-l") == ["patchify-linear"]
    assert "Conv2d(" in completion.subjects("Conv")


def test_configs_and_folders_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    for name in ("configs/a.yaml", "configs/b.yml", "configs/c.txt", ".hidden.yaml", "cases.yaml", "code.py"):
        (tmp_path / name).write_text("")
    assert completion.targets("") == ["cases.yaml", "configs/"]
    assert completion.targets("configs/") == ["configs/a.yaml", "configs/b.yml"]
    assert completion.targets(".h") == [".hidden.yaml"]
    assert completion.targets("missing/") == []
    assert completion.targets("Line") == ["Linear("]


def test_a_shell_is_answered() -> None:
    words = "convcheck verify -r patchify-l"
    asked = {"_CONVCHECK_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "3"}
    command = [sys.executable, "-m", "convcheck"]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["patchify-linear"]


def on_a_terminal(
    words: list[str],
    columns: int,
    environment: dict[str, str] | None = None,
    type_when: Callable[[str], bytes] | None = None,
) -> tuple[int, str]:
    """Run convcheck on a terminal of so many columns, and return its exit code and all that it wrote.

    `type_when` gets what was written so far until it returns what is to be typed.
    """
    front, back = pty.openpty()
    fcntl.ioctl(back, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", ATTACHED, "-m", "convcheck", *words],
        env={**os.environ, "TERM": "xterm-256color", **(environment or {})},
        stdin=back, stdout=back, stderr=back, start_new_session=True,
    )  # fmt: skip
    os.close(back)
    said = b""
    while True:
        try:
            more = os.read(front, 65536)
        except OSError:
            # What Linux says once the other end is closed.
            break
        if not more:
            break
        said += more
        if type_when and (typed := type_when(said.decode(errors="replace"))):
            os.write(front, typed)
            type_when = None
    os.close(front)
    return process.wait(AT_LAST), said.decode(errors="replace")


ATTACHED = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Makes a terminal the one whose Control-C interrupts, and becomes the command."""


NAMED = """\
cases:
  - {name: "::stop-commands::x", layer: "Conv2d(3, 4, 2, stride=2)", rewrite: patchify-linear}
  - {name: "##[error]owned", layer: "Conv2d(3, 4, 2, stride=2, padding=1)", rewrite: patchify-linear}
"""


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["verify", "named.yaml"], id="a table"),
        pytest.param(["verify", "named.yaml", "-f", "markdown"], id="text"),
        pytest.param(["verify", "named.yaml", "--list"], id="a list of names"),
        pytest.param(["shape", "named.yaml"], id="shapes"),
        pytest.param(["params", "named.yaml"], id="parameters"),
        pytest.param(["verify", "::error::x"], id="an error"),
    ],
)
def test_a_name_is_no_command_to_the_runner_of_a_workflow(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "named.yaml").write_text(NAMED)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    said = convcheck(*words)
    assert not re.search(r"(?m)^\s*::|##\[", said.stdout + said.stderr)
    assert "x" in said.stdout + said.stderr
    monkeypatch.delenv("GITHUB_ACTIONS")
    plain = convcheck(*words)
    assert "::" in plain.stdout + plain.stderr, "elsewhere names stay as they are"
    assert plain.exit_code == said.exit_code
