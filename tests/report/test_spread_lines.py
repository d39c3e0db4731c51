"""How errors are spread, in letters: only where there is something to see, and never wide."""

from __future__ import annotations

import math

import pytest

from convcheck.report.spread_lines import spread_lines
from convcheck.results.pictures import Histogram, Spread, Strip
from tests.strategies.shown import comparable

WITHIN = Spread(Histogram(40, {-20: 1, -3: 100, -2: 50, 0: 2}), (0.3,) * 8)
EXACT = Spread(Histogram(193), (0.0,) * 8)
STRIP = Strip(3, ("height", "width"), (24, 80), ((0.5, 2.0, 1e6), (0.0, 1.0, math.inf)))
BEYOND = Spread(Histogram(5, {-3: 7, 4: 90, 11: 3, 12: 4}, 2), (0.0, 1e6, 0.2, math.inf), STRIP)


def lines(spread: Spread, *, ascii_only: bool = False, width: int = 80) -> list[tuple[str, str]]:
    return list(spread_lines(spread, ascii_only=ascii_only, width=width))


def test_no_error_at_all_is_one_line() -> None:
    assert lines(EXACT) == [("spread", "exactly 0 █  1e-04 |         | 1, the bound; 193 outputs")]


def test_what_is_within_the_bound_is_one_line() -> None:
    assert lines(WITHIN) == [("spread", "exactly 0 ▄  1e-04 |▁    █▅ ▁| 1, the bound; 193 outputs")]
    assert lines(WITHIN, ascii_only=True) == [("spread", "exactly 0 =  1e-04 |.    @+ .| 1, the bound; 193 outputs")]


def test_a_mismatch_has_bars_and_a_place() -> None:
    assert lines(BEYOND) == [
        ("spread", "99 of 111 beyond the bound; by error / bound:"),
        (" ", "0             5  █▍"),
        (" ", "up to 0.1     7  █▉"),
        (" ", "up to 100    90  ████████████████████████"),
        (" ", "up to 1e+06   7  █▉"),
        (" ", "not finite    2  ▌"),
        ("channels", "the largest error / bound of each:"),
        (" ", "0           0"),
        (" ", "1   1.000e+06  ████████████████████████"),
        (" ", "2         0.2  ▏"),
        (" ", "3  not finite  ████████████████████████"),
        ("where", "channel 3, height x width, 12 x 27 a letter; · is within:"),
        (" ", "·░█"),
        (" ", "··█"),
    ]
    assert all(text.isascii() for _, text in lines(BEYOND, ascii_only=True))


def test_bars_count_all_outputs() -> None:
    counts = [int(text[len("up to 1e+06") :].split()[0]) for subject, text in lines(BEYOND)[1:6]]
    assert sum(counts) == BEYOND.histogram.entries


def test_what_is_wrong_everywhere_is_said_in_a_line() -> None:
    strip = Strip(3, ("height", "width"), (2, 2), ((5.0, 6.0), (7.0, 6.0)))
    spread = Spread(Histogram(0, {2: 8}), (5.0, 7.0), strip)
    assert lines(spread)[2:] == [
        ("channels", "all 2 are beyond, by 5 to 7 times the bound"),
        ("where", "all over channel 3, height x width"),
    ]


@pytest.mark.parametrize("count", [2, 16, 17, 768, 4096])
def test_there_are_few_bars_whatever_the_number_of_channels(count: int) -> None:
    largest = (*[0.5] * (count - 1), 1e5)
    shown = lines(Spread(Histogram(0, {-1: count - 1, 10: 1}), largest))[3:]
    assert len(shown) <= 17
    # The last bar has the last channel, whose error is the largest.
    assert shown[-1][1].split()[0].endswith(str(count - 1))
    assert shown[-1][1].endswith("█" * 24)


def test_nothing_is_broken_where_the_terminal_is_narrow() -> None:
    assert all(len(text) <= 80 - 16 for _, text in (*lines(BEYOND), *lines(WITHIN)))
    assert lines(BEYOND, width=60) == []


def test_what_a_page_shows_of_it_is_up_to_a_kernel_but_for_its_words() -> None:
    texts = [f"    {subject:<10}  {text}\n" for spread in (WITHIN, EXACT) for subject, text in lines(spread)]
    assert comparable(texts[0]) == comparable(texts[1])
    assert comparable(texts[0]) != comparable(texts[0].replace("outputs", "inputs"))
    assert comparable(texts[0]) != comparable(texts[0].replace("193", "194"))
