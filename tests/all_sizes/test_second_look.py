"""A proof is held against torch: a reader that is wrong of both sides alike is a fault of convcheck."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from convcheck.all_sizes import reading
from convcheck.all_sizes.reading import Call
from convcheck.all_sizes.second_look import ProofContradicted
from convcheck.all_sizes.value import Value
from tests.all_sizes.claims import proof_of

Run = Callable[..., Result]

LAYER = "Conv2d(2, 3, 3, padding=1, padding_mode='reflect')"


def doubled(value: Value) -> Value:
    return value.times(2)


def moved(value: Value) -> Value:
    """Every row is read as the one before."""
    axis = value.rank - 1
    return value.indexed(axis, [value.axes[axis]], ["n0 - 1"])


@pytest.fixture(params=[doubled, moved])
def wrong_reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = reading.all_readers()

    def read(call: Call) -> Value:
        return request.param(readers["convolution"](call))

    monkeypatch.setattr(reading, "all_readers", lambda: {**readers, "convolution": read})


@pytest.mark.usefixtures("wrong_reader")
def test_a_reader_that_is_wrong_of_both_sides_contradicts_torch() -> None:
    with pytest.raises(ProofContradicted, match=r"at b=2 i=2 o=2 h=3 w=3 output \[0, 0, 0, 0\] of the reference is"):
        proof_of("explicit-pad")


@pytest.mark.usefixtures("wrong_reader")
def test_it_is_a_fault_of_convcheck(convcheck: Run) -> None:
    result = convcheck("verify", "-r", "explicit-pad", LAYER, "-i", "2,2,5,5", "--all-sizes", "-f", "json")
    assert result.exit_code == 3
    (only,) = json.loads(result.stdout)["results"]
    assert only["verdict"] == "error"
    assert "contradicts itself" in str(only["reasons"])
