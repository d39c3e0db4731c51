"""Rows and sums of the shape calculator are what torch measures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import Result

from convcheck.calculator.figures import BYTES
from convcheck.calculator.shapes import chain, shape_of, total_of
from convcheck.config.checks import DTYPES
from convcheck.errors import ShapeError
from convcheck.layers import Layer, Sequential, parse_layer
from convcheck.modules.build import build
from convcheck.report.json_text import json_text
from convcheck.sizes.lengths import Length, name
from tests.strategies.chains import IMAGES, STEM
from tests.strategies.layers import FAMILIES, shapes

Run = Callable[..., Result]


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"batch norms"}))
@given(st.data())
def test_a_row_is_what_torch_measures(family: str, data: st.DataObject) -> None:
    layer = data.draw(FAMILIES[family])
    taken = data.draw(shapes(layer))
    dtype = data.draw(st.sampled_from(DTYPES))
    try:
        row = shape_of(layer, taken, dtype=dtype)
    except ShapeError:
        return
    module = build(layer).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = module(*map(torch.ones, taken))
    first = output[0] if isinstance(output, tuple) else output
    assert row.activation == first.to(getattr(torch, dtype)).nbytes
    assert row.flops == counter.get_total_flops()
    biases = [parameter.numel() for name, parameter in module.named_parameters() if name.endswith("bias")]
    assert row.bias == sum(biases)
    assert row.weight + row.bias == row.params == sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("dtype", DTYPES)
def test_bytes_of_a_value_are_torchs(dtype: str) -> None:
    assert BYTES[dtype] == getattr(torch, dtype).itemsize
    assert BYTES.keys() == set(DTYPES)


def test_the_sum_of_a_chain_is_that_of_its_layers() -> None:
    layers = [parse_layer(text) for text in STEM]
    rows = chain(layers, (IMAGES,))
    total = total_of(layers, (IMAGES,), rows)
    module = nn.Sequential(*(build(layer) for layer in layers)).eval()
    sizes: list[int] = []
    leaves = [each for each in module.modules() if not list(each.children())]
    for leaf in leaves:
        leaf.register_forward_hook(lambda _module, _inputs, output: sizes.append(output.nbytes))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = module(torch.ones(IMAGES))
    assert [row.activation for row in rows] == sizes
    assert total.largest_activation == max(sizes)
    assert total.params == sum(parameter.numel() for parameter in module.parameters())
    # torch's counter leaves the normalisation out.
    assert total.flops - rows[1].flops == counter.get_total_flops()
    assert (total.weight, total.bias) == (sum(row.weight for row in rows), sum(row.bias for row in rows))
    assert rows[-1].output == tuple(output.shape)
    assert total.receptive_field == rows[-1].receptive_field == IMAGES[2:]


def test_a_chain_drops_what_its_layers_drop_together() -> None:
    """The second layer's rest is two of the first one's windows, and so are the first one's own two positions."""
    layers = [parse_layer(text) for text in ("Conv1d(1, 1, 3, stride=3)", "ReLU()", "Conv1d(1, 1, 4, stride=4)")]
    rows = chain(layers, ((1, 20),))
    assert [row.dropped for row in rows] == [(2,), (), (2,)]
    assert total_of(layers, ((1, 20),), rows).dropped == (2 + 2 * 3,)
    x = torch.ones(1, 1, 20, requires_grad=True)
    module = nn.Sequential(*(build(layer) for layer in layers[:1] + layers[2:]))
    module(x).sum().backward()
    assert x.grad is not None
    assert 20 - 1 - int(x.grad.flatten().nonzero().max()) == 8


def parsed(result: Result) -> dict[str, list[dict[str, object]]]:
    assert result.exit_code == 0, result.stderr
    found: dict[str, list[dict[str, object]]] = json.loads(result.stdout)
    return found


