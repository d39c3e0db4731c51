"""A Python file that swaps layers of a model: a class for every kind of layer, and the way there and back.

It imports torch alone. What is verified is this very text, run.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Mapping
from types import ModuleType

from torch import nn

from convcheck.catalogue.catalogue import catalogue
from convcheck.layers import Layer, Sequential
from convcheck.models import einops_parts, swap_parts
from convcheck.models.records import Place
from convcheck.rewriting.steps import EinopsStep
from convcheck.rewriting.takeaway.state_dicts import convert_back
from convcheck.rewriting.transplant import Move, Transplant
from convcheck.sizes.patterns import Shapes
from convcheck.version import __version__

Key = tuple[Layer, Shapes, str]
"""A layer, the shapes of its inputs, and the rewrite."""


_EMPTY = "SWAPS: dict[tuple[str, ...], Swap] = {}"
"""The line of `swap_parts` in which the table of a file goes."""

_BEFORE = "; `before` has the weights of merged layers"


def no_way_back(layer: Layer, shapes: Shapes, rewrite: str) -> str | None:
    """Return why a rewrite of a layer cannot be swapped in and back again; None where it can.

    What a chain was comes from the weights of before.
    """
    for part in _parts(layer):
        if not hasattr(nn, part.kind) or part.kind in ("MultiheadAttention", "Sequential"):
            return f"{part.kind} is no layer of torch's that stands alone and returns one output"
    if isinstance(layer, Sequential):
        return None
    transplant = catalogue()[rewrite].transplant(layer, shapes)
    if not transplant.moves:
        return None
    if _back(transplant) is None:
        return "its weights have no way back"
    missing = set(layer.parameters()) - {name for move in transplant.moves for name in move.sources}
    return f"it has nothing of {', '.join(sorted(missing))}" if missing else None


def _parts(layer: Layer) -> tuple[Layer, ...]:
    return layer.layers if isinstance(layer, Sequential) else (layer,)


def swap_text(model: str, swaps: Mapping[Place, Key]) -> str:
    """Return the file that swaps the layers at these paths, each by its rewrite, in models of the same class."""
    kinds = {key: number for number, key in enumerate(dict.fromkeys(swaps.values()), start=1)}
    imports: set[str] = set()
    blocks: list[str] = []
    rows: dict[Key, str] = {}
    for (layer, shapes, rewrite), number in kinds.items():
        block, needed, row = _kind(layer, shapes, rewrite, number)
        imports |= needed
        blocks.append(block)
        rows[layer, shapes, rewrite] = row
    entries = "".join(f"    {place!r}: {rows[key]},\n" for place, key in swaps.items())
    imports |= {"import torch", "from torch import Tensor, nn"} | _imports_of(einops_parts) | _imports_of(swap_parts)
    standard = sorted(line for line in imports if "torch" not in line)
    parts = [_head(model, swaps), "from __future__ import annotations", "\n".join(standard)]
    parts += ["\n".join(sorted(imports - set(standard))), _body(einops_parts), *blocks]
    parts += [_body(swap_parts).replace(_EMPTY, f"{_EMPTY[:-1]}\n{entries}}}")]
    return "\n\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def load_text(text: str, name: str = "swapped") -> ModuleType:
    """Return a swap file as a module, which is not imported under its name."""
    module = ModuleType(name)
    exec(compile(text, f"<{name}>", "exec"), vars(module))
    return module


def _head(model: str, swaps: Mapping[Place, Key]) -> str:
    count = sum(map(len, swaps))
    layers = "layer" if count == 1 else "layers"
    said = re.sub(r"[\\\"]", "'", model)
    before = ", before" if any(len(place) > 1 for place in swaps) else ""
    return (
        f'"""Swaps {count} {layers} of {said}, and swaps them back. Written by convcheck {__version__}.\n\n'
        "    model = swap(Model())                       # the same class\n"
        "    model.load_state_dict(...)                  # weights that were saved after a swap\n"
        f"{f'    model = swap_back(model{before})':48}# the way back, bit for bit{_BEFORE if before else ''}\n\n"
        "`convert_state` and `convert_state_back` do the same to state dicts. It imports torch only.\n"
        '"""'
    )


