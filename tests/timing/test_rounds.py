"""Both sides take turns, and their memory is what is allocated."""

from __future__ import annotations

import math

import pytest
import torch

from convcheck.results import Sides
from convcheck.timing import rounds
from convcheck.timing.peak import peak_bytes


class FakeTimer:
    """Takes as long as it is told to, and writes down what is asked of it."""

    seconds: tuple[float, float]
    asked: list[tuple[str, int, int]]

    def __init__(self, stmt: str, globals: dict[str, object], num_threads: int) -> None:
        assert stmt == "run()"
        self.side, self.threads = str(globals["run"]), num_threads

    def timeit(self, number: int) -> FakeTimer:
        self.asked.append((self.side, number, self.threads))
        return self

    @property
    def median(self) -> float:
        return self.seconds[self.side == "candidate"]


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> type[FakeTimer]:
    FakeTimer.asked = []
    monkeypatch.setattr(rounds, "Timer", FakeTimer)
    return FakeTimer


SIDES = Sides("reference", "candidate")


@pytest.mark.parametrize("seconds", [(1e-6, 1e-6), (1e-3, 1.5e-3), (0.05, 1e-5), (100.0, 30.0)])
def test_sides_take_turns_and_each_begins_every_other_round(
    timer: type[FakeTimer], seconds: tuple[float, float]
) -> None:
    timer.seconds = seconds
    timed = rounds.interleaved(SIDES, 3)  # type: ignore[arg-type]
    count = len(timed.reference)
    assert rounds.FEWEST <= count <= rounds.MOST
    assert timed == Sides([seconds[0]] * count, [seconds[1]] * count)
    looks, blocks = timer.asked[: -2 * count], timer.asked[-2 * count :]
    assert {side for side, _, _ in looks} == {"reference", "candidate"}
    order = [side for side, _, _ in blocks]
    assert order == [("candidate", "reference", "reference", "candidate")[n % 4] for n in range(2 * count)]
    assert {threads for _, _, threads in timer.asked} == {3}
    # A block is long enough to be timed.
    assert all(number == 1 or number * seconds[side == "candidate"] >= rounds.BLOCK for side, number, _ in blocks)


def test_sides_that_take_about_as_long_get_as_many_calls_a_block(timer: type[FakeTimer]) -> None:
    for ratio in (1.0, 1.1, 1.9, 0.6):
        timer.seconds, timer.asked = (1e-4, 1e-4 * ratio), []
        rounds.interleaved(SIDES, 1)  # type: ignore[arg-type]
        assert len({number for _, number, _ in timer.asked[-2 * rounds.FEWEST :]}) == 1
    timer.seconds, timer.asked = (1e-5, 1e-3), []
    rounds.interleaved(SIDES, 1)  # type: ignore[arg-type]
    assert {(side, number) for side, number, _ in timer.asked[-2 * rounds.FEWEST :]} == {
        ("reference", math.ceil(rounds.BLOCK / 1e-5)),
        ("candidate", math.ceil(rounds.BLOCK / 1e-3)),
    }


def test_a_first_call_that_takes_long_makes_no_block_short(
    timer: type[FakeTimer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few calls a block meet caches that the other side left, so both get as many as they take when they are warm."""
    timer.seconds = (1e-5, 1e-5)
    warm = FakeTimer.timeit

    def cold_at_first(self: FakeTimer, number: int) -> FakeTimer:
        timer.seconds = (1.0, 1.0) if not timer.asked else (1e-5, 1e-5)
        return warm(self, number)

    monkeypatch.setattr(FakeTimer, "timeit", cold_at_first)
    rounds.interleaved(SIDES, 1)  # type: ignore[arg-type]
    assert len({number for _, number, _ in timer.asked[-2 * rounds.FEWEST :]}) == 1


def test_the_first_call_is_one_call() -> None:
    calls = []
    assert rounds.first_call(lambda: calls.append(torch.get_num_threads()), 1) > 0
    assert calls == [1]


def test_the_peak_is_what_is_held_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    size = 1 << 18
    before = torch.zeros(size)

    def one_after_the_other() -> torch.Tensor:
        for _ in range(3):
            kept = before + 1
        return kept

    def together() -> list[torch.Tensor]:
        return [before + 1, before + 1, before + 1]

    def freed() -> None:
        torch.empty(4 * size)

    cpu, a_tensor, scalars = torch.device("cpu"), 4 * size, 4096
    assert 2 * a_tensor <= peak_bytes(one_after_the_other, cpu) <= 2 * a_tensor + scalars
    assert 3 * a_tensor <= peak_bytes(together, cpu) <= 3 * a_tensor + scalars
    assert 4 * a_tensor <= peak_bytes(freed, cpu) <= 4 * a_tensor + scalars
    assert peak_bytes(lambda: before, cpu) == 0
    assert capfd.readouterr() == ("", "")
