"""`--report`: files that are written whole or not at all, and what is refused before anything is run."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from convcheck.report.formats import format_names

Run = Callable[..., Result]

LAYER = ("verify", "Conv2d(3, 4, 2, stride=2)", "-i", "1,3,8,8", "-r", "patchify-linear")
BAD = 'cases:\n  - {name: "a|b", layer: "Conv2d(3, 4, 2, stride=2, padding=1)", rewrite: patchify-linear}\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import convcheck.proof.run as runs

    def never(*_given: object, **_named: object) -> None:
        raise AssertionError("something was run")

    monkeypatch.setattr(runs, "run", never)


REFUSED = {
    "an unknown format": (["xml=a.xml"], "unknown format 'xml'; "),
    "a format that is nearly one": (["jnuit=a.xml"], "did you mean 'junit'?"),
    "no path": (["junit"], "a file is missing; it is FORMAT=PATH"),
    "no format": (["convcheck.xml"], "--report convcheck.xml: a format is missing; write --report junit=convcheck.xml"),
    "no format, and another ending": (["out.txt"], "a format is missing; write --report FORMAT=out.txt"),
    "an empty path": (["junit="], "a file is missing"),
    "standard output": (["json=-"], "standard output is for -f"),
    "a folder that is missing": (["json=none/a.json"], "/none'; make it first"),
    "a folder in place of a file": (["json=."], "is a folder; name a file in it"),
    "a file in place of a folder": (["json=file/a.json"], "there is no folder"),
    "a name that is too long": ([f"json={'x' * 300}"], "cannot be written"),
    "a NUL byte": (["json=a\0b"], "cannot be written"),
    "a link to itself": (["json=loop/a.json"], "loop"),
    "one path twice": (["json=a.txt", "html=a.txt"], "two reports would go to 'a.txt'"),
    "one file by two names": (["json=a.txt", "html=./link"], "two reports would go to './link'"),
    "the name of a config": (["json=cases.yaml"], "'cases.yaml' ends like a config"),
    "a link to a config": (["json=out"], "'out' leads to 'target.yaml', which ends like a config"),
    "a link that would lead to one": (["json=ahead"], "'ahead' leads to 'new.YML', which ends like a config"),
    "certificates in a file": (["certificate=file"], "'file' is a file, and certificates take a folder"),
    "certificates where nothing is proved": (["certificate=new"], "--report certificate is about proofs for all sizes"),
    "certificates in a folder of none": (["certificate=none/new"], "/none'; make it first"),
    "certificates that are nearly called so": (["certifcate=new"], "did you mean 'certificate'?"),
}


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_before_anything_is_run(convcheck: Run, folder: Path, words: list[str], said: str) -> None:
    (folder / "file").write_text("")
    (folder / "link").symlink_to("a.txt")
    (folder / "loop").symlink_to("loop")
    (folder / "target.yaml").write_text(BAD)
    (folder / "out").symlink_to("target.yaml")
    (folder / "ahead").symlink_to("new.YML")
    before = sorted(folder.iterdir())
    result = convcheck(*LAYER, *(each for word in words for each in ("--report", word)))
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("name", ["cases.txt", "./cases.txt", "below/../cases.txt", "link", "hard"])
def test_a_config_that_is_read_is_never_replaced_by_a_report(convcheck: Run, folder: Path, name: str) -> None:
    (folder / "below").mkdir()
    (folder / "cases.txt").write_text(BAD)
    (folder / "link").symlink_to("cases.txt")
    (folder / "hard").hardlink_to("cases.txt")
    result = convcheck("verify", "cases.txt", "--report", f"json={name}")
    assert result.exit_code == 2
    assert "is a config that is read here, and would be lost" in result.stderr
    assert (folder / name).read_text() == BAD


@pytest.mark.usefixtures("nothing_runs")
def test_a_folder_that_cannot_be_written_to_is_refused(
    convcheck: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(_path: Path, **_named: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "touch", read_only)
    result = convcheck(*LAYER, "--report", f"json={folder}/a.json")
    assert result.exit_code == 2
    assert "cannot be written: Read-only file system" in result.stderr


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("words", [["-f", "junit"], ["--report", "junit=a.xml"]], ids=["printed", "in a file"])
def test_a_library_that_is_missing_is_named_with_the_extra(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.delitem(sys.modules, "convcheck.report.formats.junit", raising=False)
    # So importlib has it where a module was looked for and is not there.
    monkeypatch.setitem(sys.modules, "junitparser", None)
    result = convcheck(*LAYER, *words)
    assert result.exit_code == 2
    assert "pip install junitparser" in result.stderr


def test_all_formats_at_once_tell_the_same_run(convcheck: Run, folder: Path) -> None:
    words = [word for format in format_names() for word in ("--report", f"{format}={format}.out")]
    result = convcheck(*LAYER, *words, "-f", "json")
    assert result.exit_code == 0
    assert (folder / "json.out").read_text() == result.stdout
    (line,) = (folder / "jsonl.out").read_text().splitlines()
    assert [json.loads(line)] == json.loads(result.stdout)["results"]
    for format in format_names():
        text = (folder / f"{format}.out").read_text()
        assert text.endswith("\n")
        assert not text.endswith("\n\n")


@pytest.mark.parametrize("format", format_names())
def test_a_file_holds_what_is_printed(convcheck: Run, folder: Path, format: str) -> None:
    result = convcheck(*LAYER, "-f", format, "--report", f"{format}=file.out")
    assert (folder / "file.out").read_text() == result.stdout


def test_a_file_that_is_there_is_replaced_and_keeps_its_rights(convcheck: Run, folder: Path) -> None:
    old = folder / "a.json"
    old.write_text("old")
    old.chmod(0o640)
    with old.open() as reader:
        assert convcheck(*LAYER, "--report", "json=a.json").exit_code == 0
        # Whoever reads the old file goes on reading it.
        assert reader.read() == "old"
    assert json.loads(old.read_text())["ok"] is True
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert [each.name for each in folder.iterdir()] == ["a.json"]


def test_a_new_file_has_the_rights_of_any_new_file(convcheck: Run, folder: Path) -> None:
    convcheck(*LAYER, "--report", "json=a.json")
    (folder / "other").touch()
    assert (folder / "a.json").stat().st_mode == (folder / "other").stat().st_mode


def test_a_link_is_followed(convcheck: Run, folder: Path) -> None:
    (folder / "link.json").symlink_to("a.json")
    convcheck(*LAYER, "--report", "json=link.json")
    assert (folder / "link.json").is_symlink()
    assert json.loads((folder / "a.json").read_text())["ok"] is True


def test_a_device_is_written_to_and_not_replaced(convcheck: Run) -> None:
    assert convcheck(*LAYER, "--report", f"json={os.devnull}").exit_code == 0
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_a_named_pipe_is_written_to_and_stays_one(convcheck: Run, folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    # Its other end is open, so nobody waits for anybody.
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert convcheck(*LAYER, "--report", "json=pipe").exit_code == 0
        assert json.loads(os.read(reader, 1 << 16))["ok"] is True
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_pipe_of_the_shell_is_written_to(convcheck: Run) -> None:
    reader, writer = os.pipe()
    try:
        assert convcheck(*LAYER, "--report", f"json=/dev/fd/{writer}").exit_code == 0
        assert json.loads(os.read(reader, 1 << 16))["ok"] is True
    finally:
        os.close(reader)
        os.close(writer)


def test_a_reader_that_has_seen_enough_is_no_fault(convcheck: Run) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = convcheck(*LAYER, "--report", f"json=/dev/fd/{writer}")
    finally:
        os.close(writer)
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize(("padding", "code"), [(0, 2), (1, 1)])
def test_a_report_that_finds_no_room_changes_the_exit_code_only_of_what_went_well(
    convcheck: Run, padding: int, code: int
) -> None:
    layer = f"Conv2d(3, 4, 2, stride=2, padding={padding})"
    words = ("verify", layer, "-i", "1,3,8,8", "-r", "patchify-linear", "-f", "json")
    result = convcheck(*words, "--report", "json=/dev/full")
    assert result.exit_code == code
    assert json.loads(result.stdout)["ok"] is (code == 2)
    assert "the report '/dev/full' cannot be written: No space left on device" in result.stderr


def test_standard_output_takes_a_report_where_it_is_a_pipe(folder: Path) -> None:
    words = [sys.executable, "-m", "convcheck", *LAYER, "-f", "github", "--report", "jsonl=/dev/stdout"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    notice, line = done.stdout.splitlines()
    assert notice.startswith("::notice ")
    assert json.loads(line)["verdict"] == "equal"


@pytest.mark.parametrize("name", ["/dev/stdout", "printed"])
def test_the_file_to_which_standard_output_goes_is_not_replaced(folder: Path, name: str) -> None:
    words = [sys.executable, "-m", "convcheck", *LAYER, "--report", f"jsonl={name}"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with (folder / "printed").open("w") as printed:
        done = subprocess.run(
            words, stdout=printed, stderr=subprocess.PIPE, text=True, check=False, cwd=folder, env=environment
        )
    assert done.returncode == 2
    assert "is where standard output goes" in done.stderr


@pytest.mark.parametrize("command", ["params", "shape", "rewrites"])
def test_a_format_that_is_of_results_only_is_refused_elsewhere(convcheck: Run, command: str) -> None:
    result = convcheck(command, "-f", "junit")
    assert result.exit_code == 2
    assert "'junit' is not one of 'table', 'json'" in " ".join(result.stderr.replace("│", " ").split())


def test_quiet_and_verbose_are_of_the_table_and_say_so(convcheck: Run) -> None:
    told = " ".join(convcheck("verify", "--help").stdout.split())
    assert "not as expected (in the table)." in told
    assert "all evidence of every case (in the table)." in told
    for option in ("-q", "-v"):
        assert convcheck(*LAYER, option).stdout != convcheck(*LAYER).stdout
        assert convcheck(*LAYER, option, "-f", "markdown").stdout.count("\n| ") == 3
