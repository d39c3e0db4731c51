"""Backward questions get the answers that torch gives where all settings are tried; the program asks many more."""

from __future__ import annotations

import warnings
from random import Random

import pytest

from benchmarks.backward_questions import drawn, wrong, wrong_inputs


@pytest.mark.parametrize("seed", range(12))
def test_torch_makes_what_is_suggested_and_nothing_with_fewer_changes(seed: int) -> None:
    question = drawn(Random(seed))
    with warnings.catch_warnings():
        # torch says of 'same' with an even kernel that it copies the input.
        warnings.simplefilter("ignore", UserWarning)
        assert wrong(question) is None
        assert wrong_inputs(question) is None
