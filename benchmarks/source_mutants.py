"""How many small faults in convcheck's own source its tests notice.

    python benchmarks/source_mutants.py
    python benchmarks/source_mutants.py --mutants 50 --room evidence --seed 7 --folder mutants

One comparison, constant, arithmetic operator or condition is changed at a time, at places drawn at random, in a copy of
the repository. The tests that run the changed line are run, those of its room first, until one fails: then the mutant
was `noticed`, as it is if it hangs; one that passes them all has `survived`. Which tests run which lines is found out
first, by one run of all tests. With `--folder` a run that was broken off goes on where it was, as long as the source is
the same. Returns 1 if fewer than nine of ten were noticed. Needs a system that can fork.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pytest
from coverage import Coverage, CoverageData
from hypothesis import Phase, settings
from rich.console import Console
from rich.progress import track

from benchmarks.source_edits import Edit, in_rooms, shuffled
from benchmarks.tables import FORMATS, Written, print_table

TOP = Path(__file__).parents[1]
ROOMS = {
    "evidence": "convcheck/proof",
    "layers": "convcheck/layers",
    "calculator": "convcheck/calculator",
    "config": "convcheck/config",
    "commands": "convcheck/cli",
}
LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", "dist")
WARM = ("torch", "numpy", "einops", "hypothesis.strategies", "jsonschema", "pydantic", "typer.testing", "yaml")
"""What tests import and no mutant is of; it is imported once, before a process is forked for each mutant."""
MEMORY = 16 * 2**30
QUIETLY = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
"""pytest cannot rewrite what was imported before the fork, and need not."""
FIRST_SECONDS = 60
"""How long tests of the room, and others, take at first; the rest run after all mutants had these, if none failed."""
IN_PROCESSES = """import os, coverage
coverage.Coverage(
    {data!r}, data_suffix=True, auto_data=True, source=[{source!r}], config_file=False,
    context=os.environ["PYTEST_CURRENT_TEST"].rpartition(" (")[0],
).start()
"""
"""A `sitecustomize` that records what a process runs that a test started."""


@dataclass(frozen=True)
class Recorded:
    """The tests that pass unchanged, with the seconds they take, and what they run."""

    seconds: dict[str, float]
    lines: CoverageData

    def batches(self, tree: Path, edit: Edit) -> tuple[list[str], list[str], list[str]]:
        """Return the tests that run an edit's lines: those of its room, the quickest others, and the rest.

        Of a line that is run at import, or once, these are all tests of its room, and those that run any of its file.
        """
        room = f"tests/{edit.file.split('/')[1]}/"
        contexts = self.lines.contexts_by_lineno(str(tree / edit.file))
        tests = {test for line in range(edit.line, edit.last_line + 1) for test in contexts.get(line, ())}
        if "" in tests or len(tests) < 2:
            tests.update(*contexts.values(), (test for test in self.seconds if test.startswith(room)))
        ordered = sorted(tests & self.seconds.keys(), key=lambda test: (self.seconds[test], test))
        near = self._first([test for test in ordered if test.startswith(room)])
        others = [test for test in ordered if test not in set(near)]
        quick = self._first(others)
        return near, quick, others[len(quick) :]

    def _first(self, tests: list[str]) -> list[str]:
        ends = accumulate(self.seconds[test] for test in tests)
        return tests[: sum(end <= FIRST_SECONDS for end in ends)]


class Recorder:
    """A plugin of pytest that records which test runs which lines, and how long each takes."""

    def __init__(self, measured: Coverage) -> None:
        self.measured = measured
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.measured.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if not report.passed:
            self.failed.add(report.nodeid)


class Chosen:
    """A plugin of pytest that runs some tests in the order they are given, and writes down the first that fails."""

    def __init__(self, tests: Sequence[str], failure: Path) -> None:
        self.order = {test: place for place, test in enumerate(tests)}
        self.failure = failure

    def pytest_collection(self) -> None:
        # A failure counts as it is; to find a simpler one takes minutes.
        fast = [phase for phase in settings().phases if phase not in (Phase.shrink, Phase.explain)]
        settings.register_profile("mutants", settings(), phases=fast)
        settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.order), key=lambda item: self.order[item.nodeid]
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failure.write_text(report.nodeid)


def forked(work: Callable[[], int], tree: Path, seconds: float, **environment: str) -> int | None:
    """Run `work` in a process of its own, in the tree; return its exit code, or None if it hangs."""
    process = os.fork()
    if not process:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        log = os.open(tree / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(tree)
        os.environ.update(PYTHONPATH=str(tree), **environment)
        sys.path[:] = [str(tree), *(path for path in sys.path if Path(path).resolve() not in (TOP, TOP / "benchmarks"))]
        for name in [name for name in sys.modules if name.partition(".")[0] in ("benchmarks", "convcheck", "tests")]:
            del sys.modules[name]
        code = 70
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    end = time.monotonic() + 4 * seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def record(folder: Path) -> Recorded:
    """Run all tests of the copy once, and record what each runs; take what was recorded before of the same source."""
    tree, data, summary = folder / "tree", folder / "coverage", folder / "tests.json"
    files = sorted(file for part in ("convcheck", "tests", "benchmarks") for file in (tree / part).rglob("*.py"))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

    def work() -> int:
        measured = Coverage(str(data), source=[str(tree / "convcheck")], config_file=False)
        recorder = Recorder(measured)
        measured.start()
        code = pytest.main(QUIETLY, plugins=[recorder])
        measured.stop()
        measured.save()
        passed = {test: seconds for test, seconds in recorder.seconds.items() if test not in recorder.failed}
        summary.write_text(json.dumps({"digest": digest, "seconds": passed, "left out": sorted(recorder.failed)}))
        return 0 if passed and code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) else 1

    if not summary.exists() or json.loads(summary.read_text())["digest"] != digest:
        for file in folder.glob("coverage*"):
            file.unlink()
        (tree / "sitecustomize.py").write_text(IN_PROCESSES.format(data=str(data), source=str(tree / "convcheck")))
        if forked(work, tree, 3600) != 0:
            raise RuntimeError(f"the tests could not be run; see {tree / 'log'}")
        (tree / "sitecustomize.py").unlink()
    lines = CoverageData(str(data))
    lines.read()
    for file in folder.glob("coverage.*"):
        of_process = CoverageData(str(file))
        of_process.read()
        lines.update(of_process)
    tests = json.loads(summary.read_text())
    if tests["left out"]:
        print(f"left out, since they do not pass unchanged: {', '.join(tests['left out'])}", file=sys.stderr)
    return Recorded(tests["seconds"], lines)


def judge(tree: Path, edit: Edit, tests: Sequence[str], recorded: Recorded) -> tuple[str, str]:
    """Run tests on a mutant: return its status, and the test that noticed it."""
    file, failure = tree / edit.file, tree / "failure"
    failure.unlink(missing_ok=True)
    source, times = file.read_bytes(), file.stat()

    def work() -> int:
        sys.dont_write_bytecode = True
        files = sorted({test.partition("::")[0] for test in tests})
        return int(pytest.main(["-x", *QUIETLY, *files], plugins=[Chosen(tests, failure)]))

    try:
        file.write_bytes(edit.apply(source))
        seconds = 20 + 3 * sum(recorded.seconds[test] for test in tests)
        code = forked(work, tree, seconds, PYTHONDONTWRITEBYTECODE="1")
    finally:
        file.write_bytes(source)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    if code == 0:
        return "survived", ""
    return "noticed", failure.read_text() if failure.exists() else ("a crash" if code else "a hang")


def run(folder: Path, chosen: Sequence[Edit]) -> dict[str, str]:
    """Return the status of every mutant; what is known already stands in a file of the folder."""
    rows = folder / "results.jsonl"
    results = {row["mutant"]: row for row in map(json.loads, rows.read_text().splitlines())} if rows.exists() else {}
    recorded = record(folder)
    console = Console(stderr=True)
    for later in (False, True):
        for edit in track(chosen, "mutating", console=console, transient=True, disable=not console.is_terminal):
            before = results.get(str(edit), {"status": "new"})["status"]
            if before != ("unfinished" if later else "new"):
                continue
            start = time.monotonic()
            near, quick, rest = recorded.batches(folder / "tree", edit)
            status, by = "survived", ""
            for tests in [rest] if later else [near, quick]:
                if tests and status == "survived":
                    status, by = judge(folder / "tree", edit, tests, recorded)
            if status == "survived" and rest and not later:
                status = "unfinished"
            seconds = round(time.monotonic() - start, 1)
            row = {"mutant": str(edit), "status": status, "by": by, "seconds": seconds}
            results[str(edit)] = row
            with rows.open("a") as file:
                file.write(json.dumps(row) + "\n")
    return {str(edit): results[str(edit)]["status"] for edit in chosen}


def print_report(chosen: Sequence[Edit], status: dict[str, str], rooms: dict[str, str], written: str) -> None:
    """Print the table, and every mutant that was not noticed."""

    def row(title: str, folder: str) -> tuple[str, ...]:
        of_room = [status[str(edit)] for edit in chosen if edit.file.startswith(folder)]
        noticed = of_room.count("noticed")
        share = f"{noticed / len(of_room):.0%}" if of_room else ""
        return title, str(len(of_room)), str(noticed), str(len(of_room) - noticed), share

    head = ("room", "mutants", "noticed", "survived", "share")
    print_table(Written(head, [row(title, folder) for title, folder in rooms.items()], row("total", "")), written)
    print()
    for edit in chosen:
        if status[str(edit)] != "noticed":
            print(f"- `{edit}`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and the survivors; return 1 if more than a tenth survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=200, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the places (%(default)s)")
    parser.add_argument("--room", action="append", choices=ROOMS, help="only this one; may be repeated (default: all)")
    parser.add_argument("--folder", type=Path, help="of the copy and the results (default: a temporary one)")
    parser.add_argument("--format", choices=FORMATS, default="table")
    options = parser.parse_args(arguments)
    rooms = {room: ROOMS[room] for room in options.room or ROOMS}
    for name in WARM:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        shutil.copytree(TOP, folder / "tree", ignore=LEFT_OUT, dirs_exist_ok=True)
        chosen = shuffled(in_rooms(folder / "tree", rooms), options.seed)[: options.mutants]
        status = run(folder, chosen)
    print_report(chosen, status, rooms, options.format)
    return int(sum(each == "noticed" for each in status.values()) < 0.9 * len(chosen))


if __name__ == "__main__":
    sys.exit(main())
