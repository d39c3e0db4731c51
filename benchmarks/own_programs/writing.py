"""A program as Python source of a torch module, and the module that a file of it defines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from torch import nn

from benchmarks.own_programs.spellings import spelled
from benchmarks.own_programs.terms import Term, in_order, leaves

HEAD = "import torch\nimport torch.nn.functional as F\nfrom einops import rearrange\nfrom torch import nn\n\n\n"
INLINE = 0.25
"""How often what is used once is written where it is used, and a concatenation as writes into a new tensor."""


def write(top: Term, inputs: Sequence[Term], random: Random) -> str:
    """Return the source of a class `Net`, which takes all inputs, in one of many ways to write it."""
    layers = dict(_layers(top))
    lines = [*_constructor(top, layers), f"    def forward(self, {', '.join(one.name for one in inputs)}):"]
    uses = Counter(id(argument) for one in in_order(top) for argument in one.arguments)
    names: dict[int, str] = {}
    count = 0
    for one in in_order(top):
        arguments = [names[id(argument)] for argument in one.arguments]
        if one.operator in ("input", "parameter"):
            names[id(one)] = one.name if one.operator == "input" else f"self.{one.name}"
            continue
        if one.operator == "constant":
            arguments = [inputs[0].name]
        layer = next((name for name, (user, _) in layers.items() if user is one), None)
        text = spelled(one, arguments, random) if layer is None else f"self.{layer}({arguments[0]})"
        if one is not top and uses[id(one)] == 1 and len(text) < 40 and random.random() < INLINE:
            names[id(one)] = f"({text})"
            continue
        count += 1
        names[id(one)] = f"t{count}"
        if one.operator == "cat" and random.random() < INLINE:
            lines += [f"        {line}" for line in _writes(one, f"t{count}", arguments)]
        else:
            lines.append(f"        t{count} = {text}")
    return HEAD + "\n".join([*lines, f"        return {names[id(top)]}", ""])


def _writes(one: Term, name: str, arguments: Sequence[str]) -> Iterator[str]:
    (axis,) = one.options
    yield f"{name} = {arguments[0]}.new_zeros({one.shape})"
    start = 0
    for part, text in zip(one.arguments, arguments, strict=True):
        yield f"{name}[{':, ' * axis}{start}:{start + part.shape[axis]}] = {text}"
        start += part.shape[axis]


def _layers(top: Term) -> Iterator[tuple[str, tuple[Term, str]]]:
    """Yield names of modules with the terms that they compute, and how they are made."""
    names = {one.name for one in leaves(top, "parameter")}
    for one in in_order(top):
        if one.operator not in ("linear", "conv") or one.arguments[1].operator != "parameter":
            continue
        owner, _, last = one.arguments[1].name.rpartition(".")
        bias = [argument.name if argument.operator == "parameter" else "" for argument in one.arguments[2:]]
        if last != "weight" or bias != [f"{owner}.bias"] * (f"{owner}.bias" in names) or "." in owner:
            continue
        outputs, inner, *kernel = one.arguments[1].shape
        if one.operator == "linear":
            made = f"nn.Linear({inner}, {outputs}"
        else:
            stride, padding, dilation, groups = one.options
            made = (
                f"nn.Conv{len(kernel)}d({inner * groups}, {outputs}, {tuple(kernel)}, stride={stride}, "
                f"padding={padding}, dilation={dilation}, groups={groups}"
            )
        yield owner, (one, f"{made}, bias={bool(bias)})")


def _constructor(top: Term, layers: dict[str, tuple[Term, str]]) -> Iterator[str]:
    yield from ("class Net(nn.Module):", "    def __init__(self):", "        super().__init__()")
    made = set()
    for one in leaves(top, "parameter"):
        owner, _, _ = one.name.rpartition(".")
        if owner and owner not in made:
            yield f"        self.{owner} = {layers[owner][1] if owner in layers else 'nn.Module()'}"
        made.add(owner)
        if owner not in layers:
            yield f"        self.{one.name} = nn.Parameter(torch.randn({one.shape}))"
    yield ""


def module(source: str, file: Path) -> nn.Module:
    """Write a source to a file, run it, and return its module, in eval mode."""
    file.write_text(source, encoding="utf-8")
    names: dict[str, object] = {"__name__": file.stem}
    exec(compile(source, str(file), "exec"), names)
    net = names["Net"]
    assert isinstance(net, type)
    made = net()
    assert isinstance(made, nn.Module)
    return made.eval()
