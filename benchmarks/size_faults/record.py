"""What a table of size-dependent faults holds."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A module, a rewrite that is wrong at some sizes only, and a twin of the rewrite without the fault.

    A side is the text of a layer of `torch.nn`, or `:Name(arguments)` for a class of the table's own file. An axis name
    in braces stands for its size. `shape` has the inputs, with semicolons between them: axes and the sizes at which
    both sides agree, as in `b=2 3 h=8 w=8`. A plain number is an axis that stays. Where `map_by` names no function of
    the file, the candidate has the reference's state as it is.
    """

    name: str
    reference: str
    candidate: str
    shape: str
    fault: str
    mended: str | None = None
    map_by: str | None = None
