"""A function that builds something, as source to copy, with its arguments written out."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType

from convcheck.rewriting.specialise.library import OURS, Library
from convcheck.rewriting.specialise.partial_evaluation import LONGEST, PartialEvaluation
from convcheck.rewriting.specialise.syntax import Import, bound, used
from convcheck.rewriting.specialise.tidy import Tidy
from convcheck.rewriting.specialise.unfold import is_text
from convcheck.rewriting.specialise.unparse import Comments, comments_of, unparse


@dataclass(frozen=True)
class Source:
    """Statements, with what they import by name, and the comments above their lines."""

    statements: tuple[ast.stmt, ...]
    imports: Mapping[str, Import]
    comments: Comments

    def __str__(self) -> str:
        """Write a file: imports as far as they are needed, and the statements."""
        needed = names_needed(self.statements)
        head = _import_lines(origin for name, origin in self.imports.items() if name in needed)
        gap = "\n\n\n" if isinstance(self.statements[0], (ast.FunctionDef, ast.ClassDef)) else "\n\n"
        return f"{head}{gap}{unparse(list(self.statements), self.comments)}\n".lstrip()


def specialise(function: Callable[..., object], arguments: Mapping[str, object]) -> Source:
    """Return source that binds to the name `candidate` what `function(**arguments)` returns.

    Functions and constants of our own files come along where they are needed. The function has to return once, at its
    end. Calls that depend on the arguments alone are made now, so they should have a value and no effect.

    Raises:
        ValueError: code that runs later would need something that cannot be written out, such as a layer.
    """
    assert isinstance(function, FunctionType)
    return _specialised(function, arguments, _binding)


def specialise_closure(function: Callable[..., object]) -> Source:
    """Return source of a function within another, with what it takes from there written out; raises as above."""
    assert isinstance(function, FunctionType)
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return _specialised(function, {name: cell.cell_contents for name, cell in cells}, lambda whole: [whole])


def _specialised(
    function: FunctionType, arguments: Mapping[str, object], take: Callable[[ast.FunctionDef], list[ast.stmt]]
) -> Source:
    library, constants = Library(), dict[str, ast.Assign]()
    file = library.read(function.__module__)

    def evaluated(node: ast.stmt, known: Mapping[str, object], outside: Mapping[str, object]) -> ast.stmt:
        tree = ast.Module([node], [])
        evaluation = PartialEvaluation(tree, known, outside, library.comments, library.imports)
        evaluation.visit(tree)
        constants.update(evaluation.constants)
        return tree.body[0]

    line = function.__code__.co_firstlineno
    written = next(n for n in ast.walk(file) if isinstance(n, ast.FunctionDef) and n.lineno == line)
    whole = evaluated(written, arguments, function.__globals__)
    assert isinstance(whole, ast.FunctionDef)
    body = _into_functions(take(whole), constants)

    along = _definitions(library, constants, body, evaluated)
    return _finished(library, [*along, *body])


def parsed(text: str, imports: Mapping[str, Import], defined: Iterable[str] = ()) -> Source:
    """Return a text as source, with functions of our own files that it needs.

    `imports` says where names come from; those that are `defined` stand elsewhere in the file.
    """
    library = Library(imports=dict(imports), comments=comments_of(text), modules={"this text"})
    library.imports.update(dict.fromkeys(defined, (None, "")))
    body = ast.parse(text).body
    along = _definitions(library, {}, body, lambda node, *_: node)
    for name in defined:
        del library.imports[name]
    return _finished(library, [*along, *body])


def _definitions(
    library: Library,
    constants: Mapping[str, ast.Assign],
    body: list[ast.stmt],
    evaluated: Callable[[ast.stmt, Mapping[str, object], Mapping[str, object]], ast.stmt],
) -> list[ast.stmt]:
    """Return the functions and constants of our own files that statements need, in the order of the files."""
    along: dict[str, ast.stmt] = {}

    def missing() -> set[str]:
        needed = names_needed([*along.values(), *body])
        return {name for name in needed if library.follow(name) or name not in library.imports}

    while names := missing():
        for name in sorted(names):
            if name in constants:
                along[name] = constants[name]
            elif name in library.definitions:
                along[name] = evaluated(library.definitions[name], {}, {})
            else:
                raise ValueError(f"code that runs later needs {name!r}; give it plain numbers and texts")
    return [along[name] for name in [*library.definitions, *constants] if name in along]


def _finished(library: Library, statements: list[ast.stmt]) -> Source:
    tidy = Tidy(library.comments)
    return Source(tuple(tidy.visit(statement) for statement in statements), library.imports, library.comments)


def together(sources: Iterable[Source]) -> Source:
    """Return the statements of all sources, definitions of the same name once."""
    statements: dict[str, ast.stmt] = {}
    imports: dict[str, Import] = {}
    comments: Comments = {}
    for number, source in enumerate(sources):
        offset = number * 10**9
        for statement in source.statements:
            ast.increment_lineno(statement, offset)
            name = next(iter(bound(statement)))
            assert ast.unparse(statements.setdefault(name, statement)) == ast.unparse(statement), name
        comments.update({line + offset: above for line, above in source.comments.items()})
        imports.update(source.imports)
    return Source(tuple(statements.values()), imports, comments)


def _binding(whole: ast.FunctionDef) -> list[ast.stmt]:
    """Return a function's statements, which bind the name `candidate` where they returned."""
    match whole.body:
        case [*others, ast.Assign([ast.Name(name)], value) as last, ast.Return(ast.Name(returned))] if name == returned:
            pass
        case [*others, ast.Return(ast.expr() as value) as last]:
            pass
        case _:
            raise ValueError("what is built has to be returned at the end")
    binding = ast.Assign([ast.Name("candidate", ast.Store())], value)
    return [*others, ast.copy_location(binding, last)]


def _into_functions(body: list[ast.stmt], constants: dict[str, ast.Assign]) -> list[ast.stmt]:
    """Move short constants that one function alone uses into it, where they are explained best."""
    functions = [node for node in ast.walk(ast.Module(body, [])) if isinstance(node, ast.FunctionDef)]
    for name, constant in list(constants.items()):
        users = [function for function in functions if name in used(function)]
        elsewhere = sum(isinstance(n, ast.Name) and n.id == name for s in body for n in ast.walk(s)) - sum(
            isinstance(n, ast.Name) and n.id == name for user in users for n in ast.walk(user)
        )
        if len(users) == 1 and not elsewhere and len(ast.unparse(constant.value)) <= LONGEST:
            documented = bool(users[0].body) and is_text(users[0].body[0])
            users[0].body.insert(int(documented), constants.pop(name))
    return body


def names_needed(statements: Iterable[ast.stmt]) -> set[str]:
    """Return the names that statements take from elsewhere, as if every name they bind were bound everywhere."""
    tree = ast.Module(list(statements), [])
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
        sections[0 if top in sys.stdlib_module_names else 2 if top == OURS else 1].append(text)
    return "\n\n".join("\n".join(section) for section in sections if section)
