"""Limits on input. Each one is here because something would hang, or fill the memory, without it."""

from __future__ import annotations

MAX_INT64 = 2**63 - 1
"""Lengths and seeds. torch holds them in 64 bits."""

MAX_AXES = 64
"""Axes of a tensor. torch keeps sets of axes in 64 bits."""

MAX_DEPTH = 100
"""Levels of nesting in YAML, layers and expressions. Each takes some calls of Python's stack, which would overflow."""

MAX_TEXT = 10_000
"""Characters of a layer, or of any text once variables stand in it: a text full of long variables fills the memory."""

MAX_SHORT_TEXT = 1000
"""Characters of a shape, a pattern or an order. Regular expressions and einops take time by the square of them."""

MAX_PRINT = 1_000_000
"""Characters of a printed model. Python's syntax tree of them takes a hundred times as many bytes."""

MAX_LINES = 10_000
"""Lines of a printed model with `(0-999999): 1000000 x ...` written out."""

MAX_FILE = 8 * 1024 * 1024
"""Bytes of a config. A device or a sparse file may have no end."""

MAX_ENTRIES = 500_000
"""Values in a config, first with aliases written out, then with every matrix: 50,000 cases of ten. A few hundred bytes
of either may stand for billions."""

MAX_FAULTS = 10_000
"""Faults of a config, after which it is read no further. Each takes a search for similar names, in every case."""
