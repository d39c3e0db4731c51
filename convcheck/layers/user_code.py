"""Code of the user's own as text, `path/to/file.py:name(args)`: read, never run. Imports no torch."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, NoReturn

from convcheck.errors import UntrustedError, UsageError, shown
from convcheck.layers.text.notation import syntax_tree
from convcheck.sizes.limits import MAX_TEXT

ENDING = ".py"

WAY_OF_TRUST = "by verify with --trust on the command line"

_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_FILE = re.compile(r"(?P<module>[^\n]*?\.py):(?P<rest>.*)", re.DOTALL)
# What follows has to look like a name or a call, since `weight: o i` and `https://` have a colon, too.
_DOTTED = re.compile(rf"(?P<module>{_NAME}):(?P<rest>{_NAME}\s*(?:[(\[.].*)?)", re.DOTALL)

_LIKE = "write path/to/file.py:name(arguments) or package.module:name(arguments)"
_LITERALS = "arguments are numbers, texts in quotes, True, False, None, and lists, tuples and dicts of them"


class Arguments(NamedTuple):
    """The values between the parentheses."""

    positional: tuple[object, ...]
    keywords: Mapping[str, object]


@dataclass(frozen=True)
class UserCode:
    """A class, function or module of torch in a user's file or package. Nothing of it has been imported."""

    module: str
    """The path of a file that ends in `.py`, or the dotted name of a module."""
    name: str
    """A name in it, dotted where it is within a class."""
    arguments: Arguments | None
    """What it is called with; None where there are no parentheses."""
    written: str = field(default="", compare=False)
    """The parentheses as they were written."""
    in_config: str = field(default="", compare=False)
    """The path of the file as the config has it that names it; empty where none does."""

    @property
    def is_file(self) -> bool:
        """Whether it is in a file that is named by its path."""
        return self.module.endswith(ENDING)

    def within(self, folder: Path) -> UserCode:
        """Return the code of a config in `folder`, from where its paths start."""
        return replace(self, module=str(folder / self.module), in_config=self.module) if self.is_file else self

    def __str__(self) -> str:
        return f"{self.module}:{self.name}{self.written}"


def untrusted(way: str) -> Callable[[UserCode], NoReturn]:
    """Return what stands in place of a loader of code where nobody said that it may run; `way` is how to say so."""

    def refuse(code: UserCode) -> NoReturn:
        raise UntrustedError(f"{shown(str(code))} is code of your own, which is run only {way}")

    return refuse


def parse_user_code(text: object) -> UserCode | None:
    """Take `file.py:name(args)` apart; None where it is no code at all, as `Conv2d(3, 8, 2)` is none.

    Raises:
        UsageError: it begins as code, and goes on as something else, or with arguments that are no literals.
    """
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        return None
    match = _FILE.fullmatch(text.strip()) or _DOTTED.fullmatch(text.strip())
    if match is None or _opens_a_layer(match["module"]):
        return None
    module, rest = match["module"], match["rest"].strip()
    if re.fullmatch(_NAME, rest):
        return UserCode(module, rest, None)
    name = rest.partition("(")[0].rstrip()
    call = _call(text.strip(), name, rest)
    positional = tuple(_literal(text, rest, node) for node in call.args)
    keywords: dict[str, object] = {}
    for entry in call.keywords:
        if entry.arg is None:
            raise UsageError(f"{shown(text)}: '**' cannot unpack here; write the keywords one by one")
        if entry.arg in keywords:
            raise UsageError(f"{shown(text)}: {entry.arg} is given twice")
        keywords[entry.arg] = _literal(text, rest, entry.value)
    return UserCode(module, name, Arguments(positional, keywords), rest[rest.index("(") :])


def is_code(value: object) -> bool:
    """Tell whether a side is code of the user's own, well written or not."""
    try:
        return parse_user_code(value) is not None
    except UsageError:
        return True


def _opens_a_layer(module: str) -> bool:
    """Tell whether a colon is within a layer, as in `Sequential("a.py:b")`, or in a comment behind one."""
    return module.count("(") != module.count(")") or "#" in module.partition("(")[2]


def _call(text: str, name: str, rest: str) -> ast.Call:
    """Return the call of `name` that follows the colon. Raises UsageError if something else does."""
    try:
        node = syntax_tree(f"(\n{rest}\n)", "eval").body
    except (RecursionError, MemoryError):
        raise UsageError(f"{shown(text)}: the arguments are nested too deeply") from None
    except (SyntaxError, ValueError) as error:
        why = f" ({error.msg})" if isinstance(error, SyntaxError) and rest else ""
        raise UsageError(f"{shown(text)}: what follows the colon is no name and no call{why}; {_LIKE}") from None
    # Neither `Net()()` nor `Net().proj` is a call of Net.
    if not isinstance(node, ast.Call) or not name or ast.unparse(node.func) != name:
        raise UsageError(f"{shown(text)}: what follows the colon is no name and no call; {_LIKE}")
    return node


def _literal(text: str, rest: str, node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        piece = _offender(node)
        written = ast.get_source_segment(f"(\n{rest}\n)", piece) or ast.unparse(piece)
    quoted = f"; a text goes in quotes, as {written!r}" if isinstance(piece, ast.Name) else ""
    raise UsageError(
        f"{shown(text)}: {shown(written)[1:-1]} is no literal{quoted}; {_LITERALS}; "
        "a function in your file can make all else"
    )


def _offender(node: ast.expr) -> ast.expr:
    """Return the innermost part of an expression that is no literal."""
    parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
    if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
        for part in parts:
            try:
                ast.literal_eval(part)
            except (ValueError, TypeError, RecursionError, MemoryError):
                return _offender(part)
    return node
