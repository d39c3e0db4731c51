"""What came of one hostile input: accepted, refused as documented, or a fault."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

from typer.testing import CliRunner

from benchmarks.hostile_inputs import KINDS
from convcheck.cli.main import app
from convcheck.errors import ConfigError, ConvcheckError

PROCESSES = "command lines, as processes"
HANGS = 20
"""Seconds of work, whatever else the machine does, after which an input is said to have no end; answers take
milliseconds. While nothing is done, WAITS times as many may pass."""
WAITS = 6


Status = Literal["accepted", "refused", "fault"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Outcome:
    """How it ended, and what was said."""

    status: Status
    message: str = ""


class _HangError(BaseException):
    """There is no end to it; nothing that catches errors catches this."""


@contextmanager
def _alarm() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _HangError(f"no end within {HANGS} seconds")

    usual = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, HANGS)
    signal.alarm(WAITS * HANGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in usual.items():
            signal.signal(number, handler)


def outcome_of(kind: str, value: Any) -> Outcome:
    """Hand an input of some kind over, and judge what comes of it."""
    if kind == PROCESSES:
        return _of_process(value)
    take = KINDS[kind][2]
    try:
        with _alarm(), warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            outcome = _of_program(value) if take is None else _taken(take, value)
        return Outcome("fault", f"a warning: {remarks[0].message}") if remarks else outcome
    except (Exception, _HangError) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome("fault", f"{type(error).__name__}: {str(error)[:200]} ({place.filename}:{place.lineno})")


def _taken(take: Callable[[Any], object], value: object) -> Outcome:
    try:
        take(value)
    except ConvcheckError as error:
        return _of_error(error)
    return Outcome("accepted")


def _of_error(error: ConvcheckError) -> Outcome:
    lines = str(error).splitlines()
    several = isinstance(error, ConfigError) and len(error.faults)
    if len(lines) != (several or 1) or not all(line.strip() for line in lines):
        return Outcome("fault", f"a message of {len(lines)} lines: {str(error)[:300]!r}")
    if max(map(len, lines)) > 10_000:
        return Outcome("fault", f"a message of {max(map(len, lines))} characters: {lines[0][:300]!r}")
    return Outcome("refused", lines[0])


def _of_program(words: list[str]) -> Outcome:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        if isinstance(result.exception, Exception):
            raise result.exception
        return Outcome("fault", f"{type(result.exception).__name__}: {result.exception}")
    return _of_exit(result.exit_code, result.stdout, result.stderr)


def _of_process(words: list[str]) -> Outcome:
    command = [sys.executable, "-m", "convcheck", *words]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=WAITS * HANGS, check=False,
            stdin=subprocess.DEVNULL, preexec_fn=_limit_work,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Outcome("fault", f"no end within {WAITS * HANGS} seconds")
    return _of_exit(done.returncode, done.stdout, done.stderr)


def _limit_work() -> None:
    """Have the kernel end this process, whose exit code is then none of ours, after so many seconds of work."""
    resource.setrlimit(resource.RLIMIT_CPU, (HANGS, HANGS))


def _of_exit(code: int, stdout: str, stderr: str) -> Outcome:
    """Judge an exit: codes 0, 1 and 2, an error where it is 2 and nothing else but faults of a config as JSON, and
    nothing that moves a cursor.
    """
    moving = [sign for sign in stdout + stderr if not (sign.isprintable() or sign == "\n")]
    errors = [line for line in stderr.splitlines() if line.lower().startswith("error: ")]
    if code not in (0, 1, 2) or "Traceback" in stderr or "Warning" in stderr:
        return Outcome("fault", f"exit code {code}: {stderr[-500:]!r}")
    if moving:
        return Outcome("fault", f"signs that move a cursor, {set(moving)}: {(stderr or stdout)[:300]!r}")
    if (code == 2) != bool(errors) or (code == 2 and stdout and not _is_faults(stdout)):
        return Outcome("fault", f"exit code {code} with {len(errors)} errors: {stderr[:500]!r}, {stdout[:200]!r}")
    return Outcome("refused", errors[0]) if code == 2 else Outcome("accepted")


def _is_faults(stdout: str) -> bool:
    try:
        return set(json.loads(stdout)) == {"schema", "ok", "faults"}
    except (ValueError, TypeError):
        return False
