"""Files that are none, streams without an end, and names that would move a cursor: refused at once, or shown inert."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from typer.testing import Result

from convcheck.config.file_text import read_text
from convcheck.errors import ConfigError
from tests.strategies.hostile import HANGS, MOST_MEMORY, guarded, refused

Run = Callable[..., Result]

CASES = 'cases: [{name: one, layer: "Conv2d(3, 8, 2, stride=2)", rewrite: patchify-linear}]\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as each:
        # A path in a test's own folder may be too long for a socket.
        each.bind(path.name)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


def to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


PLACES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pipe into which nobody writes": (pipe, "c.yaml:1:1: a pipe is not read; a config is a plain file"),
    "a socket": (bound, "c.yaml:1:1: cannot be read"),
    "a link to a device without an end": (to("/dev/zero"), "a device is not read"),
    "a link to random numbers": (to("/dev/urandom"), "a device is not read"),
    "a link to nothing": (to("none"), "is a link that leads nowhere, or to itself"),
    "a link to itself": (to("c.yaml"), "is a link that leads nowhere, or to itself"),
    "a folder called like a file": (Path.mkdir, "the folder 'c.yaml' holds no config"),
    "a terabyte of nothing": (sparse, "1099511627776 bytes; 8388608 at most are read"),
    "a file of the system that seems to be empty": (to("/proc/self/maps"), "c.yaml:"),
}


@pytest.mark.parametrize(("make", "message"), PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("command", ["verify", "params", "shape"])
def test_a_place_is_refused_that_is(
    convcheck: Run, folder: Path, command: str, make: Callable[[Path], None], message: str
) -> None:
    make(folder / "c.yaml")
    with guarded():
        result = convcheck(command, "c.yaml")
    assert message in refused(result)


def test_a_file_that_may_not_be_read_is_refused(convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "c.yaml").write_text(CASES)
    (folder / "c.yaml").chmod(0)
    if os.access("c.yaml", os.R_OK):

        def forbidden(*_: object, **__: object) -> int:
            raise PermissionError(13, "Permission denied")

        # Nothing is forbidden to the superuser.
        monkeypatch.setattr("convcheck.config.file_text.os.open", forbidden)
    assert "c.yaml:1:1: cannot be read: Permission denied" in refused(convcheck("verify", "c.yaml"))


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize(
    ("make", "message"),
    [(Path.mkdir, "a folder is not read"), (pipe, "a pipe is not read"), (to("/dev/zero"), "a device is not read")],
)
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted in /proc")
def test_no_file_stays_open_that_is_not_read(folder: Path, make: Callable[[Path], None], message: str) -> None:
    make(folder / "c.yaml")
    before = open_files()
    with pytest.raises(ConfigError, match=message):
        read_text(folder / "c.yaml", "c.yaml")
    assert open_files() == before


def test_the_guard_leaves_no_alarm_behind_and_says_where_it_cannot_see_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = signal.getsignal(signal.SIGALRM)
    with guarded():
        assert signal.getsignal(signal.SIGALRM) != usual
    assert signal.getsignal(signal.SIGALRM) == usual
    monkeypatch.setattr("tests.strategies.hostile.Path.read_text", Mock(side_effect=FileNotFoundError))
    with warnings.catch_warnings(record=True) as told, guarded():
        pass
    assert ["no peak of it was checked" in str(each.message) for each in told] == [True]


def test_links_that_lead_nowhere_are_told_of_in_a_folder_and_other_odd_files_are_left_out(
    convcheck: Run, folder: Path
) -> None:
    (folder / "all").mkdir()
    (folder / "all" / "one.yaml").write_text(CASES)
    pipe(folder / "all" / "pipe.yaml")
    (folder / "all" / "folder.yaml").mkdir()
    (folder / "all" / "loop").symlink_to(".")
    with guarded():
        assert convcheck("shape", "all", "--list").stdout == "one\n"
    (folder / "all" / "gone.yaml").symlink_to("none")
    assert "all/gone.yaml:1:1: cannot be read: No such file" in refused(convcheck("shape", "all"))


def test_a_folder_of_thousands_of_files_is_read_as_a_whole_and_its_faults_are_counted(
    convcheck: Run, folder: Path
) -> None:
    (folder / "all").mkdir()
    for number in range(3000):
        (folder / "all" / f"{number:04}.yaml").write_text("cases: 3\n")
    with guarded():
        result = convcheck("shape", "all")
    assert result.exit_code == 2
    assert "3000 faults, of which the first 100 are shown; nothing was run" in result.stderr
    assert len(result.stderr.splitlines()) == 101


@pytest.mark.parametrize("form", ["a mark and CRLF", "CR alone"])
def test_other_line_ends_and_a_mark_are_read(convcheck: Run, folder: Path, form: str) -> None:
    lines = CASES.replace("cases: [{", "cases:\n  - {").replace("}]", "}")
    text = "\ufeff" + lines.replace("\n", "\r\n") if form == "a mark and CRLF" else lines.replace("\n", "\r")
    (folder / "c.yaml").write_bytes(text.encode())
    assert convcheck("shape", "c.yaml", "--list").stdout == "one\n"


ODD = {
    "markup": "[red]x",
    "a tag that closes nothing": "[",
    "an escape code": "a\x1b[31mb",
    "a line break": "a\nerror: b",
    "a carriage return": "a\rb",
    "a sign that turns the line round": "a\u202eb",
    "bytes that are no text": "a\udcffb",
    "braces": "{0.__class__}",
    "a percent sign": "%s%n",
    "blanks": "  a  ",
}


def plain(text: str) -> bool:
    return all(sign.isprintable() or sign == "\n" for sign in text)


@pytest.mark.parametrize("name", ODD.values(), ids=ODD.keys())
def test_a_file_name_is_shown_inert_with(convcheck: Run, folder: Path, name: str) -> None:
    file = folder / f"{name}.yaml"
    file.write_text("cases: 3\n")
    message = refused(convcheck("verify", f"{name}.yaml"))
    assert ".yaml:1:1: cases: needs a list of cases" in message
    assert "[red]x" in message or name != ODD["markup"]
    file.write_text(CASES)
    for form in ("table", "json"):
        result = convcheck("verify", f"{name}.yaml", "-f", form)
        assert result.exit_code == 0, result.output
        assert plain(result.output), result.output
    # Half of a pair of surrogates, which stands for a byte, is spelt out: strict readers of JSON refuse it.
    told = name.encode("utf-8", "backslashreplace").decode()
    assert json.loads(result.stdout)["results"][0]["source"] == f"{told}.yaml:1"
    refused(convcheck("verify", f"{name}x.yaml"))


NAMED = {name: text for name, text in ODD.items() if name not in ("bytes that are no text", "braces")}


@pytest.mark.parametrize("name", NAMED.values(), ids=NAMED.keys())
@pytest.mark.parametrize("command", ["verify", "params", "shape"])
def test_a_case_is_shown_inert_whose_name_has(convcheck: Run, folder: Path, command: str, name: str) -> None:
    (folder / "c.yaml").write_text(json.dumps({"cases": [{"name": name, "layer": "Linear(2, 3)"}]}))
    for words in ([], ["-f", "json"], ["--list"]):
        result = convcheck(command, "c.yaml", *words)
        assert result.exit_code == 0, result.output
        assert plain(result.output), result.output
    found = json.loads(convcheck(command, "c.yaml", "-f", "json").stdout)
    assert found["layers" if command == "shape" else "results"][0]["case"].startswith(name)
    refused(convcheck(command, "c.yaml", "-k", "none"))


STREAMS = {
    "zeros without an end": "cat /dev/zero",
    "random bytes without an end": "cat /dev/urandom",
    "layers without an end": "yes 'ReLU()'",
    "brackets without an end": "yes '('",
    "lines of a print without an end": "yes '(a): Sequential('",
    "submodules without an end": "yes '(a): ReLU()'",
    "an executable": f"cat {sys.executable}",
}

MEASURED = """
import sys
from pathlib import Path
from convcheck.cli.main import main
sys.argv = ["convcheck", "shape", "-", "-i", "1,3"]
try:
    main()
finally:
    lines = Path("/proc/self/status").read_text().splitlines()
    Path("peak").write_text(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are read from Linux")
@pytest.mark.parametrize("source", STREAMS.values(), ids=STREAMS.keys())
def test_standard_input_is_refused_that_is(folder: Path, source: str) -> None:
    (folder / "measured.py").write_text(MEASURED)
    command = f"{source} 2>/dev/null | (ulimit -v 2000000; exec {sys.executable} measured.py)"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=3 * HANGS, check=False)
    assert done.returncode == 2, done.stderr[-2000:]
    assert done.stderr.count("error: ") == 1, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert plain(done.stderr)
    assert len(done.stderr) < 3000
    assert int((folder / "peak").read_text()) < MOST_MEMORY
