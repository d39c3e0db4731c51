"""Chains of layers that may be one: what the first returns goes into the second alone, and so on, in all of a run.

What is still held when the model has returned, in its output or elsewhere, is no chain's.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from torch import nn

from convcheck.errors import ConvcheckError
from convcheck.layers import accept
from convcheck.models.code_chains import code_chains
from convcheck.models.example import Example, as_it_was, call
from convcheck.models.flow import Call, Flow, sums_channels
from convcheck.models.leaves import Leaf
from convcheck.sides.describe import describe

LONGEST = 4
"""How many layers are looked at as one, at most."""


def chains_of(model: nn.Module, example: Example, plain: Flow) -> tuple[list[Leaf], str | None]:
    """Return the chains of a model, and why none were looked for. `plain` watched it run.

    It is run once more, where layers are called in a row or patches may be cut by code, and left as it is.
    """
    rows = {pair: len(plain.calls[pair[0]]) for pair in plain.pairs()}
    if not rows and not any(sums_channels(part.layer) and calls for part, calls in plain.calls.items()):
        return [], None
    flow = Flow(plain.parts)
    with as_it_was(model):
        handles = flow.watch()
        try:
            with flow.follow(model.buffers()):
                output = call(model, example)
            pairs = [pair for pair in flow.pairs() if _is_alone(flow, pair[1])]
            if any(_is_held(flow, first) for first, _ in pairs):
                gc.collect()
            pairs = [pair for pair in pairs if not _is_held(flow, pair[0])]
            flow.look_behind()
            del output
        except ConvcheckError as error:
            return [], f"no chains were looked for, since the tensors of the model cannot be followed: {error}"
        finally:
            for handle in handles:
                handle.remove()
    # Where its tensors are followed, a model may take another way through its layers.
    pairs = [pair for pair in pairs if rows.get(pair) == len(flow.calls[pair[0]])]
    rows_of = [row for pair in pairs for row in _rows(pair, dict(pairs))]
    merges = [chain for row in rows_of if (chain := _chain(row, flow.calls[row[0]])) is not None]
    return merges + code_chains(flow, plain, merges), None


def _is_alone(flow: Flow, second: Leaf) -> bool:
    """Tell whether nothing but a layer takes what it is given."""
    calls = flow.calls[second]
    return all(call.given is not None and call.given.users == {call} for call in calls) and _same_size(calls)


def _is_held(flow: Flow, first: Leaf) -> bool:
    return any(call.result is not None and call.result.tensor() is not None for call in flow.calls[first])


def _same_size(calls: Sequence[Call]) -> bool:
    """Tell whether code that asked for the size of what comes in between gets the same from the output."""
    return all(
        call.given is not None
        and call.result is not None
        and (not call.given.sized or call.given.shape == call.result.shape)
        for call in calls
    )


def _rows(pair: tuple[Leaf, Leaf], following: Mapping[Leaf, Leaf]) -> Iterator[tuple[Leaf, ...]]:
    """Yield two layers, and those with up to `LONGEST` that stand in a row with them."""
    row: tuple[Leaf, ...] = pair
    yield row
    while len(row) < LONGEST and row[-1] in following and following[row[-1]] not in row:
        row = (*row, following[row[-1]])
        yield row


def _chain(row: tuple[Leaf, ...], calls: Sequence[Call]) -> Leaf | None:
    """Return layers as one, by the layer that they are in a row; None where that is no layer."""
    tensors = [t for part in row for t in (*part.module.parameters(), *part.module.buffers())]
    if len({(t.dtype, t.device) for t in tensors if t.is_floating_point()}) > 1:
        return None
    module = nn.Sequential(*(part.module for part in row))
    with suppress(ConvcheckError):
        layer = describe(module)
        chain = Leaf(row[0].path, module, str(layer), layer, merged=tuple(part.path for part in row[1:]))
        for call in calls:
            accept(layer, (call.taken,))
            chain.calls[call.taken,] += 1
        return chain
    return None
