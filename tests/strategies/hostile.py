"""How input that means harm must end."""

from __future__ import annotations

import gc
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typer.testing import Result

MOST_MEMORY = 200 * 1024
"""KiB."""
HANGS = 10
"""Seconds of this process's own work, whatever else the machine does. While it waits, six times as many may pass."""


@contextmanager
def guarded() -> Iterator[None]:
    """Fail where more memory is taken than allowed, or where there is no end."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"no answer after {HANGS} seconds")

    # What other tests left behind is not this one's.
    gc.collect()
    before = _memory("VmRSS", reset=True)
    usual = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, HANGS)
    signal.alarm(6 * HANGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in usual.items():
            signal.signal(number, handler)
    peak = _memory("VmHWM")
    if before is None or peak is None:
        # Told among pytest's warnings, none of which is an error here: what else the test claims is seen all the same.
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("there is no account of memory in /proc, so no peak of it was checked", stacklevel=3)
    else:
        assert peak - before < MOST_MEMORY


def _memory(which: str, *, reset: bool = False) -> int | None:
    """Return a line of the kernel's account of this process in KiB; None where there is none."""
    try:
        if reset:
            # So the peak is counted anew.
            Path("/proc/self/clear_refs").write_text("5")
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(which)), None)


def refused(result: Result) -> str:
    """Return the one message of a command that refused its input."""
    assert result.exit_code == 2, result.output[-2000:]
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert all(sign.isprintable() or sign == "\n" for sign in result.stderr)
    messages = [line for line in result.stderr.splitlines() if line.lower().startswith("error: ")]
    assert len(messages) == 1, result.stderr[-2000:]
    assert len(messages[0]) < 2000
    assert not Path("ran").exists()
    return messages[0]
