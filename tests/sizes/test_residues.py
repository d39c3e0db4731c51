"""Remainders that are counted are those that are seen where all of them are looked at."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from convcheck.sizes.residues import Residues, first_up_to, floors, least
from convcheck.sizes.windows import TransposedWindow, Window

numbers = st.integers(-60, 60)
counts = st.integers(1, 40)
sizes = st.integers(1, 12)
widths = st.integers(0, 12)
modes = st.sampled_from(["zeros", "reflect", "replicate"])


@given(numbers, numbers, counts, st.integers(0, 40))
def test_sums_of_floors_are_those_of_the_floors_one_by_one(a: int, b: int, m: int, count: int) -> None:
    assert floors(a, b, m, count) == sum((a * x + b) // m for x in range(count))


@given(numbers, numbers, counts, counts, st.integers(-1, 45))
def test_the_least_and_the_first_small_remainder_are_those_of_all(
    a: int, b: int, m: int, count: int, most: int
) -> None:
    seen = [(a * x + b) % m for x in range(count)]
    assert least(Residues(a, b, m), count) == min(seen)
    assert first_up_to(Residues(a, b, m), most, count) == next((x for x, rest in enumerate(seen) if rest <= most), None)


@given(
    sizes, sizes, sizes, widths, widths, st.integers(1, 60), widths, st.sampled_from(["zeros", "reflect", "replicate"])
)
def test_positions_that_windows_drop_are_those_that_no_tap_stands_on(
    kernel: int, stride: int, dilation: int, before: int, after: int, length: int, outputs: int, mode: str
) -> None:
    window = Window(kernel, stride, dilation, before, after)

    def read() -> Iterator[int]:
        for place in (each * stride + tap * dilation for each in range(outputs) for tap in range(kernel)):
            at = place - before
            if 0 <= at < length:
                yield at
            elif mode == "replicate" and at < length + after:
                yield min(max(at, 0), length - 1)
            elif mode == "reflect" and at < length + after:
                yield -at if at < 0 else 2 * (length - 1) - at

    assert window.dropped(length, outputs, mode) == length - 1 - max(read(), default=-1)


@given(sizes, sizes, sizes, widths, st.integers(1, 60), widths)
def test_positions_that_are_not_spread_are_those_that_no_tap_carries_into_the_outputs(
    kernel: int, stride: int, dilation: int, padding: int, length: int, outputs: int
) -> None:
    spread = TransposedWindow(kernel, stride, dilation, padding, 0)
    taps = range(0, kernel * dilation, dilation)
    reach = [at for at in range(length) if any(0 <= at * stride + tap - padding < outputs for tap in taps)]
    assert spread.dropped(length, outputs) == length - 1 - max(reach, default=-1)
