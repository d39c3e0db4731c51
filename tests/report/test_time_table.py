"""The table of a benchmark loses nothing, at any width."""

from __future__ import annotations

import re

import pytest

from convcheck.report.plain_console import UNLIMITED, print_to_text
from convcheck.report.tables.time_table import time_tables
from convcheck.results import Tool, Verdict
from convcheck.timing.comparison import Benchmark, Comparison, Cost, NotTimed, Pass
from convcheck.timing.intervals import Spread, say


def compared(rewrite: str | None, direction: Pass, ratio: Spread, seconds: float) -> Comparison:
    reference = Cost(seconds, seconds * 0.9, seconds * 1.1, 3 * seconds, 12.34, 5.678, 49 * 1024)
    candidate = Cost(seconds / ratio.median, seconds, seconds, seconds, None, None, None)
    return Comparison(
        "a\x1b[1m-case",
        rewrite,
        "bfloat16",
        4,
        "cpu",
        direction,
        True,
        False,
        9,
        reference,
        candidate,
        ratio,
        say(ratio),
    )


TOOL = Tool("0.1.0", "2.13.0", "3.11.7", "cpu", 4)
BENCHMARK = Benchmark(
    TOOL,
    (
        compared("patchify-linear", Pass.FORWARD, Spread(1.25, 1.2, 1.333), 0.00123),
        compared(None, Pass.BACKWARD, Spread(0.5, 0.4, 0.6), 2.5),
        compared("taps-sum", Pass.FORWARD, Spread(1.0, 0.9, 1.1), 4.5e-6),
    ),
    (NotTimed("a-case", "fft", "float16", "cpu", Verdict.ERROR, "why\nnot", "convcheck verify a.yaml"),),
    interrupted=True,
    untried=2,
)

WORDS = (
    "patchify-linear", "taps-sum", "forward", "backward", "faster", "slower", "no difference", "1.25", "1.2 to 1.33",
    "1.23 ms ±10 %", "3.69 ms", "2.5 s ±10 %", "4.5 µs ±10 %", "12.3 / -", "5.68 / -", "49 KiB / -", "bfloat16",
    "4 threads", "channels last", "on cpu", "torch 2.13.0", "not timed: a-case[fft] in float16: error",
    "again: convcheck verify a.yaml",
    "3 comparisons: 1 faster, 1 slower, 1 no difference, 1 not timed; interrupted, 2 claims untried",
)  # fmt: skip


@pytest.mark.parametrize("width", [UNLIMITED, 240, 120, 100, 80, 60, 40])
def test_every_word_and_number_is_there_at_any_width(width: int) -> None:
    text = print_to_text(lambda console: time_tables(BENCHMARK, console), width)
    whole = re.sub(r"\s+", " ", text)
    assert [word for word in WORDS if word not in whole] == []
    assert "\x1b" not in text
    assert all(len(line) <= width for line in text.splitlines())


def test_without_an_edge_a_comparison_is_a_line() -> None:
    lines = print_to_text(lambda console: time_tables(BENCHMARK, console)).splitlines()
    assert [line.split("   ")[0] for line in lines[2:5]] == [r"a\x1b[1m-case"] * 3
    assert "pass" in lines[0]
    # What is the same for all stands below.
    assert "dtype" not in lines[0]


def test_a_run_of_nothing_has_a_sum() -> None:
    assert print_to_text(lambda console: time_tables(Benchmark(TOOL, (), ()), console)) == "\n0 comparisons"
