"""Code that is printed to be taken away runs without convcheck, is the rewrite, and converts state dicts both ways."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

from convcheck.catalogue.applicability import facts
from convcheck.catalogue.catalogue import catalogue
from convcheck.layers import Layer, parse_layer
from convcheck.modules.build import build
from convcheck.rounding.precision import arithmetic
from convcheck.sides import samples
from convcheck.sides.side import side_of_layer
from convcheck.sizes.patterns import Shapes
from tests.laws.test_laws import NAMES, accepted, every_rewrite, orders
from tests.strategies.attentions import drawn_point

MAGNITUDE = 9
"""Sums of products this small are exact in float64, and a transform's error on them rounds away."""

Convert = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


def imported(name: str, *others: Any, **more: Any) -> Any:
    """Import a module as where convcheck is not installed."""
    if name.partition(".")[0] == "convcheck":
        raise ModuleNotFoundError(name)
    return __import__(name, *others, **more)


def run(code: str) -> tuple[type[nn.Module], dict[str, Any]]:
    """Run code in an empty file; return the one class of a module that it defines, and all its names."""
    names: dict[str, Any] = {"__name__": "new", "__builtins__": {**vars(builtins), "__import__": imported}}
    exec(compile(code, "new.py", "exec"), names)
    classes = [kind for kind in names.values() if getattr(kind, "__module__", "") == "new" and isinstance(kind, type)]
    (module,) = classes
    assert issubclass(module, nn.Module)
    return module, names


def example(name: str) -> tuple[Layer, Shapes]:
    layer = parse_layer(catalogue()[name].example)
    return layer, catalogue()[name].example_inputs or layer.example_inputs()


def check(name: str, layer: Layer, shapes: Shapes, order: tuple[str, ...] | None = None) -> None:
    """Hold the code for a layer against the layer as torch has it, and its conversions against the transplant."""
    rewrite = catalogue()[name]
    code, transplant = rewrite.code(layer, shapes, order), rewrite.transplant(layer, shapes, order)
    written = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    assert not written & {*inspect.signature(rewrite.candidate).parameters, "conv", "linear", "layer", "shape", "spell"}
    kind, names = run(code)
    polynomial = layer.degree() is not None
    if polynomial:
        generator = torch.Generator().manual_seed(0)
        at = samples.integers(side_of_layer(layer, shapes), MAGNITUDE, generator).mapped(torch.Tensor.detach)
    else:
        at = drawn_point(layer, shapes)
    reference, candidate = build(layer, torch.float64).eval(), kind().double().eval()
    old = {**reference.state_dict(), **at.parameters}
    new = names["convert"](old) if transplant.moves else {}
    candidate.load_state_dict(new, strict=True)
    moved = transplant.forward(at.parameters)
    assert new.keys() == moved.keys()
    assert all(torch.equal(new[entry], moved[entry]) for entry in new)
    with torch.no_grad():
        y, expected = candidate(*at.inputs), functional_call(reference, dict(at.parameters), at.inputs)
    if rewrite.analysis is not None:
        unit = arithmetic(torch.float64, torch.device("cpu"))
        assert ((y - expected).abs() <= rewrite.analysis(layer, at.inputs, at.parameters, unit)).all(), code
    else:
        assert torch.equal(y.round() if rewrite.transform else y, expected), code
    assert ("convert_back" in names) is (transplant.one_to_one() and bool(transplant.moves))
    if "convert_back" in names:
        # Numbers of all kinds, and in another dtype: what only moves is the same bit for bit.
        drawn = dict(drawn_point(layer, shapes, dtype=torch.float32).parameters)
        back = names["convert_back"](names["convert"](drawn))
        assert back.keys() == drawn.keys()
        assert all(torch.equal(back[entry], drawn[entry]) for entry in drawn)


@every_rewrite
def test_the_code_of_the_example_runs_in_an_empty_file_and_is_the_rewrite(name: str) -> None:
    layer, shapes = example(name)
    assert facts(name).code == catalogue()[name].code(layer, shapes)
    check(name, layer, shapes)


@pytest.mark.kernels
@every_rewrite
@given(data=st.data())
def test_so_does_the_code_of_any_layer(name: str, data: st.DataObject) -> None:
    layer, shapes = data.draw(accepted(name))
    check(name, layer, shapes, data.draw(orders(name, layer)))


@every_rewrite
def test_what_is_merged_keeps_its_dtype_and_is_that_of_the_transplant(name: str) -> None:
    layer, shapes = example(name)
    transplant = catalogue()[name].transplant(layer, shapes)
    if not transplant.moves:
        return
    _, names = run(catalogue()[name].code(layer, shapes))
    for dtype in (torch.float32, torch.bfloat16):
        old = dict(drawn_point(layer, shapes, dtype=dtype).parameters)
        new, moved = names["convert"](old), transplant.forward(old)
        assert all(new[entry].dtype == dtype and torch.equal(new[entry], moved[entry]) for entry in moved)


@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_too_long_and_nothing_is_imported_or_assigned_in_vain(name: str) -> None:
    code = catalogue()[name].code(*example(name))
    assert max(map(len, code.splitlines())) <= 120
    nodes = list(ast.walk(ast.parse(code)))
    imports = [alias for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names]
    bound = {alias.asname or alias.name.partition(".")[0] for alias in imports} - {"annotations"}
    bound |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    assert {name for name in bound - used if not name.startswith("_")} == set()


def test_a_wrong_conversion_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The law fails where a line of the code is wrong: the axes of a patch in another order."""
    rewrite = catalogue()["patchify-linear"]
    code = rewrite.code(*example("patchify-linear"))
    monkeypatch.setattr(type(rewrite), "code", lambda *_: code.replace("-> o (i kh kw)", "-> o (i kw kh)"))
    with pytest.raises(AssertionError):
        check("patchify-linear", *example("patchify-linear"))