def _kind(layer: Layer, shapes: Shapes, rewrite: str, number: int) -> tuple[str, set[str], str]:
    """Return the code of one kind of swap, what it imports, and its row of SWAPS."""
    value = catalogue()[rewrite]
    transplant = value.transplant(layer, shapes)
    code = value.code(layer, shapes)
    tree = ast.parse(code)
    imports = {ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
    first = next(node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom))
    body = "\n".join(code.split("\n")[_start(first) - 1 :]).strip("\n")
    (name,) = _class_names(tree)
    merges = isinstance(layer, Sequential)
    if merges:
        body = "\n".join(line for line in body.split("\n") if not line.startswith("#")).rstrip("\n")
    elif transplant.moves and not transplant.one_to_one():
        # The comment says why copies drift apart in training; where they have not, there is a way back.
        body += f"\n\n\n{_back(transplant)}"
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names |= {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
              if isinstance(target, ast.Name)}  # fmt: skip
    body = _renamed(body, {*names, "convert", "convert_back"}, number)
    there = (f"convert_{number}", f"convert_back_{number}") if transplant.moves else ("dict", "dict")
    olds = "".join(f"(nn.{part.kind}, dict({_arguments(part)})), " for part in _parts(layer))
    row = f"(({olds.rstrip(' ')}), {name}_{number}, {there[0]}, {None if merges else there[1]})"
    return body, {line for line in imports if not line.startswith("from einops")}, row


def _arguments(layer: Layer) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in layer.arguments().items())


def class_name(key: Key, number: int) -> str:
    """Return the name of the class of a kind of swap, the number of which is its place among all."""
    layer, shapes, rewrite = key
    (name,) = _class_names(ast.parse(catalogue()[rewrite].code(layer, shapes)))
    return f"{name}_{number}"


def _start(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _class_names(tree: ast.Module) -> tuple[str, ...]:
    """Return the name of the candidate's class: the one with a docstring."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return tuple(node.name for node in classes if ast.get_docstring(node))


def _renamed(code: str, names: set[str], number: int) -> str:
    """Return code in which names that it defines end in a number; attributes and keywords stay."""
    lines = code.split("\n")
    places: list[tuple[int, int, str]] = []
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.NAME and token.string in names and before != ".":
            places.append((token.start[0] - 1, token.end[1], token.string))
        before = token.string
    for line, end, _ in reversed(places):
        lines[line] = f"{lines[line][:end]}_{number}{lines[line][end:]}"
    return "\n".join(lines)


def _back(transplant: Transplant) -> str | None:
    """Return the function `convert_back`; None where there is no way back that is bit for bit."""
    doc = "Return the layer's state dict; copies have to agree."
    if transplant.one_to_one():
        return convert_back(transplant, doc)
    entries = []
    for move in transplant.moves:
        text = _undone(move) if isinstance(move, Move) else None
        if text is None or sum(move.sources == other.sources for other in transplant.moves) > 1:
            return None
        entries.append(f'        "{move.sources[0]}": {text},')
    head = ["def convert_back(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:", f'    """{doc}"""', "    return {"]
    return "\n".join([*head, *entries, "    }"])


def _undone(move: Move) -> str | None:
    """Return the expression that undoes a move of patterns; None where there are other steps."""
    text = f'state_dict["{move.target}"]'
    for step, shape in reversed(list(zip(move.steps, move.shapes(), strict=False))):
        if not isinstance(step, EinopsStep):
            return None
        sizes = step.pattern.sizes(shape, step.known)
        given = "".join(f", {axis}={length}" for axis, length in sizes.items() if axis.isidentifier())
        if step.pattern.repeated:
            text = f'unrepeat({text}, "{step.pattern}"{given})'
        else:
            source, target = str(step.pattern).split("->")
            text = f'rearrange({text}, "{target.strip()} -> {source.strip()}"{given})'
    return text


def _imports_of(module: ModuleType) -> set[str]:
    tree = ast.parse(inspect.getsource(module))
    lines = {ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
    return {line for line in lines if "__future__" not in line and "convcheck" not in line}


def _body(module: ModuleType) -> str:
    """Return a module's code behind its imports."""
    text = inspect.getsource(module)
    nodes = ast.parse(text).body
    others = [node for node in nodes if not _is_head(node)]
    return "\n".join(text.split("\n")[_start(others[0]) - 1 :])


def _is_head(node: ast.stmt) -> bool:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or isinstance(node, ast.Import | ast.ImportFrom | ast.If)
