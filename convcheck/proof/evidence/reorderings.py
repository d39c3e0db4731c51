"""Tries the orders in which the axes of a weight may be laid out, where signatures do not tell the one that matches.

Signatures need a side that is linear in its weights. Behind a GELU, or with two weights in a row, orders are few, and a
run in float64 tells which of them is worth a proof.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from convcheck.proof.observations import stream
from convcheck.proof.pair import Pair
from convcheck.rewriting.arrangements import orders
from convcheck.rewriting.parameter_move import ParameterMove
from convcheck.rewriting.steps import EinopsStep, Step
from convcheck.rewriting.transplant import Move, Transplant
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Group, Pattern
from convcheck.sizes.relayouts import Lengths

MOST_ORDERS = 24
"""How many orders of the axes of a weight are tried, where no signatures tell the one that matches."""

NEAR = 1e-9
"""How far float64 may be off on numbers of order 1 before a mapping is worth a proof."""


def reorderings(pair: Pair, seed: int) -> Iterator[Transplant]:
    """Yield mappings that lay one weight out in another order of axes, and make both sides agree on a draw."""
    sample = pair.balanced(stream(seed, 900_007)).mapped(Tensor.detach)
    with torch.no_grad():
        wanted = pair.run_reference(sample)
    for number, move in enumerate(pair.mapping.moves):
        if not isinstance(move, Move):
            continue
        for steps in itertools.islice(_orders(pair.reference, move), MOST_ORDERS):
            moves = list(pair.mapping.moves)
            moves[number] = replace(move, steps=steps)
            changed = Transplant(tuple(moves))
            # A generator that yields within no_grad would leave it on for whoever reads it.
            with torch.no_grad():
                output = remapped(pair, changed).run_candidate(sample)
            if output.shape == wanted.shape and torch.allclose(output, wanted, rtol=NEAR, atol=NEAR):
                yield changed


def _orders(side: Side, move: Move) -> Iterator[tuple[Step, ...]]:
    """Yield the steps of a move in every order of the axes that its pattern names."""
    source, written = next(spellings(side, move, None))
    known = {**side.axis_sizes, **dict(written)}
    lengths = Pattern(tuple(source), tuple(source)).sizes(move.shape, known)
    return orders(source, {**known, **lengths}, written, move.shape, move.result())


def remapped(pair: Pair, mapping: Transplant) -> Pair:
    """Return the pair with another mapping, of which its bound is."""
    if pair.graphs is None or pair.black_box is not None:
        return replace(pair, mapping=mapping)
    return replace(pair, mapping=mapping, analysis=pair.graphs.distance(mapping))


def spellings(side: Side, claimed: Move, usual: ParameterMove | None) -> Iterator[tuple[Sequence[Group], Lengths]]:
    """Yield names for the axes of a parameter: those in the moves, with lengths; the layer's, and `a0`, `a1`, ..."""
    for move in (claimed, usual):
        if isinstance(move, Move):
            yield from ((step.pattern.source, step.written) for step in move.steps[:1] if isinstance(step, EinopsStep))
    if claimed.source in side.parameter_axes:
        yield side.parameter_axes[claimed.source], ()
    yield tuple((f"a{number}",) for number in range(len(claimed.shape))), ()
