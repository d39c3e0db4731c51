"""Records of the catalogue: the facts of a rewrite, and whether it holds for a layer."""

from __future__ import annotations

from dataclasses import dataclass

from convcheck.sizes.patterns import Shapes


@dataclass(frozen=True)
class RewriteFacts:
    """One rewrite in words. `one_to_one` is whether that holds for every layer it takes.

    `code` is the candidate for the example, as source that runs as it is; empty where it is not asked for.
    """

    name: str
    claim: str
    summary: str
    reference: str
    holds_when: str
    formula: str
    derivation: str
    source: str
    one_to_one: bool
    training: str
    order: str | None
    example: str
    weights: tuple[str, ...]
    code: str


@dataclass(frozen=True)
class TakeAway:
    """The code of a rewrite for one layer, as source that runs as it is; None, with reasons, where it does not hold."""

    rewrite: str
    layer: str
    inputs: Shapes
    holds: bool
    reasons: tuple[str, ...]
    code: str | None


@dataclass(frozen=True)
class Offer:
    """Whether a rewrite holds for a layer, and if not, why; `brief` says what it does, or why not, in a few words.

    `fits` is whether it is made for layers of this kind at all.
    """

    rewrite: str
    holds: bool
    fits: bool
    brief: str
    reasons: tuple[str, ...]
