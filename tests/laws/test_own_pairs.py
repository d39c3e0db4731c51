"""The pairs that convcheck is tried on are what they are said to be, by plain torch in float64."""

from __future__ import annotations

import pytest
import torch

from benchmarks import own_pairs
from benchmarks.own_code.plain import Entry, entries

ENTRIES = entries()


@pytest.mark.parametrize("entry", [one for one in ENTRIES if not one.faulty], ids=lambda one: one.pair.name)
def test_a_rewrite_agrees(entry: Entry) -> None:
    for seed in range(3):
        reference, candidate = entry.outputs(torch.float64, seed)
        torch.testing.assert_close(candidate, reference, rtol=0, atol=1e-10)


@pytest.mark.parametrize("entry", [one for one in ENTRIES if one.faulty], ids=lambda one: one.pair.name)
def test_a_twin_differs(entry: Entry) -> None:
    for seed in range(3):
        reference, candidate = entry.outputs(torch.float64, seed)
        assert candidate.shape == reference.shape
        assert (candidate - reference).abs().max() > 1e-6


def test_there_are_sixty_of_each_with_names_of_their_own() -> None:
    names = [entry.pair.name for entry in ENTRIES if not entry.faulty]
    assert len(names) == len(set(names)) == 60
    assert all(entry.pair.twin or entry.pair.twin_map or entry.pair.twin_map_by for entry in ENTRIES)


def test_embeddings_of_transformers_are_what_they_are_said_to_be() -> None:
    pytest.importorskip("transformers")
    for entry in entries("transformers_"):
        reference, candidate = entry.outputs(torch.float64)
        assert candidate.shape == reference.shape
        assert (
            (candidate - reference).abs().max() > 1e-6
            if entry.faulty
            else torch.allclose(candidate, reference, 0, 1e-10)
        )


def test_a_command_is_what_asks_for_a_pair(capsys: pytest.CaptureFixture[str]) -> None:
    assert own_pairs.main(["--file", "stems", "--commands"]) == 0
    assert capsys.readouterr().out.splitlines()[2].split(" -i ")[0] == (
        "convcheck verify 'benchmarks/own_code/pairs_stems.py:VisionPatchEmbed()' "
        "--candidate 'Linear(96, 8, bias=False)'"
    )


def test_what_convcheck_says_of_a_file_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    own_pairs.main(["--file", "norms", "--format", "markdown"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| pair |")
    assert [line for line in lines if line.startswith("| RMSNorm") and line.endswith("| passes |")]
