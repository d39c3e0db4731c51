"""A layer as text, read as a literal call and taken apart. Which kinds there are is not known here."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convcheck.errors import LayerError, shown
from convcheck.layers.text.arithmetic import computed
from convcheck.layers.text.keras_names import PREFIXES, of_keras
from convcheck.layers.text.notation import syntax_tree
from convcheck.layers.text.printed import printed
from convcheck.layers.text.prompts import without_prompts
from convcheck.layers.text.source import assigned, is_source
from convcheck.layers.user_code import is_code
from convcheck.sizes.limits import MAX_DEPTH, MAX_PRINT, MAX_TEXT


@dataclass(frozen=True)
class Call:
    """A kind and its arguments, not bound yet, so that the faults of layers within layers can be told together."""

    kind: str
    positional: Sequence[object]
    named: Mapping[str, object]
    words: str = ""
    """What a printed module with submodules says of itself: its arguments, or whatever its author has it say."""

    def __repr__(self) -> str:
        return f"{self.kind}(...)"


_PASTE = "paste what print(model) prints, or layers one a line"

# How names are qualified in one's own code.
_PREFIXES = ("", "nn", "torch.nn", "torch", "F", "nn.functional", "torch.nn.functional", "einops", "convcheck")

# What torch calls the last Linear of its attention, and classes derived by torchvision and transformers, none of which
# differs in anything that is computed.
_SAME = {
    "NonDynamicallyQuantizableLinear": "Linear",
    "FalconLinear": "Linear",
    "Conv3DSimple": "Conv3d",
    "Conv3DNoTemporal": "Conv3d",
    "EfficientNetDepthwiseConv2d": "Conv2d",
}

# What torch prints before a submodule: `(proj): Conv2d(...)`.
_MODULE_NAME = re.compile(r"^\s*\([^()]*\):\s*")

# What stands around a layer in one's own code: `self.proj = nn.Conv2d(...)`, or the comma behind it in a list.
_ASSIGNMENT = re.compile(r"^\s*[A-Za-z_][\w.]*\s*=\s*(?=[A-Za-z_])")


def read_call(text: str, kinds: Collection[str]) -> Call:
    """Take `nn.Conv2d(3, 8, stride=2)` apart into a kind, positional and named values; `kinds` are those to suggest.

    Raises:
        LayerError: it is no call, or one with values that are not plain.
    """
    if len(text) > MAX_TEXT:
        raise LayerError(f"a layer of {len(text)} characters; {MAX_TEXT} at most are read")
    try:
        source = printed(_ASSIGNMENT.sub("", _MODULE_NAME.sub("", text))).strip().removesuffix(",")
        # Brackets let a pasted layer run over several lines.
        node = syntax_tree(f"(\n{source}\n)", "eval").body
        # Every level of a tree is a character at least, but for the last one, of the context of a name.
        node = node if len(source) < MAX_DEPTH else _shallow(node)
    except (RecursionError, MemoryError):
        raise _too_deep() from None
    except (SyntaxError, ValueError) as error:
        if is_code(text):
            raise LayerError(
                f"{shown(text)} is code of your own, which can only be a side of verify, with --trust"
            ) from None
        like = "write it as torch prints it, such as Conv2d(3, 768, kernel_size=(16, 16), stride=(16, 16))"
        raise LayerError(f"{shown(text)} is not a layer{_reason(error)}; {like}") from None
    if not isinstance(node, ast.Call):
        like = f"; did you mean {source}(...)?" if source in kinds else ", such as Conv2d(3, 8, kernel_size=2)"
        raise LayerError(f"{shown(text)} is not a layer: write a call{like}")
    return _call(node)


def read_calls(text: str, kinds: Collection[str]) -> Iterator[tuple[str, Call]]:
    """Yield every call of a longer text with its name, if it has one: what print(model) prints, or one's own code.

    Of a file of Python it is the one chain that it makes, or its one class with layers, as it is printed.

    Raises:
        LayerError: some of it is neither.
    """
    if len(text) > MAX_PRINT:
        raise LayerError(f"{len(text)} characters; {MAX_PRINT} at most are read")
    try:
        # Within brackets indentation says nothing, and what is cut from a print may begin anywhere in a line.
        plain = without_prompts(text)
        lines = "\n".join(line.strip() for line in printed(plain).splitlines())
        tree = _source(plain) or _shallow(syntax_tree(lines, "exec"))
    except (RecursionError, MemoryError):
        raise _too_deep() from None
    except (SyntaxError, ValueError) as error:
        line = shown(error.text.strip()) if isinstance(error, SyntaxError) and error.text else "it"
        raise LayerError(f"{line} cannot be read{_reason(error)}; {_PASTE}") from None
    if is_source(tree):
        found = assigned(tree, list(kinds))
        calls = [(name, _call(call)) for name, call in found.layers]
        yield from [("", Call(found.holder, calls, {}))] if found.holder else calls
        return
    for statement in tree.body:
        name = _assigned_name(statement)
        value = statement.value if isinstance(statement, (ast.Expr, ast.Assign)) else None
        for node in value.elts if isinstance(value, (ast.Tuple, ast.List)) and not _is_named(value) else [value]:
            own_name, call = _named_call(node, kinds)
            yield own_name or name, call


def _source(text: str) -> Any:
    """Return the syntax tree of a text that is a file of Python; None where it is something else."""
    if not re.search(r"(?m)^\s*(import|from|class|def)\s", text):
        return None
    try:
        tree = _shallow(syntax_tree(text, "exec"))
    except SyntaxError:
        return None
    return tree if is_source(tree) else None


def _assigned_name(statement: ast.stmt) -> str:
    """Return the name that a line such as `self.conv1 = nn.Conv2d(...)` gives its layer; empty for other lines."""
    match statement:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name("self"), attr=name)]):
            return name
    return ""


def _reason(error: Exception) -> str:
    return f" ({error.msg})" if isinstance(error, SyntaxError) else ""


def _shallow(tree: Any) -> Any:
    """Return a tree, unless it is nested so deeply that to walk through it would take all of Python's stack."""
    level = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return tree
    raise _too_deep()


