"""Sides of pairs that are named by text, built in plain torch."""

from __future__ import annotations

import ast
from types import ModuleType

from torch import nn


def built_side(file: ModuleType, text: str) -> nn.Module:
    """Build a layer of `torch.nn`, or `:Name(arguments)` of a file, in float64 and eval mode."""
    tree = ast.parse(text.removeprefix(":"), mode="eval").body
    assert isinstance(tree, ast.Call), text
    kind = getattr(file if text.startswith(":") else nn, ast.unparse(tree.func))
    keywords = {str(word.arg): ast.literal_eval(word.value) for word in tree.keywords}
    module: nn.Module = kind(*map(ast.literal_eval, tree.args), **keywords)
    return module.double().eval()
