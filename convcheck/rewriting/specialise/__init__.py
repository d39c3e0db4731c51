"""Code to copy: a function that builds something, with its arguments written out.

This is partial evaluation (N. D. Jones, C. K. Gomard and P. Sestoft, Partial Evaluation and Automatic Program
Generation, 1993): what depends on the known arguments alone is computed now, and the rest is left as it was written,
with its layout and its comments.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from types import FunctionType

from convcheck.rewriting.specialise.builder import Builder, Import
from convcheck.rewriting.specialise.layout import folded, import_lines, needed, spaced, without_unused


def specialise(function: Callable[..., object], arguments: Mapping[str, object], result: str = "candidate") -> str:
    """Return source, imports included, that binds to the name `result` what `function(**arguments)` returns.

    Functions, classes and constants of the function's own file come along where they are needed. Calls that depend on
    the arguments alone are made now, so they should have a value and no effect.

    Raises:
        ValueError: code that runs later would still need one of the arguments, or something returns early.
    """
    assert isinstance(function, FunctionType)
    helpers: dict[str, Builder] = {}
    builder = Builder(function, arguments, helpers)
    body = without_unused(_body(builder, result), builder.kept)
    imports = {**_module_imports(function), **builder.imports}
    kept = set(builder.kept)
    blocks = [body]
    written: set[str] = set()
    while missing := sorted(needed("\n\n".join(blocks)) - imports.keys() - (set(dir(builtins)) - arguments.keys())):
        name = missing[0]
        if name in arguments or name in written or name not in function.__globals__:
            raise ValueError(
                f"{function.__module__}.{function.__name__}: code that runs later needs {name!r}; "
                "give it plain numbers and texts instead"
            )
        blocks.insert(0, _definition(function, name, helpers, imports, kept))
        written.add(name)
    # What was said to a type checker is of no use to who copies the code.
    code = re.sub(r"  # type: ignore[^\n]*", "", without_unused("\n\n".join(blocks), kept))
    code = folded(code)
    return spaced(import_lines(needed(code), imports) + "\n\n" + code)


def _body(builder: Builder, result: str) -> str:
    """Return a builder's body, where `return` became an assignment."""
    tree = builder.tree
    *_, last = tree.body
    inner = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.Lambda)) and n is not tree]
    own = [n for n in ast.walk(tree) if isinstance(n, ast.Return)]
    nested = [n for function in inner for n in ast.walk(function) if isinstance(n, ast.Return)]
    if not isinstance(last, ast.Return) or [n for n in own if n not in nested] != [last]:
        raise ValueError(f"{builder.function.__name__} needs to return once, at its end")
    start = builder.span(last)[0]
    builder.edits.append((0, builder.starts[builder.first_line(tree.body[0]) - 1], ""))
    builder.edits.append((start, start + len("return"), f"{result} ="))
    code = textwrap.dedent(builder.result()).strip()
    match ast.parse(code).body:
        case [*_, ast.Assign([ast.Name(bound)]) as before, ast.Assign(value=ast.Name(returned))] if bound == returned:
            lines = code.splitlines()[: before.end_lineno]
            lines[before.lineno - 1] = result + lines[before.lineno - 1].removeprefix(bound)
            return "\n".join(lines)
    return code


def _module_imports(function: FunctionType) -> dict[str, Import]:
    """Return what the function's file imports, for type checkers or not, by the names it has there."""
    tree = ast.parse(inspect.getsource(sys.modules[function.__module__]))
    inner = {n for each in tree.body if isinstance(each, (ast.FunctionDef, ast.ClassDef)) for n in ast.walk(each)}
    found: dict[str, Import] = {}
    for node in ast.walk(tree):
        if node not in inner and isinstance(node, (ast.Import, ast.ImportFrom)):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            for alias in node.names:
                here = alias.asname or alias.name
                found[here] = (module, alias.name, here)
    return found


def _definition(
    function: FunctionType, name: str, helpers: dict[str, Builder], imports: dict[str, Import], kept: set[str]
) -> str:
    """Return the source that defines a name of the function's file."""
    value = function.__globals__[name]
    if isinstance(value, FunctionType):
        helper = helpers.get(name) or Builder(value, {}, helpers)
        imports.update(helper.imports)
        kept |= helper.kept
        return helper.definition().strip()
    source = inspect.getsource(sys.modules[function.__module__])
    for node in ast.parse(source).body:
        named = getattr(node, "targets", [getattr(node, "target", None)])
        if getattr(node, "name", None) == name or any(isinstance(n, ast.Name) and n.id == name for n in named):
            return ast.get_source_segment(source, node) or ""
    raise ValueError(f"{name} is not defined in {function.__module__}")
