"""Which rewrite is swapped in for which layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from convcheck.layers import parse_layer
from convcheck.models.records import Choice, LayerLine, Place, Tried, write_place
from convcheck.models.swap_file import Key, no_way_back


def choices(
    lines: Sequence[LayerLine], named: Sequence[str] | None, dtypes: Sequence[str], *, bench: bool, least: float
) -> tuple[tuple[Choice, ...], tuple[str, ...]]:
    """Return what is swapped, and notes on what is not.

    With times it is the rewrite that saves most in the first dtype, where in every dtype the whole interval of the
    ratio is above 1 and the ratio at least `least`; without, the first of the named ones that holds. Of chains and
    layers that have a layer in common, it is the one that saves most, or that is named first, and the longest of these.
    """
    counts = Counter(place for line in swappable(lines) for place in line.places)
    offers: list[tuple[float, int, int, Tried]] = []
    notes = []
    for number, line in enumerate(lines):
        if line.skipped or line.by_hand:
            continue
        if line.paths == ("",):
            notes.append("not swapped: it is the model itself, which has no place in another module")
            continue
        repeated = [place for place in line.places if counts[place] > 1]
        if repeated:
            notes.append(f"not swapped: {', '.join(map(write_place, repeated))}: called on inputs of several shapes")
        worth = _worth(line, dtypes, least) if bench else _named(line, named or ())
        for tried in worth if len(repeated) < len(line.places) else ():
            if why := no_way_back(*key_of(line, tried.rewrite)):
                notes.append(f"not swapped: {line.paths[0]}: {tried.rewrite}: {why}")
                continue
            rank = -line.calls * tried.bench[dtypes[0]].saved if bench else (named or ()).index(tried.rewrite)
            offers.append((rank, -len(line.places[0]), number, tried))
            break
    taken: set[str] = set()
    chosen: dict[int, Choice] = {}
    for _, _, number, tried in sorted(offers, key=lambda offer: offer[:2]):
        free = [place for place in lines[number].places if counts[place] == 1 and not taken & {*place}]
        taken.update(path for place in free for path in place)
        if free:
            merged = tuple(place[1:] for place in free if place[1:])
            chosen[number] = Choice(tuple(place[0] for place in free), tried.rewrite, merged)
    return tuple(chosen[number] for number in sorted(chosen)), tuple(dict.fromkeys(notes))


def swappable(lines: Sequence[LayerLine]) -> list[LayerLine]:
    """Return the lines of modules alone that may be swapped."""
    return [line for line in lines if not line.skipped and not line.by_hand]


def key_of(line: LayerLine, rewrite: str) -> Key:
    """Return what a swap of a line's layers is known by."""
    return parse_layer(line.layer), line.inputs, rewrite


def keys_of(lines: Sequence[LayerLine], chosen: Sequence[Choice]) -> dict[Place, Key]:
    """Return the swap of every place, in the order of the model."""
    by_place = {place: line for line in swappable(lines) for place in line.places}
    return {place: key_of(by_place[place], choice.rewrite) for choice in chosen for place in choice.places}


def _worth(line: LayerLine, dtypes: Sequence[str], least: float) -> Iterator[Tried]:
    """Yield the rewrites that are worth it, the one that saves most first."""

    def saves(tried: Tried) -> float:
        return tried.bench[dtypes[0]].saved

    def is_worth(tried: Tried) -> bool:
        gains = [tried.bench.get(dtype) for dtype in dtypes]
        return tried.ok and all(gain is not None and gain.low > 1 and gain.ratio >= least for gain in gains)

    yield from sorted(filter(is_worth, line.rewrites), key=saves, reverse=True)


def _named(line: LayerLine, named: Sequence[str]) -> Iterator[Tried]:
    by_name = {tried.rewrite: tried for tried in line.rewrites if tried.ok}
    yield from (by_name[name] for name in named if name in by_name)
