"""Which rewrite is swapped in for which layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convcheck.layers import parse_layer
from convcheck.models.records import Choice, LayerLine, Tried
from convcheck.models.swap_file import Key, no_way_back


def choices(
    lines: Sequence[LayerLine], named: Sequence[str] | None, dtypes: Sequence[str], *, bench: bool, least: float
) -> tuple[tuple[Choice, ...], tuple[str, ...]]:
    """Return what is swapped, and notes on what is not.

    With times it is the rewrite that saves most in the first dtype, where in every dtype the whole interval of the
    ratio is above 1 and the ratio at least `least`; without, the first of the named ones that holds.
    """
    paths = [path for line in lines if not line.skipped for path in line.paths]
    chosen, notes = [], []
    for line in lines:
        if line.skipped:
            continue
        if line.paths == ("",):
            notes.append("not swapped: it is the model itself, which has no place in another module")
            continue
        repeated = [path for path in line.paths if paths.count(path) > 1]
        if repeated:
            notes.append(f"not swapped: {', '.join(repeated)}: called on inputs of several shapes")
        rest = tuple(path for path in line.paths if path not in repeated)
        worth = _worth(line, dtypes, least) if bench else _named(line, named or ())
        for tried in worth if rest else ():
            if why := no_way_back(*key_of(line, tried.rewrite)):
                notes.append(f"not swapped: {rest[0]}: {tried.rewrite}: {why}")
                continue
            chosen.append(Choice(rest, tried.rewrite))
            break
    return tuple(chosen), tuple(dict.fromkeys(notes))


def key_of(line: LayerLine, rewrite: str) -> Key:
    """Return what a swap of a line's layers is known by."""
    return parse_layer(line.layer), line.inputs, rewrite


def keys_of(lines: Sequence[LayerLine], chosen: Sequence[Choice]) -> dict[str, Key]:
    """Return the swap of every path, in the order of the model."""
    by_path = {path: line for line in lines for path in line.paths}
    return {path: key_of(by_path[path], choice.rewrite) for choice in chosen for path in choice.paths}


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
