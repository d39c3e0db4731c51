"""A print of a model, pasted on standard input, is read as the layers that it shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner, Result

from convcheck.cli.main import app
from convcheck.errors import LayerError
from convcheck.layers import Layer, parse_layer
from convcheck.layers.text.pasted import parse_pasted
from convcheck.sizes.limits import MAX_LINES

Paste = Callable[..., Result]


@pytest.fixture
def paste() -> Paste:
    """Run the program in this process with a text, or bytes, on standard input."""
    runner = CliRunner()
    return lambda text, *words: runner.invoke(app, list(words), input=text)


class Block(nn.Module):
    """A module of one's own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.act = nn.SiLU(inplace=True)


class Net(nn.Module):
    """A model whose forward nobody sees."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.GELU(), nn.Dropout2d(0.1))
        self.blocks = nn.ModuleList([Block(4), Block(4), Block(4)])
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 4 * 4, 10), nn.Softmax(dim=1))


def leaves(module: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, each) for name, each in module.named_modules() if not list(each.children())]


def test_layers_and_names_are_those_of_the_model_in_order() -> None:
    net = Net()
    found = parse_pasted(str(net))
    assert list(found.names) == [name for name, _ in leaves(net)]
    assert [type(each).__name__ for _, each in leaves(net)] == [layer.kind for layer in found.layers]
    shapes = [shape for layer in found.layers for shape in layer.parameters().values()]
    assert shapes == [tuple(parameter.shape) for parameter in net.parameters()]
    assert found.containers == ("Net", "ModuleList", "Block")


def test_what_prints_alike_is_counted_out() -> None:
    """A ModuleList of three equal blocks is printed as `(0-2): 3 x`, also where they hold others that are alike."""
    inner = [nn.ModuleList([nn.Linear(2, 2) for _ in range(4)]) for _ in range(3)]
    module = nn.ModuleList(inner)
    assert "(0-2): 3 x ModuleList(" in str(module)
    assert "(0-3): 4 x Linear(" in str(module)
    found = parse_pasted(str(module))
    assert list(found.names) == [name for name, _ in leaves(module)]
    assert set(found.layers) == {parse_layer("Linear(2, 2)")}


PLAIN = ["Conv2d(3, 8, 3)", "ReLU()"]
WORKS: dict[str, tuple[str, list[str], Sequence[str], Sequence[str]]] = {
    "one layer": (str(nn.Conv2d(3, 8, 3)), PLAIN[:1], [""], []),
    "layers one a line": ("\n".join(PLAIN), PLAIN, ["", ""], []),
    "lines of code": (
        "self.conv = nn.Conv2d(3, 8, 3)\n        self.act = nn.ReLU()",
        PLAIN,
        ["conv", "act"],
        [],
    ),
    "a prompt before a print": (
        f">>> print(model)\n{nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())}",
        PLAIN,
        ["0", "1"],
        [],
    ),
    "prompts of a notebook": (
        f"In [2]: model\nOut[2]: \n{nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())}\n\nIn [3]: ",
        PLAIN,
        ["0", "1"],
        [],
    ),
    "a command and its print": (f"$ python net.py\n{nn.Conv2d(3, 8, 3)}", PLAIN[:1], [""], []),
    "what was typed alone": (">>> conv = nn.Conv2d(3, 8, 3)\n>>> nn.ReLU()", PLAIN, ["", ""], []),
    "a file with a chain": (
        "import torch.nn as nn\nwidth = 2 * 4\nmodel = nn.Sequential(\n    nn.Conv2d(3, width, 3),\n    nn.ReLU(),\n)\n"
        "print(model)",
        PLAIN,
        ["0", "1"],
        [],
    ),
    "a function that returns a chain": (
        "from torch import nn\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())",
        PLAIN,
        ["0", "1"],
        [],
    ),
    "a class": (
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.width = 8\n        self.conv = nn.Conv2d(3, self.width, 3)\n        self.act = nn.ReLU()\n"
        "    def forward(self, x):\n        return self.act(self.conv(x))",
        PLAIN,
        ["conv", "act"],
        ["Net"],
    ),
    "entries of a list": ("nn.Conv2d(3, 8, 3),\nnn.ReLU(),", PLAIN, ["", ""], []),
    "a whole list": ("[nn.Conv2d(3, 8, 3), nn.ReLU()]", PLAIN, ["", ""], []),
    "a chain": (str(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())), PLAIN, ["0", "1"], []),
    "lines cut from a print": ("(4): Conv2d(3, 8, 3)\n    (5): ReLU()\n", PLAIN, ["4", "5"], []),
    "a chain in a model": (f"(stem): {nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())}", PLAIN, ["stem.0", "stem.1"], []),
    "a chain without names": ("Sequential(Conv2d(3, 8, 3), ReLU())", PLAIN, ["0", "1"], []),
    "an empty chain in a chain": (str(nn.Sequential(nn.Sequential(), nn.ReLU())), PLAIN[1:], ["1"], []),
    "a model": ("Net(\n  (a): Conv2d(3, 8, 3)\n  (b): ReLU()\n)", PLAIN, ["a", "b"], ["Net"]),
}


@pytest.mark.parametrize(("text", "layers", "names", "containers"), WORKS.values(), ids=WORKS)
def test_reads(text: str, layers: list[str], names: Sequence[str], containers: Sequence[str]) -> None:
    found = parse_pasted(text)
    wanted: list[Layer] = [parse_layer(each) for each in layers]
    assert (list(found.layers), list(found.names), list(found.containers)) == (wanted, list(names), list(containers))


REFUSES = {
    "a file of several chains": (
        "from torch import nn\na = nn.Sequential(nn.ReLU())\nb = nn.Sequential(nn.ReLU())",
        "a file of Python that makes several: a, b",
    ),
    "a file of no layers": ("import os\nprint(os.name)", "a file of Python that makes no layers"),
    "a width that the caller chooses": (
        "from torch import nn\ndef net(n):\n    return nn.Sequential(nn.Conv2d(3, n, 3))",
        "out_channels is 'n'",
    ),
    "no layer": ("hello", "'hello' is not a layer; paste what print(model) prints, or layers one a line"),
    "a name": ("Conv2d", "did you mean Conv2d(...)?"),
    "no expression": ("x += 1", "a statement' is not a layer"),
    "half a print": ("Net(\n  (a): ReLU()\n", "'Net(' cannot be read ('(' was never closed)"),
    "a bracket too many": ("(a): ReLU()\n)", "')' cannot be read (unmatched ')')"),
    "an empty chain": ("Sequential()", "'Sequential()' holds no layers"),
    "all lines that are no layers": (
        "Net(\n  (a): Foo()\n  (b): Conv2d(3)\n  (c): ReLU()\n)",
        "a: unknown layer 'Foo'",
    ),
    "what a print does not tell": (
        str(nn.TransformerEncoderLayer(4, 2)).replace("norm1", "another"),
        "TransformerEncoderLayer is printed without the arguments that it was made with",
    ),
    "too many": (f"Net(\n(0-{MAX_LINES}): {MAX_LINES + 1} x ReLU()\n)", f"stands for more than {MAX_LINES} lines"),
    "too many of many": (
        "Net(\n" + "(0-999): 1000 x Sequential(\n" * 9 + "(0): ReLU()\n" + ")\n" * 9 + ")",
        f"more than {MAX_LINES} lines",
    ),
    "far too long": ("ReLU()\n" * 200_000, "1400000 characters; 1000000 at most are read"),
    "deep nesting": ("(" * 5000, "too many nested parentheses"),
    "a null byte": ("a\0b", "null bytes"),
}


@pytest.mark.parametrize(("text", "message"), REFUSES.values(), ids=REFUSES)
def test_refuses(text: str, message: str) -> None:
    with pytest.raises(LayerError) as error:
        parse_pasted(text)
    assert message in str(error.value)


def test_a_pasted_model_goes_through_shape_with_a_hint(paste: Paste) -> None:
    result = paste(str(Net()), "shape", "-", "-i", "1,3,8,8", "-f", "json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    net = Net().eval()
    chain = nn.Sequential(*(each for _, each in leaves(net)))
    shape = (1, 3, 8, 8)
    for row, layer in zip(report["layers"], chain, strict=True):
        assert tuple(row["input"]) == shape
        shape = tuple(layer(torch.zeros(shape)).shape)
        assert tuple(row["output"]) == shape
    assert report["total"]["params"] == sum(parameter.numel() for parameter in net.parameters())
    assert result.stderr.startswith(
        "note: Net, ModuleList, Block are no Sequential: layers are taken in the order prin"
    )
    assert "branches, skip connections" in result.stderr


def test_a_pasted_chain_needs_no_hint_and_is_named_where_it_does_not_fit(paste: Paste) -> None:
    text = "Sequential(\n  (a): Conv2d(3, 8, 3)\n  (b): Conv2d(4, 8, 3)\n)"
    result = paste(text, "shape", "-", "-i", "1,3,8,8")
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "error: layer 2 (b), Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1)): Conv2d takes 4"
    )
    fitting = paste(text.replace("(4", "(8"), "shape", "-", "-i", "1,3,8,8")
    assert (fitting.exit_code, fitting.stderr) == (0, "")
    assert "[1, 8, 4, 4]" in fitting.stdout


def test_a_pasted_model_is_one_of_several_targets(paste: Paste) -> None:
    result = paste("ReLU()", "shape", "Conv2d(3, 8, 3)", "-", "Flatten()", "-i", "1,3,8,8", "--list")
    assert result.stdout.splitlines() == [
        "Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))",
        "ReLU()",
        "Flatten(start_dim=1, end_dim=-1)",
    ]


def test_parameters_of_a_pasted_model_are_listed_with_their_sum(paste: Paste) -> None:
    report = json.loads(paste(str(Net()), "params", "-", "-f", "json").stdout)
    assert report["total"]["params"] == sum(parameter.numel() for parameter in Net().parameters())
    assert report["total"]["bytes"]["bfloat16"] == 2 * report["total"]["params"]
    assert report["results"][0]["case"] == "stem.0"


def test_a_pasted_chain_or_layer_is_verified_and_a_model_is_not(paste: Paste) -> None:
    fitting = paste("Sequential(\n  (a): Conv2d(3, 4, 1)\n  (b): BatchNorm2d(4)\n)", "verify", "-")
    assert fitting.exit_code == 0
    assert "fold-batchnorm" in fitting.stdout
    assert paste("(proj): Conv2d(3, 4, 2, stride=2)", "verify", "-", "-r", "patchify-linear").exit_code == 0
    refused = paste("Net(\n  (a): Conv2d(3, 4, 1)\n  (b): BatchNorm2d(4)\n)", "verify", "-")
    assert refused.exit_code == 2
    assert "error: Net is no Sequential, and what its forward does cannot be seen" in refused.stderr


FAULTS = {
    "nothing": ("", "standard input is empty"),
    "white space": (" \n\n", "standard input is empty"),
    "no text": (b"\xff\xfe\x00", "standard input cannot be read as text"),
    "no layer": ("hello", "standard input: 'hello' is not a layer"),
}


@pytest.mark.parametrize("command", ["shape", "params", "verify"])
@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_read_is_told_once(paste: Paste, command: str, text: str | bytes, message: str) -> None:
    result = paste(text, command, "-", *(["-i", "1,3,8,8"] if command == "shape" else []))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {message}")


def test_standard_input_is_read_once(paste: Paste) -> None:
    result = paste("ReLU()", "shape", "-", "-", "-i", "1,3,8,8")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == ["error: standard input, -, can be read only once"]


def test_an_input_that_would_fit_is_proposed(paste: Paste) -> None:
    result = paste("Sequential(\n  (0): ReLU()\n  (1): Conv2d(3, 8, 5)\n)", "shape", "-")
    assert result.exit_code == 2
    proposed = result.stderr.strip().rpartition("for example ")[2].split()
    assert paste("Conv2d(3, 8, 5)", "shape", "-", *proposed).exit_code == 0


def test_lines_of_code_are_a_chain_and_it_says_so(paste: Paste) -> None:
    result = paste("self.a = nn.Conv2d(3, 8, 3)\nself.b = nn.ReLU()", "shape", "-", "-i", "1", "3", "9", "9")
    assert result.exit_code == 0
    assert "lines of code are taken as a chain" in result.stderr
    assert "[1, 8, 7, 7]" in result.stdout


def test_a_saved_print_and_a_file_of_python_are_targets(paste: Paste, tmp_path: Path) -> None:
    chain = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    saved, code = tmp_path / "model.txt", tmp_path / "net.py"
    saved.write_text(f">>> print(model)\n{chain}\n", encoding="utf-8")
    code.write_text(
        "import torch.nn as nn\nraise SystemExit('run')\nnet = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())"
    )
    piped = paste(str(chain), "shape", "-", "-i", "1,3,9,9")
    for path in (saved, code):
        assert paste("", "shape", str(path), "-i", "1,3,9,9").stdout == piped.stdout


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride=2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv2(self.conv1(x)) + self.downsample(x)  # type: ignore[no-any-return]


def test_a_model_with_a_branch_has_shapes_up_to_it_and_parameters_of_all(paste: Paste) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), Residual(4, 8), nn.Conv2d(8, 2, 1))
    result = paste(str(net), "shape", "-", "-i", "1,3,16,16", "-f", "json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert [row["output"] for row in report["layers"]] == [[1, 4, 14, 14], [1, 8, 7, 7], [1, 8, 7, 7], None, None]
    assert [row["params"] for row in report["layers"]] == [
        sum(parameter.numel() for parameter in leaf.parameters()) for _, leaf in leaves(net)
    ]
    assert report["total"]["params"] == sum(parameter.numel() for parameter in net.parameters())
    assert (report["output"], report["total"]["macs"]) == (None, None)
    assert any(note.startswith("1.downsample is probably a branch") for note in report["notes"])


BRANCHES = {
    "a shortcut by its name, though it fits": ("shortcut", "Conv2d(4, 4, 1)", True),
    "a squeezed branch": ("se.fc1", "Conv2d(4, 4, 1)", True),
    "a downsample that goes on": ("downsample", "Conv2d(4, 8, 2, stride=2)", False),
    "a downsample that does not fit": ("downsample", "Conv2d(3, 4, 1)", True),
    "another that fits": ("conv", "Conv2d(4, 4, 1)", False),
}


@pytest.mark.parametrize(("name", "layer", "beside"), BRANCHES.values(), ids=BRANCHES)
def test_what_is_a_branch(name: str, layer: str, beside: bool, paste: Paste) -> None:
    result = paste(f"Net(\n  (a): Conv2d(3, 4, 3)\n  ({name}): {layer}\n)", "shape", "-", "-i", "1,3,9,9")
    assert result.exit_code == 0
    assert (f"{name.partition('.')[0]} is probably a branch" in result.stderr) == beside


def test_one_unknown_layer_costs_one_line(paste: Paste) -> None:
    text = "Sequential(\n  (0): Conv2d(3, 8, 3)\n  (1): Foo()\n  (2): Conv2d(8, 4, 3)\n)"
    result = paste(text, "shape", "-", "-i", "1,3,9,9", "-f", "json")
    assert result.exit_code == 2
    assert "error: 1: unknown layer 'Foo'" in result.stderr
    report = json.loads(result.stdout)
    assert [row["output"] for row in report["layers"]] == [[1, 8, 7, 7], None, None]
    assert [row["params"] for row in report["layers"]] == [224, None, 292]
    assert report["total"]["params"] is None
    assert json.loads(paste(text, "params", "-", "-f", "json").stdout)["total"] is None
    assert paste(text, "shape", "-", "--output", "1,4,5,5").stdout == ""