def test_a_chain_as_json_says_its_conventions_and_its_total(convcheck: Run) -> None:
    found = parsed(convcheck("shape", *STEM, "-i", "2,3,20,20", "-f", "json", "--dtype", "bfloat16", "--explain"))
    assert found.keys() == {"schema", "layers", "input", "output", "total", "conditions", "conventions", "notes"}
    first, *_ = found["layers"]
    assert first == {
        "case": None,
        "layer": STEM[0],
        "input": [2, 3, 20, 20],
        "output": [2, 8, 10, 10],
        "params": 8 * 3 * 7 * 7,
        "macs": 2 * 10 * 10 * 8 * 3 * 7 * 7,
        "dropped": [0, 0],
        "weight": 8 * 3 * 7 * 7,
        "bias": 0,
        "flops": 2 * 2 * 10 * 10 * 8 * 3 * 7 * 7,
        "activation": 2 * 2 * 8 * 10 * 10,
        "receptive_field": [7, 7],
        "jump": [2, 2],
        "name": None,
        "layers": [],
        "explained": ["o: out_channels = 8"]
        + [f"{axis}: floor((20 + 2*3 - 1*(7 - 1) - 1) / 2) + 1 = 10" for axis in "hw"],
    }
    assert len(found["layers"]) == len(STEM) + 1
    assert (found["input"], found["output"]) == ([2, 3, 20, 20], [2, 10])
    total = found["total"]
    assert isinstance(total, dict)
    assert total["params"] == sum(int(str(row["params"])) for row in found["layers"])
    assert (total["receptive_field"], total["jump"]) == ([20, 20], [None, None])
    assert "FlopCounterMode" in str(found["conventions"])


def test_a_jump_below_1_is_a_fraction_in_a_table_and_a_number_in_json(convcheck: Run) -> None:
    words = ["shape", "ConvTranspose1d(1, 1, 4, 2, 1)", "-i", "1,8"]
    assert "1/2" in convcheck(*words, "-v").stdout.split()
    assert parsed(convcheck(*words, "-f", "json"))["layers"][0]["jump"] == [0.5]


def test_a_sequential_is_a_row_a_layer_on_the_command_line_and_one_row_in_a_config(
    convcheck: Run, tmp_path: Path
) -> None:
    text = f"Sequential({', '.join(STEM)})"
    alone_rows = parsed(convcheck("shape", text, "-i", "2,3,20,20", "-f", "json", "--dtype", "float16"))["layers"]
    config = tmp_path / "chain.yaml"
    config.write_text(f"cases:\n  - {{name: stem, layer: '{text}', input: [2, 3, 20, 20], dtype: float16}}\n")
    (row,) = parsed(convcheck("shape", config, "-f", "json"))["layers"]
    assert row["case"] == "stem"
    assert row["layers"] == alone_rows
    assert (row["output"], row["activation"]) == ([2, 10], 2 * 10 * 2)
    assert row["params"] == sum(int(str(each["params"])) for each in alone_rows)


def test_names_are_chosen_in_a_chain(convcheck: Run) -> None:
    found = parsed(convcheck("shape", *STEM, "-i", "2,3,20,20", "-k", "Conv2d", "-f", "json"))
    assert [str(row["layer"]).partition("(")[0] for row in found["layers"]] == ["Conv2d", "Conv2d"]


def test_a_chain_of_layers_in_a_chain_is_taken_apart() -> None:
    inner: list[Layer] = [parse_layer("Sequential(Sequential(ReLU(), Conv1d(1, 2, 3)), ReLU())")]
    assert isinstance(inner[0], Sequential)
    assert [row.layer.partition("(")[0] for row in chain(inner, ((1, 9),))] == ["ReLU", "Conv1d", "ReLU"]


def test_rows_of_lengths_that_are_formulas_are_formulas_and_json_writes_them_as_text() -> None:
    images = (name("b"), 3, name("H"), 32)
    layers = [parse_layer("ConvTranspose2d(3, 2, 4, 2, 1)"), parse_layer("Conv2d(2, 4, 3, stride=3)")]
    rows = chain(layers, (images,), explained=True)  # type: ignore[arg-type]  # formulas go where numbers go
    total = total_of(layers, (images,), rows)  # type: ignore[arg-type]
    numbers = {"b": 5, "H": 21}
    known = chain(layers, ((5, 3, 21, 32),))
    found = json.loads(json_text({"layers": rows, "output": rows[-1].output}))
    for row, number, written in zip(rows, known, found["layers"], strict=True):
        assert [value_at(each, numbers) for each in row.output] == list(number.output)
        assert value_at(row.macs, numbers) == number.macs
        assert value_at(row.activation, numbers) == number.activation
        assert (row.receptive_field, row.jump) == (number.receptive_field, number.jump)
        assert written["macs"] == str(row.macs)
    assert found["layers"][0]["dropped"] is None
    assert found["output"] == ["b", 4, "(2*H)//3", 21]
    assert total.largest_activation is None


def value_at(value: object, numbers: dict[str, int]) -> object:
    return value.evaluate(numbers) if isinstance(value, Length) else value
