"""Sides of pairs that are named by text, built in plain torch."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

from torch import nn

ROOT = Path(__file__).resolve().parents[1]


def built_side(file: ModuleType, text: str) -> nn.Module:
    """Build a layer of `torch.nn`, or `:Name(arguments)` of a file, in float64 and eval mode."""
    tree = ast.parse(text.removeprefix(":"), mode="eval").body
    assert isinstance(tree, ast.Call), text
    kind = getattr(file if text.startswith(":") else nn, ast.unparse(tree.func))
    keywords = {str(word.arg): ast.literal_eval(word.value) for word in tree.keywords}
    module: nn.Module = kind(*map(ast.literal_eval, tree.args), **keywords)
    return module.double().eval()


def named_side(file: ModuleType, text: str) -> str:
    """Return a side, or a function of a file, as a command line from the project's folder names it."""
    return f"{Path(file.__file__ or '').relative_to(ROOT)}{text}" if text.startswith(":") else text
