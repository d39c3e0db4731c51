"""No module that is tampered with is called equal wrongly; a small run of the benchmark, every way once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
import torch
from torch import nn

from benchmarks import harmless_changes, tampered_modules
from benchmarks.tampered_modules import FAILURES, WAYS, Outcome, Trial
from convcheck.sides import describe, module_probe

pytestmark = pytest.mark.kernels


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Run small tensors on one thread, as the program does; more only wait for each other where others run, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def found() -> list[Trial]:
    return list(tampered_modules.trials(len(WAYS), seed=1))


def test_every_way_is_taken_and_none_fools(found: list[Trial]) -> None:
    assert [trial.way for trial in found] == list(WAYS)
    assert not [trial for trial in found if trial.outcome in FAILURES]


def test_most_that_is_tampered_with_is_refused_and_what_is_harmless_is_equal(found: list[Trial]) -> None:
    harmless = Counter(trial.outcome for trial in found if trial.way in harmless_changes.WAYS)
    tampered = Counter(trial.outcome for trial in found if trial.way not in harmless_changes.WAYS)
    assert harmless == {Outcome.EQUAL: len(harmless_changes.WAYS)}
    assert tampered[Outcome.REFUSED] > 0.7 * tampered.total()


def test_without_the_probe_and_the_checks_the_benchmark_tells_who_is_fooled(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module_probe, "_unlike", lambda _real, _due: ())
    monkeypatch.setattr(describe, "overrides", lambda _module, _base: ())
    monkeypatch.setattr(
        tampered_modules, "WAYS", {way: WAYS[way] for way in ("class: forward", "hook: on a parameter")}
    )
    assert tampered_modules.main(["--modules", "8"]) == 1
    assert "fooled: class: forward, of " in capsys.readouterr().out


def test_a_module_that_is_left_otherwise_and_one_that_is_refused_in_vain_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(module: nn.Module, _random: Random) -> None:
        module.register_forward_hook(lambda *_: None)

    monkeypatch.setattr(tampered_modules, "WAYS", {"harmless: train mode": refuse})
    assert [trial.outcome for trial in tampered_modules.trials(1, 0)] == [Outcome.WOLF]
    monkeypatch.setattr(tampered_modules, "WAYS", {"harmless: train mode": lambda *_: None})
    monkeypatch.setattr(tampered_modules, "kept", lambda _module: object())
    assert [trial.outcome for trial in tampered_modules.trials(1, 0)] == [Outcome.ALTERED]
