"""Claims in several processes: the same output as in one, in order, and no claim that takes another with it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

import convcheck.proof.run as runs
from convcheck.catalogue.claims import Claim
from convcheck.cli import jobs, workers
from convcheck.proof import memory
from convcheck.proof.shared import Shared
from convcheck.proof.verification import verify
from convcheck.results import Result as Verified

Run = Callable[..., Result]
Planted = Callable[[Claim], Verified]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forks")

NAMES = ("first", "second", "third", "fourth", "fifth")
CASES = "".join(
    f"  - {{name: {name}, layer: 'Conv2d(3, {size}, 2, stride=2)', input: [1, 3, 8, 8], rewrite: patchify-linear}}\n"
    for size, name in enumerate(NAMES, 4)
)
WRONG = """\
  - {name: refused, layer: "Conv2d(3, 4, 2)", rewrite: patchify-linear}
  - name: wrong
    layer: Conv2d(3, 4, 2, stride=2)
    rewrite: patchify-linear
    transplant: {weight: "o i kh kw -> o (kh kw i)"}
  - {name: last, layer: "Linear(3, 4)", rewrite: linear-as-conv1x1}
"""


@pytest.fixture(autouse=True)
def _forks_start_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this process, which has computed with several threads, forks that do so as well would wait forever."""
    monkeypatch.setattr(workers, "threads_of_each", lambda _jobs: 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(f"cases:\n{CASES}{WRONG}")
    return file


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have a function verify the claims of some names, as forks do then, too."""

    def plant(**planted: Planted) -> None:
        def chosen(claim: Claim, shared: Shared) -> Verified:
            name = claim.case.name
            return planted[name](claim) if name in planted else verify(claim, shared)

        monkeypatch.setattr(runs, "verify", chosen)

    return plant


def results(printed: Result) -> list[dict[str, Any]]:
    """Return the results of a JSON object or of lines, but for times."""
    text = printed.stdout
    found = json.loads(text)["results"] if text.startswith("{\n") else [json.loads(line) for line in text.splitlines()]
    return [{key: value for key, value in result.items() if key != "seconds"} for result in found]


@pytest.mark.parametrize("words", [(), ("-x",), ("--max-failures", "2"), ("--seed", "3", "--dtype", "bfloat16")])
def test_the_output_is_that_of_one_process(convcheck: Run, config: Path, words: tuple[str, ...]) -> None:
    one, three = (convcheck("verify", config, "-f", "jsonl", *words, "--jobs", count) for count in (1, 3))
    assert results(three) == results(one)
    assert three.exit_code == one.exit_code == 1
    assert three.stderr == one.stderr


def test_what_is_counted_in_the_end_is_that_of_one_process(convcheck: Run, config: Path) -> None:
    one, three = (convcheck("verify", config, "--jobs", count).stdout for count in (1, 3))
    assert "6 equal, 1 different, 1 refused, 8 in all" in " ".join(three.split())
    assert [line.split()[:1] for line in three.splitlines()] == [line.split()[:1] for line in one.splitlines()]


def test_results_stay_in_order_where_a_later_one_is_there_first(
    convcheck: Run, config: Path, plant: Callable[..., None], tmp_path: Path
) -> None:
    def last(claim: Claim) -> Verified:
        (tmp_path / "finished").touch()
        return verify(claim)

    def waits(claim: Claim) -> Verified:
        while not (tmp_path / "finished").exists():
            time.sleep(0.01)
        return verify(claim)

    plant(first=waits, fifth=last)
    printed = convcheck("verify", config, "-f", "jsonl", "--jobs", 2)
    assert [result["case"] for result in results(printed)] == [*NAMES, "refused", "wrong", "last"]


def dies(_claim: Claim) -> Verified:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def exits(_claim: Claim) -> Verified:
    os._exit(5)


@pytest.mark.parametrize(("end", "how"), [(dies, "was ended by SIGKILL"), (exits, "ended by itself with 5")])
def test_a_process_that_ends_is_a_fault_of_its_claim_alone_and_never_a_mismatch(
    convcheck: Run, config: Path, plant: Callable[..., None], end: Planted, how: str
) -> None:
    plant(first=end, fourth=end)
    printed = convcheck("verify", config, "-f", "json", "--jobs", 2)
    assert printed.exit_code == 3
    found = results(printed)
    verdicts = ["error", "equal", "equal", "error", "equal", "refused", "different", "equal"]
    assert [result["verdict"] for result in found] == verdicts
    assert found[0]["reason"] == f"the process that verified it {how}, which says nothing about the layer"
    assert f"first[patchify-linear]: the process that verified it {how}" in printed.stderr


def test_a_fault_of_ours_in_another_process_is_traced(convcheck: Run, config: Path, plant: Callable[..., None]) -> None:
    def planted(_claim: Claim) -> Verified:
        raise ZeroDivisionError("planted")

    plant(second=planted)
    printed = convcheck("verify", config, "-f", "json", "--jobs", 2)
    assert printed.exit_code == 3
    assert "in planted" in printed.stderr
    assert "convcheck itself failed, at convcheck/proof/run.py:" in results(printed)[1]["reason"]


def interrupts(_claim: Claim) -> Verified:
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)
    raise AssertionError


def of_their_own(_claim: Claim) -> Verified:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("stop", [interrupts, of_their_own])
@pytest.mark.parametrize("format", ["json", "jsonl"])
def test_an_interrupt_reports_what_was_finished_by_all_and_leaves_no_process(
    convcheck: Run, config: Path, plant: Callable[..., None], tmp_path: Path, stop: Planted, format: str
) -> None:
    def noted(claim: Claim) -> Verified:
        result = verify(claim)
        (tmp_path / "finished").touch()
        return result

    def waits(_claim: Claim) -> Verified:
        (tmp_path / "waiting").touch()
        time.sleep(60)
        raise AssertionError

    def late(claim: Claim) -> Verified:
        while not ((tmp_path / "finished").exists() and (tmp_path / "waiting").exists()):
            time.sleep(0.01)
        return stop(claim)

    # The second never ends, so the others' results wait for it.
    plant(second=waits, third=noted, fourth=late)
    printed = convcheck("verify", config, "-f", format, "--jobs", 2)
    assert printed.exit_code == 130
    assert [result["case"] for result in results(printed)] == ["first", "third"]
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_as_many_are_verified_at_once_as_memory_has_room_for(
    convcheck: Run, config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    def noted(claim: Claim, shared: Shared) -> Verified:
        with log.open("a") as file:
            file.write(f"begin {claim.case.name}\n")
        result = verify(claim, shared)
        with log.open("a") as file:
            file.write(f"end {claim.case.name}\n")
        return result

    monkeypatch.setattr(runs, "verify", noted)
    whole = memory.available()
    monkeypatch.setattr(memory, "needed", lambda _claim: whole * 2 // 3)
    monkeypatch.setattr(memory, "available", lambda: whole)
    convcheck("verify", config, "-k", " or ".join(NAMES), "--jobs", 3)
    assert log.read_text().split("\n")[:-1] == [f"{event} {name}" for name in NAMES for event in ("begin", "end")]


OWN = """\
import os
from pathlib import Path
from torch import nn

class Noted(nn.Linear):
    def forward(self, x):
        with Path(__file__).with_suffix(".log").open("a") as file:
            file.write(f"{os.getpid()}\\n")
        return super().forward(x)
"""


def test_code_of_the_users_own_runs_in_the_other_processes(convcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    cases = (
        f"  - {{reference: 'own.py:Noted({size}, 4)', candidate: 'Linear({size}, 4)', input: [2, {size}]}}\n"
        for size in (3, 5)
    )
    file = tmp_path / "own.yaml"
    file.write_text("cases:\n" + "".join(cases))
    printed = convcheck("verify", file, "--trust", "-f", "jsonl", "--jobs", 2)
    assert [result["verdict"] for result in results(printed)] == ["equal", "equal"]
    places = {int(place) for place in (tmp_path / "own.log").read_text().split()}
    assert len(places) == 2
    assert os.getpid() not in places


def test_all_threads_together_have_a_core_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(16)))
    monkeypatch.setattr("psutil.cpu_count", lambda logical=True: 16 if logical else 8)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert [jobs.threads_of_each(count) for count in (1, 2, 3, 4, 8, 20)] == [8, 4, 2, 2, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert [jobs.threads_of_each(count) for count in (1, 2, 4, 8)] == [2, 2, 2, 1]


@pytest.mark.parametrize(
    ("platform", "device", "why"),
    [("linux", "cuda:0", "claims on cuda:0 share one device"), ("darwin", "cpu", "processes are forks")],
)
def test_one_process_does_it_where_several_would_not_win(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], platform: str, device: str, why: str
) -> None:
    from convcheck.catalogue.claims import claims_of
    from convcheck.config.case import Case
    from convcheck.layers import parse_layer

    claims = list(claims_of([Case("one", parse_layer("Linear(3, 4)"), ((2, 3),), device=device)]))
    monkeypatch.setattr(sys, "platform", platform)
    assert jobs.processes(4, claims, quiet=False) == 1
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(("setting", "there"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_that_wait_leave_their_core_unless_the_user_wants_otherwise(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch, setting: str | None, there: str
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if setting:
        monkeypatch.setenv("OMP_WAIT_POLICY", setting)
    convcheck("verify", "--list")
    assert os.environ["OMP_WAIT_POLICY"] == there
