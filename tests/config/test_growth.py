"""A config takes time in proportion to its cases: what is the same is looked at once, and the collector waits."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from benchmarks.config_loading import config
from convcheck.catalogue.catalogue import vocabulary
from convcheck.catalogue.claims import claims_of
from convcheck.config import load as loading
from convcheck.config.case import Case
from convcheck.config.nodes import read
from convcheck.errors import ConfigError
from convcheck.layers.text import parse


def cases_of(text: str, folder: Path) -> list[Case]:
    (folder / "c.yaml").write_text(text)
    return loading.load(folder / "c.yaml", "c.yaml", vocabulary())


def test_the_sweep_that_is_timed_has_so_many_cases_and_all_can_be_tried(tmp_path: Path) -> None:
    cases = cases_of(config(100), tmp_path)
    assert len({case.name for case in cases}) == len(cases) == 100
    assert not [claim.refusals for claim in claims_of(cases) if claim.refusals]


def test_a_text_is_read_as_a_layer_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    read_call = parse.read_call
    monkeypatch.setattr(parse, "read_call", lambda text, kinds: texts.append(text) or read_call(text, kinds))
    cases_of("cases:\n  - {layer: 'Linear(5, 977)', name: 'n{seed}', matrix: {seed: [1, 2, 3]}}\n", tmp_path)
    assert len(texts) <= 1


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_waits_while_a_config_is_read_and_is_as_before_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enabled: bool
) -> None:
    meanwhile: list[bool] = []
    monkeypatch.setattr(loading, "read", lambda *words: meanwhile.append(gc.isenabled()) or read(*words))
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        cases_of("cases: [{layer: 'Linear(2, 3)'}]", tmp_path)
        with pytest.raises(ConfigError):
            cases_of("cases: [{layer: 'Linear(2'}]", tmp_path)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
    assert meanwhile == [False, False]
