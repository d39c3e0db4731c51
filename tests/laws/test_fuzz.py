"""A small run of the benchmark that throws mutated input, and what it says of faults that are put there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks import fuzz, fuzz_outcome
from benchmarks.fuzz_outcome import PROCESSES, Outcome, outcome_of
from benchmarks.hostile_inputs import KINDS
from convcheck.errors import LayerError

LAYERS = "layers, text changed"


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_input_is_accepted_or_refused(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--cases", "80", "--seed", "5", "--kind", kind]) == 0, capsys.readouterr().out
    total = capsys.readouterr().out.splitlines()[-2].split()
    assert total[:2] == ["total", "80"]
    assert total[-1] == "0"


def test_processes_end_as_documented() -> None:
    assert outcome_of(PROCESSES, ["shape", "ReLU()", "-i", "1"]).status == "accepted"
    assert outcome_of(PROCESSES, ["shape", "ReLU(", "-i", "1"]).status == "refused"


def test_the_same_seed_draws_the_same() -> None:
    for kind in KINDS:
        assert fuzz.drawn(kind, 3, 5) == fuzz.drawn(kind, 3, 5)
        assert [fuzz.drawn(kind, n, 5) for n in range(9)] != [fuzz.drawn(kind, n, 6) for n in range(9)]


def crash(_: object) -> None:
    raise KeyError("lost")


def warn(_: object) -> None:
    import warnings

    warnings.warn("odd", stacklevel=1)


def say_two_lines(_: object) -> None:
    raise LayerError([(None, "one\ntwo")])


def never_end(_: object) -> None:
    while True:
        pass


FAULTS: dict[str, tuple[Callable[[object], None], str]] = {
    "another exception": (crash, "KeyError: 'lost'"),
    "a warning": (warn, "a warning: odd"),
    "a message of two lines": (say_two_lines, "a message of 2 lines"),
    "no end": (never_end, "no end within 1 seconds"),
}


@pytest.mark.parametrize(("take", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_told_with_what_draws_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], take: Callable[[object], None], message: str
) -> None:
    weight, draw, _ = KINDS[LAYERS]
    monkeypatch.setitem(KINDS, LAYERS, (weight, draw, take))  # type: ignore[arg-type]
    monkeypatch.setattr(fuzz_outcome, "HANGS", 1)
    assert fuzz.main(["--seed", "5", "--kind", LAYERS, "--only", "2"]) == 1
    printed = capsys.readouterr().out
    assert message in printed
    assert f'python benchmarks/fuzz.py --seed 5 --kind "{LAYERS}" --only 2' in printed


@pytest.mark.parametrize(
    ("code", "stdout", "stderr", "status"),
    [
        (0, "fine\n", "", "accepted"),
        (1, "missed\n", "", "accepted"),
        (2, "", "error: no\n", "refused"),
        (2, "", "Usage: x\n\nError: no\n", "refused"),
        (2, "", "", "fault"),
        (2, "half a table\n", "error: no\n", "fault"),
        (0, "", "error: no\n", "fault"),
        (3, "", "error: this is a fault of convcheck itself\n", "fault"),
        (-11, "", "", "fault"),
        (0, "\x1b[31m", "", "fault"),
        (2, "", "error: \u202e\n", "fault"),
        (2, "", "Traceback (most recent call last):\nerror: no\n", "fault"),
    ],
)
def test_an_exit_is_judged(code: int, stdout: str, stderr: str, status: str) -> None:
    assert fuzz_outcome._of_exit(code, stdout, stderr).status == status


def test_rows_count_what_became_of_the_inputs() -> None:
    outcomes = [Outcome("accepted"), Outcome("refused"), Outcome("refused")]
    assert fuzz.row("x", outcomes) == ("x", "3", "1", "2", "0")
