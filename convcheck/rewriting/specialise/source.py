"""A function that builds something, as source to copy, with its arguments written out."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType

from convcheck.rewriting.specialise.partial_evaluation import PartialEvaluation
from convcheck.rewriting.specialise.syntax import Import, bound, used
from convcheck.rewriting.specialise.unparse import comments_of, unparse


def specialise(function: Callable[..., object], arguments: Mapping[str, object]) -> str:
    """Return source, imports included, that binds to the name `candidate` what `function(**arguments)` returns.

    Functions and constants of the function's own file come along where they are needed. The function has to return
    once, at its end. Calls that depend on the arguments alone are made now, so they should have a value and no effect.

    Raises:
        ValueError: code that runs later would need something that cannot be written out, such as a layer.
    """
    assert isinstance(function, FunctionType)
    text = inspect.getsource(sys.modules[function.__module__])
    file, comments = ast.parse(text), comments_of(text)
    kinds = (ast.FunctionDef, ast.Assign, ast.AnnAssign)
    definitions = {next(bound(node)): node for node in file.body if isinstance(node, kinds)}
    imports: dict[str, Import] = {}

    def evaluated(node: ast.stmt, arguments: Mapping[str, object]) -> list[ast.stmt]:
        tree = ast.Module([node], [])
        evaluation = PartialEvaluation(tree, arguments, function.__globals__, comments)
        evaluation.visit(tree)
        imports.update(evaluation.imports)
        definitions.update(evaluation.constants)
        return tree.body

    for node in file.body:
        # What only type checkers import stands under an `if`.
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.If)):
            evaluated(node, {})
    (whole,) = evaluated(definitions[function.__name__], arguments)
    assert isinstance(whole, ast.FunctionDef)
    body, along = _binding(whole.body), dict[str, ast.stmt]()
    while missing := _needed([*along.values(), *body]) - imports.keys():
        if lacking := missing - definitions.keys():
            raise ValueError(
                f"{function.__module__}: code that runs later needs {min(lacking)!r}; give it plain numbers and texts"
            )
        for name in missing:
            (along[name],) = evaluated(definitions[name], {})
    statements = [*(along[name] for name in definitions if name in along), *body]
    needed = _needed(statements)
    head = _import_lines(origin for name, origin in imports.items() if name in needed)
    gap = "\n\n\n" if isinstance(statements[0], (ast.FunctionDef, ast.ClassDef)) else "\n\n"
    return f"{head}{gap}{unparse(statements, comments)}\n".lstrip()


def _binding(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return a function's statements, which bind the name `candidate` where they returned."""
    match body:
        case [*others, ast.Assign([ast.Name(name)], value) as last, ast.Return(ast.Name(returned))] if name == returned:
            pass
        case [*others, ast.Return(ast.expr() as value) as last]:
            pass
        case _:
            raise ValueError("what is built has to be returned at the end")
    binding = ast.Assign([ast.Name("candidate", ast.Store())], value)
    return [*others, ast.copy_location(binding, last)]


def _needed(statements: list[ast.stmt]) -> set[str]:
    """Return the names that statements take from elsewhere, as if every name they bind were bound everywhere."""
    tree = ast.Module(statements, [])
    return used(tree) - set(bound(tree)) - set(dir(builtins))


def _import_lines(origins: Iterable[Import]) -> str:
    """Write imports as ruff sorts them: Python's own, those of others, ours; modules before names out of them."""
    lines: dict[tuple[str, str], str] = {}
    for module, name in sorted(origins, key=lambda origin: (origin[0] or "", origin[1])):
        start = f"from {module} import " if module else "import "
        line = (module or name, start)
        lines[line] = f"{lines[line]}, {name}" if line in lines else start + name
    sections: list[list[str]] = [[], [], []]
    for (module, _), text in lines.items():
        top = module.partition(".")[0]
        sections[0 if top in sys.stdlib_module_names else 2 if top == __name__.partition(".")[0] else 1].append(text)
    return "\n\n".join("\n".join(section) for section in sections if section)
