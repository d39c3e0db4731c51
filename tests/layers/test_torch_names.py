"""What is said of torch's layers without importing torch."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from convcheck.layers import torch_names


@pytest.fixture(autouse=True)
def _read_anew() -> None:
    torch_names.torch_names.cache_clear()


def test_the_names_read_off_torchs_files_are_its_layers() -> None:
    layers = {name for name, thing in vars(nn).items() if isinstance(thing, type) and issubclass(thing, nn.Module)}
    # torch.nn has this one from elsewhere.
    assert torch_names.torch_names() >= layers - {"Module", "DataParallel"}
    assert all(isinstance(getattr(nn, name), type) for name in torch_names.torch_names())


def test_where_torch_is_not_as_expected_there_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    for spec in (None, Spec()):
        torch_names.torch_names.cache_clear()
        monkeypatch.setattr(torch_names, "find_spec", lambda _name, spec=spec: spec)
        assert torch_names.torch_names() == frozenset()
    torch_names.torch_names.cache_clear()
