"""Hypothesis profiles: the same 25 examples a law by default, 200 new ones with HYPOTHESIS_PROFILE=nightly."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from typer.testing import CliRunner, Result

from convcheck.cli.main import app

# Threads that wait for each other in a loop hold up whatever else runs beside the tests; torch reads this once.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# The machine may be shared and slow; a law is about values, never about time.
_SHARED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
# A gate must not fall at random on a change that is not at fault, so the examples are the same ones for everybody;
# every night they are drawn anew.
settings.register_profile("default", max_examples=25, derandomize=True, **_SHARED)
settings.register_profile("nightly", max_examples=200, **_SHARED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def _numbers_do_not_depend_on_what_ran_before() -> None:
    """Begin torch's stream of random numbers anew, so that neither order nor workers change what a test draws."""
    import torch

    torch.manual_seed(0)


@pytest.fixture
def convcheck() -> Callable[..., Result]:
    """Run the program in this process; its result holds exit_code, stdout and stderr."""
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let what is started be interrupted, even where the tests run in a shell's background, which ignores Control-C.

    A process inherits that an interrupt is ignored, and of a handler only that it is not.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
