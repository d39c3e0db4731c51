"""The layers that torch has, read off its files, so that an error can name one without importing torch."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def torch_names() -> frozenset[str]:
    """Return the names of the classes in `torch.nn` that are layers; none where torch's files are not as expected."""
    spec = find_spec("torch")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        try:
            listed = (Path(folder) / "nn" / "modules" / "__init__.py").read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        # The file does nothing but import them, each by its name.
        return frozenset(re.findall(r"\b[A-Z]\w*", listed)) - {"Module"}
    return frozenset()
