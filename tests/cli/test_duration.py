"""A claim that takes long says so before it begins, on standard error, in a pipe too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from typer.testing import Result

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof import duration, memory
from convcheck.proof.verification import verify

Run = Callable[..., Result]

SMALL = ["verify", "Conv2d(3, 8, 3, padding=1)", "-i", "1,3,8,8", "-r", "explicit-pad"]


def claim(name: str, text: str, *shape: int) -> Claim:
    return Claim(Case("c", parse_layer(text), (shape,), (name,)), name, catalogue()[name], ())


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this machine so slow that the small claim takes minutes."""
    work = duration.work(claim("explicit-pad", "Conv2d(3, 8, 3, padding=1)", 1, 3, 8, 8))
    monkeypatch.setattr(duration, "SLOWEST", 0)
    monkeypatch.setattr(duration, "pace", lambda: work / 170)


@pytest.mark.usefixtures("slow")
def test_a_long_claim_says_for_about_how_long_and_its_report_stays_what_it_is(convcheck: Run) -> None:
    long = convcheck(*SMALL, "-f", "json")
    assert "conv2d-3-8-k3-p1[explicit-pad] takes about 3 minutes\n" in long.stderr
    assert "takes about" not in long.stdout
    assert long.exit_code == 0


def test_a_short_claim_says_nothing_of_time(convcheck: Run) -> None:
    assert "takes about" not in convcheck(*SMALL).stderr


@pytest.mark.usefixtures("slow")
def test_nothing_is_said_where_the_user_wants_quiet_or_the_claim_ends_at_once(
    convcheck: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "takes about" not in convcheck(*SMALL, "--quiet").stderr
    monkeypatch.setattr(memory, "available", lambda: 1000)
    assert "takes about" not in convcheck(*SMALL).stderr


def test_the_pace_is_measured_once_and_only_where_a_claim_may_be_long(convcheck: Run) -> None:
    duration.pace.cache_clear()
    convcheck(*SMALL)
    assert duration.pace.cache_info().misses == 0
    assert duration.pace() == duration.pace() > duration.SLOWEST / 10


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (31, "30 seconds"),
        (96, "100 seconds"),
        (119.9, "100 seconds"),
        (120, "2 minutes"),
        (59 * 60, "60 minutes"),
        (7200, "2 hours"),
        (1e6, "300 hours"),
    ],
)
def test_a_duration_has_one_digit(seconds: float, text: str) -> None:
    assert duration.write_duration(seconds) == text


@pytest.mark.parametrize("name", ["fft", "loops", "taps-sum", "unfold-matmul", "winograd"])
def test_eight_times_as_many_images_take_more_work_about_in_proportion(name: str) -> None:
    few, many = (duration.work(claim(name, "Conv2d(16, 16, 3, padding=1)", images, 16, 16, 16)) for images in (2, 16))
    assert 2 < many / few < 12


@pytest.mark.parametrize(
    ("name", "text", "shape"),
    [
        ("fft", "Conv1d(1, 1, 3)", (1, 1, 100)),
        ("fft", "Conv2d(4, 4, 5, padding=2)", (1, 4, 48, 48)),
        ("winograd", "Conv2d(32, 32, 3, padding=1)", (2, 32, 28, 28)),
        ("loops", "Conv2d(3, 8, 3)", (1, 3, 8, 8)),
        ("rearranged", "PixelShuffle(2)", (1, 8, 4, 4)),
        ("merge-convs", "Sequential(Conv2d(3, 4, 1), Conv2d(4, 8, 3))", (1, 3, 16, 16)),
    ],
)
def test_as_many_probes_are_foretold_as_are_drawn(name: str, text: str, shape: tuple[int, ...]) -> None:
    drawn = verify(claim(name, text, *shape)).exact.probes
    assert duration.probes(claim(name, text, *shape)) == drawn


def test_a_refused_claim_takes_no_time() -> None:
    assert duration.work(Claim(Case("c", parse_layer("Linear(2, 2)"), ((1, 2),), None), "all", None, ("no",))) == 0


def test_a_slower_candidate_takes_longer_in_proportion_to_its_products() -> None:
    def more(size: int) -> float:
        made = claim("explicit-pad", "Conv2d(3, 8, 3, padding=1)", 1, 3, size, size)
        assert made.rewrite is not None
        slower = replace(made, rewrite=replace(made.rewrite, slowness=lambda *_: 3.0))
        usual = replace(made, rewrite=replace(made.rewrite, slowness=lambda *_: 1.0))
        return duration.work(slower) - duration.work(usual)

    assert more(16) == pytest.approx(4 * more(8))
