"""`--failed-first` and where it is kept; `--max-failures`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from typer.testing import Result

from convcheck.catalogue.claims import Claim
from convcheck.cli import last_run, targets
from convcheck.cli.last_run import folder
from convcheck.proof.verification import verify

Run = Callable[..., Result]

CASE = '  - {{name: {}, layer: "Conv2d(3, 4, 2, stride=2, padding={})", rewrite: patchify-linear}}\n'
NOTHING = "0 of 4 were not as expected when last tried"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run every test from a folder of its own, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVCHECK_CACHE_DIR", str(tmp_path / "cache"))
    write(tmp_path, "good", "bad", "fine", "worse")
    return tmp_path / "cache"


def write(folder: Path, *names: str) -> None:
    cases = (CASE.format(name, int(name in ("bad", "worse"))) for name in names)
    (folder / "many.yaml").write_text("cases:\n" + "".join(cases))


def tried(convcheck: Run, *words: str) -> list[str]:
    """Return the cases that were tried, in the order of the report."""
    return [
        each["case"] for each in json.loads(convcheck("verify", "many.yaml", "-f", "json", *words).stdout)["results"]
    ]


def test_what_failed_comes_first_in_its_order_and_the_report_is_in_the_order_of_the_run(convcheck: Run) -> None:
    assert tried(convcheck) == ["good", "bad", "fine", "worse"]
    assert tried(convcheck, "--failed-first") == ["bad", "worse", "good", "fine"]
    assert tried(convcheck) == ["good", "bad", "fine", "worse"]
    result = convcheck("verify", "many.yaml", "--failed-first", "--list")
    assert result.stdout.splitlines()[0] == "bad[patchify-linear]"
    assert "2 of 4 were not as expected when last tried, and come first" in result.stderr


def test_a_config_is_known_by_its_place_from_wherever_it_is_named(
    convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried(convcheck)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert "2 of 4" in convcheck("verify", "../many.yaml", "--failed-first", "--list").stderr
    (tmp_path / "below" / "many.yaml").write_bytes((tmp_path / "many.yaml").read_bytes())
    assert NOTHING in convcheck("verify", "many.yaml", "--failed-first", "--list").stderr


def test_what_was_not_tried_stays_as_it_was(convcheck: Run, tmp_path: Path) -> None:
    tried(convcheck)
    assert tried(convcheck, "-k", "good") == ["good"]
    assert tried(convcheck, "-x", "--failed-first") == ["bad"]
    assert tried(convcheck, "--failed-first")[:2] == ["bad", "worse"]
    text = (tmp_path / "many.yaml").read_text()
    (tmp_path / "many.yaml").write_text(text.replace("padding=1", "padding=0", 1))
    assert tried(convcheck, "-k", "bad") == ["bad"]
    assert tried(convcheck, "--failed-first") == ["worse", "good", "bad", "fine"]


def test_layers_of_a_command_line_are_remembered_too(convcheck: Run) -> None:
    words = ["verify", "Conv2d(3, 4, 2, stride=2, padding=1)", "-i", "1,3,8,8", "-r", "explicit-pad", "--failed-first"]
    convcheck(*words, "-r", "patchify-linear")
    listed = convcheck(*words, "-r", "patchify-linear", "--list").stdout.splitlines()
    assert [name.partition("[")[2] for name in listed] == ["patchify-linear]", "explicit-pad]"]


def test_where_nothing_fails_nothing_is_kept(convcheck: Run, tmp_path: Path, cache: Path) -> None:
    write(tmp_path, "good", "fine")
    tried(convcheck)
    assert not cache.exists()
    write(tmp_path, "bad")
    tried(convcheck)
    assert len([file for file in cache.rglob("*") if file.is_file()]) == 1
    (tmp_path / "many.yaml").write_text("cases:\n" + CASE.format("bad", 0))
    tried(convcheck)
    assert [file for file in cache.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("content", [b"", b"\xff\x00"])
def test_what_is_in_a_note_does_not_matter(convcheck: Run, cache: Path, content: bytes) -> None:
    tried(convcheck)
    for file in (cache / "failed").iterdir():
        file.write_bytes(content)
    assert "2 of 4" in convcheck("verify", "many.yaml", "--failed-first", "--list").stderr


def test_shards_that_run_at_once_keep_what_each_of_them_found(convcheck: Run, tmp_path: Path) -> None:
    names = [f"bad-{index}" for index in range(6)]
    (tmp_path / "many.yaml").write_text("cases:\n" + "".join(CASE.format(name, 1) for name in names))
    claims = targets.chosen(targets.cases_of(["many.yaml"], None), None, None)
    together = Barrier(len(claims))

    def shard(claim: Claim) -> bool:
        done = True
        for _ in range(20):
            together.wait(60)
            done &= last_run.remember([(claim, False)])
        return done

    with ThreadPoolExecutor(len(claims)) as pool:
        assert all(pool.map(shard, claims))
    assert f"{len(names)} of {len(names)}" in convcheck("verify", "many.yaml", "--failed-first", "--list").stderr


def test_what_nobody_has_tried_for_long_is_forgotten(convcheck: Run, tmp_path: Path, cache: Path) -> None:
    tried(convcheck)
    write(tmp_path, "good", "fine")
    tried(convcheck)
    assert len(list((cache / "failed").iterdir())) == 2
    long_ago = time.time() - (last_run.DAYS_KEPT + 1) * 24 * 60 * 60
    first, second = (cache / "failed").iterdir()
    os.utime(first, (long_ago, long_ago))
    tried(convcheck)
    assert list((cache / "failed").iterdir()) == [second]


def test_what_fails_still_is_never_too_old(convcheck: Run, cache: Path) -> None:
    tried(convcheck)
    for file in (cache / "failed").iterdir():
        os.utime(file, (0, 0))
    tried(convcheck)
    tried(convcheck, "-k", "good")
    assert "2 of 4" in convcheck("verify", "many.yaml", "--failed-first", "--list").stderr


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()], ids=["an interrupt", "a fault of ours"])
def test_what_failed_before_a_run_was_cut_short_is_remembered(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    import convcheck.proof.run as runs

    def stopped(claim: Claim, *given: object) -> object:
        if claim.case.name == "fine":
            raise error
        return verify(claim, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(runs, "verify", stopped)
        convcheck("verify", "many.yaml")
    assert "1 of 4" in convcheck("verify", "many.yaml", "--failed-first", "--list").stderr


def test_a_cache_that_cannot_be_written_changes_nothing_and_is_noted_where_it_was_asked_for(
    convcheck: Run, cache: Path
) -> None:
    cache.write_text("no folder")
    silent, asked = convcheck("verify", "many.yaml"), convcheck("verify", "many.yaml", "--failed-first")
    assert silent.exit_code == asked.exit_code == 1
    assert not silent.stderr
    assert "note: what was not as expected cannot be kept for the next time; CONVCHECK_CACHE_DIR" in asked.stderr


def test_nothing_is_said_if_quiet(convcheck: Run, cache: Path) -> None:
    cache.write_text("no folder")
    assert not convcheck("verify", "many.yaml", "--failed-first", "-q").stderr


@pytest.mark.parametrize(
    ("system", "environment", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, Path("/x/convcheck")),
        ("linux", {"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache" / "convcheck"),
        ("linux", {}, Path.home() / ".cache" / "convcheck"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, Path.home() / "Library" / "Caches" / "convcheck"),
        ("win32", {"LOCALAPPDATA": "/l"}, Path("/l/convcheck/Cache")),
        ("win32", {}, Path.home() / "AppData" / "Local" / "convcheck" / "Cache"),
        ("linux", {"CONVCHECK_CACHE_DIR": "/own", "XDG_CACHE_HOME": "/x"}, Path("/own")),
    ],
)
def test_the_cache_is_where_the_platform_wants_it(system: str, environment: dict[str, str], expected: Path) -> None:
    assert folder(environment, system) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--max-failures", "1"), ["good", "bad"]),
        (("--max-failures", "2"), ["good", "bad", "fine", "worse"]),
        (("--max-failures", "3"), ["good", "bad", "fine", "worse"]),
        (("-x", "--max-failures", "2"), ["good", "bad"]),
    ],
)
def test_a_run_stops_after_so_many_failures(convcheck: Run, words: tuple[str, ...], expected: list[str]) -> None:
    assert tried(convcheck, *words) == expected


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5"])
def test_a_number_of_failures_is_at_least_one(convcheck: Run, number: str) -> None:
    result = convcheck("verify", "--max-failures", number)
    assert result.exit_code == 2
    assert "--max-failures" in result.stderr
