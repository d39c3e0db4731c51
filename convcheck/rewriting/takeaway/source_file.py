"""A file with the candidate for one layer as a class, and how state dicts are converted."""

from __future__ import annotations

import ast
import re
import textwrap

from convcheck.rewriting.specialise.source import Source, parsed, specialise_closure, together
from convcheck.rewriting.takeaway.state_dicts import IMPORTS, convert, convert_back
from convcheck.rewriting.transplant import Merge, Transplant

WIDTH = 100


def source_file(candidate: Source, name: str, description: str, transplant: Transplant, training: str) -> str:
    """Return a file that imports nothing of ours: a class, `convert`, and `convert_back` or why there is none.

    The class is that of `candidate`, or called `name` where that makes a layer of torch.
    """
    built, name = as_class(candidate, name, description)
    merges = {move.compute.__name__: move for move in transplant.moves if isinstance(move, Merge)}
    sources = [built, *(specialise_closure(merge.compute) for merge in merges.values())]
    remark = ""
    if not transplant.moves:
        remark = "It holds no weights, so there is nothing to convert."
    else:
        there = convert(transplant, f"Return the state dict of {name} from the layer's.")
        sources.append(parsed(there, IMPORTS, merges))
        if transplant.one_to_one():
            back = convert_back(transplant, f"Return the layer's state dict from that of {name}.")
            sources.append(parsed(back, IMPORTS))
        else:
            remark = f"There is no convert_back: {training}."
    return str(together(sources)) + (f"\n\n{_comment(remark)}" if remark else "")


def as_class(source: Source, name: str, description: str) -> tuple[Source, str]:
    """Return source that defines the class of `candidate`, which it binds, in place of binding it; and its name."""
    *others, last = source.statements
    assert isinstance(last, ast.Assign)
    assert isinstance(last.value, ast.Call)
    made = ast.unparse(last.value.func)
    definition = next((node for node in others if isinstance(node, ast.ClassDef) and node.name == made), None)
    if definition is None:
        definition = _subclass(name, last.value)
        others.append(definition)
    docstring = ast.Expr(ast.Constant(_docstring(description)))
    definition.body.insert(0, docstring)
    return Source(tuple(others), source.imports, source.comments), definition.name


def _subclass(name: str, call: ast.Call) -> ast.ClassDef:
    tree = ast.parse(
        f"class {name}({ast.unparse(call.func)}):\n    def __init__(self) -> None:\n        super().__init__()\n"
    )
    definition = tree.body[0]
    assert isinstance(definition, ast.ClassDef)
    for node in ast.walk(definition):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            node.args, node.keywords = call.args, call.keywords
        if hasattr(node, "lineno"):
            node.lineno = 0
    return definition


def _docstring(description: str) -> str:
    # A line does not end within a shape.
    whole = re.sub(r"\([^()]*\)|\[[^\]]*\]", lambda match: match[0].replace(" ", "\0"), description)
    wrapped = [line for part in whole.split("\n") for line in textwrap.wrap(part, WIDTH) or [""]]
    lines = [line.replace("\0", " ") for line in wrapped]
    return lines[0] + "".join(f"\n    {line}" if line else "\n" for line in lines[1:]) + "\n    "


def _comment(text: str) -> str:
    return "".join(f"{line}\n" for line in textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# "))
