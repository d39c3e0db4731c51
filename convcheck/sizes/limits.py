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

MAX_FORMULA_TEXT = 200
"""Characters of a length as a formula: a product within a floor, within a product, takes time exponential in them."""

MAX_FORMULA_DEPTH = 50
"""Levels of a length as a formula, for the same reason."""

MAX_FOLLOWED = 200_000
"""Positions that are followed to tell which are never read. Kernels, strides and padding may be 10^9."""

MAX_PHASES = 512
"""Outputs whose receptive fields are looked at one by one. After so many, most chains repeat themselves."""

MAX_PERIOD = 10_000
"""Lengths that are tried to tell what follows from several conditions on one name."""

MAX_ANSWERS = 2**16
"""Separate lengths or shapes in one answer. An output may have as many inputs as its length has divisors, or more."""

MAX_TRIED = 256
"""Paddings that are tried one by one beside a stride; those of larger kernels are many, and near ones are asked for."""

MAX_REMAINDERS = 1000
"""Remainders of a stride that are told one by one: more lines than anybody reads."""

MAX_BYTES = 2**50
"""Memory of a proof, a pebibyte: more than any machine has. Asking for it would take the machine down."""
