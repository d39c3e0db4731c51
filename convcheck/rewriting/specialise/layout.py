"""What is left of a function's source, made tidy: what it imports, what nothing uses, lines and blank lines."""

from __future__ import annotations

import ast
import re
import symtable
import sys
from collections.abc import Iterator, Mapping

from convcheck.rewriting.specialise.builder import Import
from convcheck.rewriting.specialise.known import plain, targets

LONGEST_LINE = 100
"""Calls that grew beyond this many columns are written with one argument a line."""


def needed(code: str) -> set[str]:
    """Return the names that code takes from elsewhere."""
    whole = symtable.symtable(code, "<candidate>", "exec")
    bound = {symbol.get_name() for symbol in whole.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    used = {
        symbol.get_name()
        for table in _tables(whole)
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (symbol.is_global() or table is whole)
    }
    return used - bound


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)


def without_unused(code: str, kept: set[str]) -> str:
    """Remove values that were given a name for the sake of expressions that have been written out since."""
    while True:
        tree = ast.parse(code)
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and plain(to := node.targets[0]) and set(targets(to)) <= kept - used:
                break
        else:
            return code
        lines, first = code.splitlines(), node.lineno - 1
        while first and lines[first - 1].strip().startswith("#"):
            first -= 1
        code = "\n".join(lines[:first] + lines[node.end_lineno :])


def folded(code: str) -> str:
    """Break up calls that have grown too long, one argument a line."""
    lines = code.splitlines()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, (ast.Assign, ast.Return)) and isinstance(node.value, ast.Call):
            line, call = lines[node.lineno - 1], node.value
            alone = node.lineno == call.end_lineno and call.end_col_offset == len(line)
            if alone and line.isascii() and len(line) > LONGEST_LINE:
                lines[node.lineno - 1] = line[: call.col_offset] + _broken(call, line, " " * node.col_offset)
    return "\n".join(lines)


def _broken(node: ast.expr | ast.keyword, line: str, indent: str, room: int = 0) -> str:
    """Return an expression of one line over several, if it does not fit into what room there is."""
    text, deeper = line[node.col_offset : node.end_col_offset], indent + "    "
    if len(text) < room:
        return text
    if isinstance(node, ast.keyword):
        return line[node.col_offset : node.value.col_offset] + _broken(node.value, line, indent)
    room = LONGEST_LINE - len(deeper)
    if isinstance(node, ast.ListComp):
        loop = line[node.elt.end_col_offset : node.end_col_offset][:-1].strip()
        return f"[\n{deeper}{_broken(node.elt, line, deeper, room)}\n{deeper}{loop}\n{indent}]"
    if isinstance(node, ast.Call) and not any(isinstance(each, ast.GeneratorExp) for each in node.args):
        parts: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
        parts.sort(key=lambda part: part.col_offset)
        written = [f"{deeper}{_broken(part, line, deeper, room)},\n" for part in parts]
        return f"{line[node.col_offset : parts[0].col_offset]}\n{''.join(written)}{indent})"
    return text


def import_lines(names: set[str], imports: Mapping[str, Import]) -> str:
    """Write imports as ruff sorts them: Python's own, those of others, ours; modules before names out of them."""
    sections: dict[int, set[tuple[bool, str]]] = {0: set(), 1: set(), 2: set()}
    used = [imports[name] for name in names if name in imports]
    for module, name, here in used:
        top = (module or name).partition(".")[0]
        section = 0 if top in sys.stdlib_module_names else 2 if top == __name__.partition(".")[0] else 1
        if module is None:
            sections[section].add((False, f"import {name}" + (f" as {here}" if here != name else "")))
            continue
        several = sorted(
            (name if name == here else f"{name} as {here}" for of, name, here in used if of == module),
            key=lambda each: (not each.isupper(), not each[0].isupper(), each),
        )
        sections[section].add((True, f"from {module} import {', '.join(several)}"))
    return "\n\n".join("\n".join(line for _, line in sorted(lines)) for lines in sections.values() if lines)


def spaced(code: str) -> str:
    """Put two blank lines around functions and classes, and at most one elsewhere."""
    code = re.sub(r"[ \t]+(?=\n)", "", code)
    code = re.sub(r"\n{3,}", "\n\n", code)
    code = re.sub(r"\n\n(?=(?:class|def) )", "\n\n\n", code)
    return re.sub(r"(\n [^\n]*)\n\n(?=[A-Za-z_#@])", r"\1\n\n\n", code).strip() + "\n"