def _too_deep() -> LayerError:
    # Python's parser gives up at a depth that depends on the process, and we do at MAX_DEPTH: a user is told the same.
    return LayerError(f"nested more than {MAX_DEPTH} deep, which is no layer; {_PASTE}")


def _is_named(node: ast.expr | None) -> bool:
    """Tell whether it is `("proj", Conv2d(...))`."""
    pair = node.elts if isinstance(node, ast.Tuple) else []
    return len(pair) == 2 and isinstance(pair[0], ast.Constant) and isinstance(pair[1], ast.Call)


def _named_call(node: ast.expr | None, kinds: Collection[str]) -> tuple[str, Call]:
    name = ""
    if isinstance(node, ast.Tuple) and _is_named(node):
        name, node = ast.literal_eval(node.elts[0]), node.elts[1]
    if isinstance(node, ast.Call):
        return name, _call(node)
    source = ast.unparse(node) if node is not None else "a statement"
    like = f"did you mean {source}(...)?" if source in kinds else _PASTE
    raise LayerError(f"{shown(source)} is not a layer; {like}")


def _call(node: ast.Call) -> Call:
    kind = _kind(node.func)
    named: dict[str, object] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise LayerError("** cannot be read here; write the arguments out", kind=kind)
        if keyword.arg in named:
            raise LayerError([(keyword.arg, f"{keyword.arg} is given twice")], kind=kind)
        named[keyword.arg] = _value(keyword.value, kind)
    words, arguments = _words(node.args)
    return Call(kind, [_value(argument, kind) for argument in arguments], named, words)


def _words(nodes: list[ast.expr]) -> tuple[str, list[ast.expr]]:
    """Part what `printed` made of a module's own words, `("", "words")`, from its submodules."""
    match nodes:
        case [ast.Tuple([ast.Constant(""), ast.Constant(str(words))]), *submodules]:
            return words, submodules
    return "", nodes


def _value(node: ast.expr, kind: str) -> object:
    """Return a literal, a bare word as torch prints it (`padding=same`), a layer, or a list of them."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Call):
        inner = _call(node)
        if inner.kind == "Size":
            # torch prints sizes so where they were given as such.
            return inner.positional[0] if inner.positional else ()
        if inner.kind == "OrderedDict":
            return [*inner.named.items()] or (inner.positional[0] if inner.positional else [])
        return inner
    if isinstance(node, ast.Starred):
        return _value(node.value, kind)
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, (ast.List, ast.Tuple)):
        if any(isinstance(inner, ast.Call) for inner in ast.walk(node)):
            return [_value(entry, kind) for entry in node.elts]
        entries = [_value(entry, kind) for entry in node.elts]
        return entries if isinstance(node, ast.List) else tuple(entries)
    if (number := computed(node)) is not None:
        return number
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        like = "is not a plain value; beyond + - * // of whole numbers nothing is computed here, write the number"
        raise LayerError(f"{shown(ast.unparse(node))} {like}", kind=kind) from None


def _kind(node: ast.expr) -> str:
    dotted = node.id if isinstance(node, ast.Name) else ast.unparse(node) if isinstance(node, ast.Attribute) else ""
    prefix, _, kind = dotted.rpartition(".")
    if not kind:
        raise LayerError(f"{shown(ast.unparse(node))} is not the name of a layer")
    if prefix in PREFIXES and (like := of_keras(kind)):
        raise LayerError(f"unknown layer {shown(dotted)}; {like}")
    if prefix not in _PREFIXES and dotted != "collections.OrderedDict":
        like = "layers of torch are written Conv2d, nn.Conv2d or torch.nn.Conv2d"
        raise LayerError(f"unknown layer {shown(dotted)}; {like}")
    return _SAME.get(kind, kind)
