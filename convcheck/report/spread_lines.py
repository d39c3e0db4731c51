"""How errors are spread, in letters: a histogram, a bar a channel, and where a mismatch lies. At most 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from convcheck.report.format_values import format_number
from convcheck.results.pictures import Histogram, Spread, Strip

LINE, ASCII_LINE = "▁▂▃▄▅▆▇█", ".:-=+*#@"
"""Counts from few to many, side by side."""

SHADES, ASCII_SHADES = "·░▒▓█", ".-+*#"
"""Within the bound, and from just beyond it to the largest error."""

BLOCKS, ASCII_BLOCKS = "▏▎▍▌▋▊▉█", "#"
"""Pieces of a bar, the last of which is a whole letter."""

LOWEST = -8
"""The half decade to the left of a line: a ten-thousandth of the bound."""

ALIKE = 8
"""Channels whose errors are no farther apart have no bars."""

MOST_WRITTEN = 3
"""The farthest decade that is written without an exponent."""

BAR = 24
"""Letters of a bar at most."""

CHANNELS = 16
"""How many bars of channels there are at most; neighbours are taken together beyond."""

MORE = " "
"""The subject of a line that goes on with the one above."""

NARROW = 72
"""Columns below which there are no lines of several columns."""


def spread_lines(spread: Spread, *, ascii_only: bool, width: int) -> Iterator[tuple[str, str]]:
    """Yield (subject, text): of what is within the bound one line, and more where there is more to see."""
    histogram = spread.histogram
    if width < NARROW:
        return
    if not histogram.beyond:
        yield "spread", _line(histogram, ASCII_LINE if ascii_only else LINE)
        return
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    head = f"{histogram.beyond:,} of {histogram.entries:,} beyond the bound; by error / bound:"
    yield from _under("spread", head, _decades(histogram, blocks))
    if len(spread.channels) > 1:
        if alike := _alike(spread.channels):
            yield "channels", alike
        else:
            yield from _under("channels", "the largest error / bound of each:", _channels(spread.channels, blocks))
    if spread.strip is not None and math.prod(spread.strip.lengths) > 1:
        shades = ASCII_SHADES if ascii_only else SHADES
        rows = [*_shaded(spread.strip, shades)]
        place = _place(spread.strip)
        if len({letter for row in rows for letter in row}) == 1:
            yield "where", f"all over {place}"
        else:
            yield from _under("where", f"{place}{_steps(spread.strip)}; {shades[0]} is within:", iter(rows))


def _alike(largest: Sequence[float]) -> str | None:
    """Say that all channels are about as far beyond the bound; None where some are much farther than others."""
    low, high = min(largest), max(largest)
    if low <= 1 or not math.isfinite(high) or high > ALIKE * low:
        return None
    return f"all {len(largest)} are beyond, by {format_number(low)} to {format_number(high)} times the bound"


def _under(subject: str, head: str, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    yield subject, head
    yield from ((MORE, line) for line in lines)


def _line(histogram: Histogram, letters: str) -> str:
    """Return counts of half decades up to the bound, and of no error, as one letter each."""
    counts = [0] * (1 - LOWEST)
    for number, count in histogram.halves.items():
        counts[max(number, LOWEST) - LOWEST] += count
    most = max(*counts, histogram.zeros)
    zeros, *drawn = (
        letters[_level(count, most, len(letters))] if count else " " for count in (histogram.zeros, *counts)
    )
    return f"exactly 0 {zeros}  1e-04 |{''.join(drawn)}| 1, the bound; {histogram.entries:,} outputs"


def _level(count: float, most: float, levels: int) -> int:
    return min(levels - 1, int(levels * count / most))


def _decades(histogram: Histogram, blocks: str) -> Iterator[str]:
    """Yield a bar for no error, and one for every decade that has any."""
    counts: dict[int, int] = {}
    for number, count in sorted(histogram.halves.items()):
        decade = -(-number // 2)
        counts[decade] = counts.get(decade, 0) + count
    named = [("0", histogram.zeros)] if histogram.zeros else []
    for decade, count in counts.items():
        written = f"{10.0**decade:g}" if abs(decade) <= MOST_WRITTEN else f"1e{decade:+03d}"
        named.append((f"up to {written}", count))
    named += [("not finite", histogram.endless)] if histogram.endless else []
    yield from _bars([(name, f"{count:,}", count) for name, count in named], blocks)


def _channels(largest: Sequence[float], blocks: str) -> Iterator[str]:
    step = -(-len(largest) // CHANNELS)
    rows = []
    for first in range(0, len(largest), step):
        last = min(first + step, len(largest)) - 1
        size = max(largest[first : last + 1])
        name = str(first) if first == last else f"{first}-{last}"
        rows.append((name, format_number(size) if math.isfinite(size) else "not finite", size))
    yield from _bars(rows, blocks)


def _bars(rows: Sequence[tuple[str, str, float]], blocks: str) -> Iterator[str]:
    """Yield rows of a name, a number as text, and a bar as long as the number, of which the largest fills the width."""
    most = max((size for *_, size in rows if math.isfinite(size)), default=0) or 1
    names, texts = (max(map(len, column)) for column in zip(*((name, text) for name, text, _ in rows), strict=True))
    for name, text, size in rows:
        share = size / most if math.isfinite(size) else 1.0
        pieces = round(share * BAR * len(blocks))
        whole, rest = divmod(max(pieces, 1) if size else 0, len(blocks))
        bar = blocks[-1] * whole + (blocks[rest - 1] if rest else "")
        yield f"{name:<{names}}  {text:>{texts}}  {bar}".rstrip()


def _place(strip: Strip) -> str:
    channel = "" if strip.channel is None else f"channel {strip.channel}, "
    return f"{channel}{' x '.join(strip.axes)}"


def _steps(strip: Strip) -> str:
    """Say how many positions a letter stands for at most; nothing where it is one."""
    sizes = (len(strip.blocks), len(strip.blocks[0]))[-len(strip.lengths) :]
    steps = [-(-length // size) for length, size in zip(strip.lengths, sizes, strict=True)]
    return f", {' x '.join(map(str, steps))} a letter" if math.prod(steps) > 1 else ""


def _shaded(strip: Strip, shades: str) -> Iterator[str]:
    """Yield rows of letters, darker by the order of magnitude of error / bound."""
    values = [value for row in strip.blocks for value in row if math.isfinite(value)]
    span = math.log(max([*values, 1.0])) or 1.0
    for row in strip.blocks:
        yield "".join(shades[_shade(value, span, len(shades) - 1)] for value in row)


def _shade(ratio: float, span: float, most: int) -> int:
    if ratio <= 1:
        return 0
    return most if not math.isfinite(ratio) else max(1, min(most, math.ceil(most * math.log(ratio) / span)))
