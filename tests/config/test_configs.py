"""The configs beside the package: they are read without a fault, and what the source documents say is proved."""

from __future__ import annotations

from pathlib import Path

import pytest

from convcheck.catalogue.catalogue import catalogue, vocabulary
from convcheck.catalogue.claims import Claim, claims_of
from convcheck.config.load import load
from convcheck.proof.verification import verify

FOLDER = Path(__file__).parents[2] / "configs"


def claims(name: str) -> list[Claim]:
    return list(claims_of(load(FOLDER / name, f"configs/{name}", vocabulary())))


SEEDS = claims("seeds.yaml")


@pytest.mark.parametrize("claim", SEEDS, ids=[claim.id for claim in SEEDS])
def test_every_line_of_the_source_documents_is_proved(claim: Claim) -> None:
    result = verify(claim)
    assert result.ok, result.reason


def test_layers_of_public_models_are_at_least_25_and_name_their_source() -> None:
    cases = {claim.case.name for claim in claims("field.yaml")}
    assert len(cases) >= 25


def test_every_rewrite_is_tried_by_a_config() -> None:
    tried = {claim.name for file in ("seeds.yaml", "field.yaml", "notebook.yaml") for claim in claims(file)}
    assert tried >= catalogue().keys()
