"""What a table of pairs holds."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

NOTHING: Mapping[str, str] = MappingProxyType({})


class Pair(NamedTuple):
    """A module, a rewrite of it, and a twin of the rewrite with one mistake.

    A side is the text of a layer, or `:Name(arguments)` for a class of the table's own file. Functions of that file are
    named by `map_by` and `twin_map_by`. A twin that is left out is the candidate itself, with a mistake in its map.
    """

    name: str
    reference: str
    candidate: str
    inputs: tuple[str, ...]
    fault: str
    twin: str | None = None
    map: Mapping[str, str] = NOTHING
    map_by: str | None = None
    twin_map: Mapping[str, str] | None = None
    twin_map_by: str | None = None
    layout: str | None = None
    select: str | None = None
