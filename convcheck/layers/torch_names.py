"""The layers that torch has, read off its files, so that an error can name one without importing torch."""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def torch_names() -> frozenset[str]:
    """Return the classes that `torch.nn.modules` offers; none where torch's files are not as expected."""
    spec = find_spec("torch")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        try:
            tree = ast.parse((Path(folder) / "nn" / "modules" / "__init__.py").read_text(encoding="utf-8"))
        except (OSError, ValueError, SyntaxError):
            continue
        imports = (node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level == 1)
        return frozenset(entry.name for node in imports for entry in node.names) - {"Module"}
    return frozenset()
