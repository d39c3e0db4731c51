"""What is printed for a question, as text and as JSON, and how the program then exits."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

Run = Callable[..., Result]


def words(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if not line.startswith("─"))


INPUTS = {
    "ranges": (
        ["Conv2d(3, 64, 7, stride=2, padding=3)", "--output", "1,64,112,112"],
        0,
        "output b i h w\n[1, 64, 112, 112] 1 3 223 to 224 223 to 224",
    ),
    "a Sequential": (
        ["Sequential(Conv2d(3, 64, 7, stride=2, padding=3), MaxPool2d(3, 2, 1))", "--output", "64,56,56"],
        0,
        "output i h w\n[64, 56, 56] 3 221 to 224 221 to 224",
    ),
    "steps": (
        ["PixelUnshuffle(4)", "Conv2d(16, 8, 3, stride=5)", "--output", "1,8,2,1"],
        0,
        "output b i h w\n[1, 8, 2, 1] 1 1 32 to 48 in steps of 4 12 to 28 in steps of 4",
    ),
    "channels last": (
        ["Patchify(3, 8, data_dim=2, patch_size=4)", "--output", "1,2,3,8"],
        0,
        "output b h w i\n[1, 2, 3, 8] 1 8 to 11 12 to 15 3",
    ),
    "the nearest": (
        ["ConvTranspose1d(8, 4, 4, stride=2, padding=1)", "--output", "1,4,5"],
        1,
        "no input gives l = 5; 2 gives 4, 3 gives 6",
    ),
    "nothing less": (
        ["ConvTranspose1d(8, 4, 4, stride=2)", "--output", "1,4,3"],
        1,
        "no input gives l = 3; 1 gives 4, and nothing less",
    ),
    "other channels": (
        ["Conv1d(8, 4, 3)", "--output", "1,5,3"],
        1,
        "no input gives o = 5; there is 4, and nothing more",
    ),
    "another rank": (
        ["Conv2d(3, 64, 3)", "--output", "64,8"],
        1,
        "no input gives [64, 8]: Conv2d gives [batch, 64, H, W] or [64, H, W], not 2 axes",
    ),
    "features that are no multiple": (
        ["Conv2d(1, 16, 3)", "Flatten()", "Linear(401, 10)", "--output", "1,10"],
        1,
        "no input gives [1, 10]: Flatten gives multiples of 16 here, such as 400 or 416, not 401",
    ),
    "features behind layers that keep channels": (
        ["Conv2d(1, 16, 3)", "BatchNorm2d(16)", "PixelShuffle(2)", "MaxPool2d(2)", "Flatten()", "--output", "1,9"],
        1,
        "no input gives [1, 9]: Flatten gives multiples of 4 here, such as 8 or 12, not 9",
    ),
    "activations around": (
        ["ReLU()", "Conv1d(3, 8, 3, stride=2)", "ReLU()", "--output", "1,8,5"],
        0,
        "output b i l\n[1, 8, 5] 1 3 11 to 12",
    ),
    "activations around nothing": (
        ["ReLU()", "ConvTranspose1d(8, 4, 2, stride=2)", "GELU()", "--output", "1,4,5"],
        1,
        "no input gives l = 5; 2 gives 4, 3 gives 6",
    ),
    "activations alone": (["ReLU()", "--output", "2,3"], 0, "output axis 0 axis 1\n[2, 3] 2 3"),
    "another rank for an activation": (
        ["Dropout1d()", "--output", "1,2,3,4"],
        1,
        "no input gives [1, 2, 3, 4]: Dropout1d(p=0.5, inplace=False) gives no output of 4 axes",
    ),
    "a classifier with activations": (
        ["Conv2d(1, 2, 3)", "ReLU()", "Flatten()", "Dropout()", "Linear(18, 5)", "Softmax(-1)", "--output", "1,5"],
        0,
        "output b i h w\n[1, 5] 1 1 3 11\n[1, 5] 1 1 5 5\n[1, 5] 1 1 11 3",
    ),
    "a config": (["--output", "1,2"], 2, "error: --output asks about layers on the command line"),
    "an output that is no shape": (["Conv1d(8, 4, 3)", "--output", "0"], 2, "a length of 0 cannot be"),
    "two questions": (
        ["Conv1d(8, 4, 3)", "--output", "1", "--same"],
        2,
        "--output and --same are questions of their own",
    ),
    "a choice of rows": (
        ["Conv1d(8, 4, 3)", "--output", "1", "-k", "a"],
        2,
        "other options are about a table",
    ),
}


@pytest.mark.parametrize(("asked", "code", "printed"), INPUTS.values(), ids=INPUTS)
def test_inputs_are_printed(convcheck: Run, asked: list[str], code: int, printed: str) -> None:
    result = convcheck("shape", *asked)
    assert printed in words(result.stdout + result.stderr)
    # Of a fault the table has the beginning; an answer ends with what it has.
    assert code == 2 or words(result.stdout).endswith(printed)
    assert result.exit_code == code


def test_json_has_the_ranges_of_every_axis(convcheck: Run) -> None:
    result = convcheck("shape", "Conv1d(3, 8, 3, stride=2)", "--output", "2,8,5", "-f", "json")
    assert json.loads(result.stdout) == {
        "schema": 1,
        "question": "inputs",
        "found": True,
        "layers": ["Conv1d(3, 8, kernel_size=(3,), stride=(2,))"],
        "output": [2, 8, 5],
        "inputs": [{"b": [[2, 2]], "i": [[3, 3]], "l": [[11, 12]]}],
        "nearest": [],
        "reasons": [],
        "notes": [],
    }


def test_json_has_the_nearest_where_there_is_none(convcheck: Run) -> None:
    result = convcheck("shape", "ConvTranspose1d(3, 8, 2, stride=2)", "--output", "2,8,5", "-f", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["nearest"] == [
        {
            "axis": "l",
            "asked": 5,
            "below": {"output": 4, "axis": "l", "input": [[2, 2]]},
            "above": {"output": 6, "axis": "l", "input": [[3, 3]]},
        }
    ]


CHANGED: dict[str, tuple[list[str], int, str]] = {
    "it gives that": (["Conv1d(3, 8, 3)", "-i", "3,9", "--output", "8,7"], 0, "[3, 9] gives [8, 7]"),
    "a padding": (
        ["Conv2d(3, 64, 7, stride=2)", "-i", "1,3,224,224", "--output", "1,64,112,112"],
        1,
        "[1, 3, 224, 224] gives [1, 64, 109, 109], and not [1, 64, 112, 112]\n\nh w\npadding 3 padding 3\n\n"
        "nn.Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3))",
    ),
    "one axis keeps its padding": (
        ["Conv2d(3, 64, 3, padding=(0, 1))", "-i", "3,9,9", "--output", "64,9,9"],
        1,
        "padding=(1, 1))",
    ),
    "several paddings": (
        ["Conv1d(1, 1, 7, stride=4, padding_mode=circular)", "-i", "1,20", "--output", "1,5"],
        1,
        "l\npadding 2 to 3\n\nnn.Conv1d(1, 1, kernel_size=(7,), stride=(4,), padding=(2,), padding_mode='circular')",
    ),
    "pairs of a transposed one": (
        ["ConvTranspose1d(8, 4, 3, stride=4)", "-i", "8,5", "--output", "4,18"],
        1,
        "padding 1 output_padding 1, padding 2 output_padding 3",
    ),
    "forward's own argument": (
        ["ConvTranspose1d(8, 4, 3, stride=2, padding=1)", "-i", "8,7", "--output", "4,14"],
        1,
        "or, with the layer as it is, forward(x, output_size=[14])",
    ),
    "a stride": (["Conv1d(1, 1, 3)", "-i", "1,20", "--output", "1,1"], 1, "l\nstride 18 or more\n"),
    "nothing": (
        ["MaxPool1d(3, stride=2)", "-i", "1,224", "--output", "1,300"],
        1,
        "no padding or stride of one layer gives [1, 300]\n\nl\nnone, padding 1 gives 112, stride 1 gives 222",
    ),
    "what only 'same' says": (
        ["Conv2d(1, 1, 4, dilation=3)", "-i", "1,32,32", "--output", "1,32,32"],
        1,
        "nn.Conv2d(1, 1, kernel_size=(4, 4), stride=(1, 1), padding='same', dilation=(3, 3))",
    ),
    "ceil_mode": (
        ["MaxPool1d(2)", "-i", "1,9", "--output", "1,5"],
        1,
        "padding=0, dilation=1, ceil_mode=True)",
    ),
    "another number along every axis": (
        ["Conv2d(1, 1, 7)", "-i", "1,24,24", "--output", "1,24,12"],
        1,
        "nn.Conv2d(1, 1, kernel_size=(7, 7), stride=(1, 2), padding=(3, 3))",
    ),
    "three arguments": (
        ["ConvTranspose1d(1, 1, 3)", "-i", "1,16", "--output", "1,32"],
        1,
        "with stride and padding and output_padding changed\n"
        "nn.ConvTranspose1d(1, 1, kernel_size=(3,), stride=(2,), padding=(1,), output_padding=(1,))",
    ),
    "channels and padding": (
        ["Conv1d(4, 4, 3)", "-i", "2,4,9", "--output", "2,8,9"],
        1,
        "with out_channels and padding changed\nnn.Conv1d(4, 8, kernel_size=(3,), stride=(1,), padding=(1,))",
    ),
    "absurd ones last": (
        ["Conv1d(1, 1, 3)", "-i", "1,32", "--output", "1,64"],
        1,
        "absurd, though it gives that: padding 17 along l, where the kernel reaches over 3, makes",
    ),
    "absurd numbers behind a layer that makes sense": (
        ["Conv2d(3, 64, 16, stride=16)", "-i", "1,3,224,224", "--output", "1,64,28,28"],
        1,
        "stride=(8, 8), padding=(4, 4))\n\nh w\npadding 112 to 119 padding 112 to 119\n\nabsurd, though it gives that:",
    ),
    "either layer of two": (
        ["Conv2d(3, 8, 3)", "MaxPool2d(2)", "-i", "3,12,12", "--output", "8,6,6"],
        1,
        "layer h w\n1 padding 1 padding 1\n2 padding 1 padding 1\n\n"
        "layer 1: nn.Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))\n\n"
        "layer 2: nn.MaxPool2d(kernel_size=2, stride=2, padding=1, dilation=1, ceil_mode=False)",
    ),
    "an input that is too short": (
        ["Conv1d(1, 1, 7)", "-i", "1,5", "--output", "1,1"],
        1,
        "[1, 5] cannot be taken: Conv1d(1, 1, kernel_size=(7,), stride=(1,)): axis l of length 5 is too short",
    ),
    "an input of other channels": (["Conv1d(1, 2, 3)", "-i", "2,5", "--output", "2,3"], 2, "takes 1 input channels"),
    "an axis merged behind it": (
        ["Conv2d(1, 2, 3)", "Flatten()", "-i", "1,1,4,5", "--output", "1,40"],
        1,
        "layer 1: nn.Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
    ),
    "a merged axis alone": (["Flatten()", "-i", "2,3,4", "--output", "2,13"], 1, "[2, 3, 4] gives [2, 12], and not"),
    "a size that Unpatchify may be asked for": (
        ["Unpatchify(4, 3, data_dim=2, patch_size=5, stride=3)", "-i", "2,6,6,4", "--output", "2,22,20,3"],
        1,
        "h w\noutput_spatial_shape 22 output_spatial_shape 20\n\n"
        "convcheck.Unpatchify(4, 3, data_dim=2, patch_size=5, stride=3, output_spatial_shape=(22, 20))",
    ),
    "a size in place of one that does not fit": (
        ["Unpatchify(4, 3, data_dim=1, patch_size=5, stride=3, output_spatial_shape=9)"]
        + ["-i", "6,4", "--output", "21,3"],
        1,
        "output_spatial_shape=21)",
    ),
    "a size that Unpatchify may not be asked for": (
        ["Unpatchify(4, 3, data_dim=1, patch_size=5, stride=3)", "-i", "6,4", "--output", "19,3"],
        1,
        "no padding or stride of one layer gives [19, 3]",
    ),
    "no padding that AvgPool3d takes": (
        ["AvgPool3d(3, stride=1, padding=1)", "-i", "1,4,4,2", "--output", "1,4,4,2"],
        2,
        "axis w of length 2 is shorter than the kernel",
    ),
    "no stride beside 'same'": (
        ["Conv1d(1, 1, 3, padding=same)", "-i", "1,9", "--output", "1,5"],
        1,
        "no number for padding or stride alone gives [1, 5]\n\nwith stride and padding changed\n"
        "nn.Conv1d(1, 1, kernel_size=(3,), stride=(2,), padding=(1,))",
    ),
    "a batch that no layer changes": (
        ["Conv1d(1, 1, 3)", "-i", "2,1,5", "--output", "3,1,5"],
        1,
        "b is 2, and not 3: it is set by the input\nno padding or stride of one layer gives [3, 1, 5]",
    ),
    "a stride of a transposed one": (
        ["ConvTranspose1d(1, 1, 1, stride=3, output_padding=2)", "-i", "1,2", "--output", "1,7"],
        1,
        "stride 4\n",
    ),
    "other channels": (
        ["Conv1d(1, 2, 3)", "-i", "1,5", "--output", "1,3"],
        1,
        "o is 2, and not 1: it is set by out_channels\nno number for padding or stride alone gives [1, 3]\n\n"
        "nn.Conv1d(1, 1, kernel_size=(3,), stride=(1,))",
    ),
    "an operation of two inputs": (["mm()", "-i", "2,3", "--output", "2,3"], 2, "only layers of one input"),
    "two inputs": (["Conv1d(1, 2, 3)", "-i", "1,5", "-i", "1,5", "--output", "2,3"], 2, "give -i once"),
    "sizes": (
        ["ConvTranspose1d(8, 4, 3, stride=2, padding=1, dilation=3)", "-i", "8,7", "--sizes"],
        0,
        "dilation=(3,)) l 7 17 0 to 2 17 to 19 17 to 18",
    ),
    "sizes without an input": (["ConvTranspose1d(8, 4, 3)", "--sizes"], 2, "--sizes depends on the input's shape"),
    "sizes of what has none": (["Conv1d(8, 4, 3)", "-i", "8,7", "--sizes"], 2, "--sizes is about transposed layers"),
    "sizes of what cannot be": (["ConvTranspose1d(8, 4, 3)", "-i", "7,7", "--sizes"], 2, "takes 8 input channels"),
}


@pytest.mark.parametrize(("asked", "code", "printed"), CHANGED.values(), ids=CHANGED)
def test_changes_are_printed(convcheck: Run, asked: list[str], code: int, printed: str) -> None:
    result = convcheck("shape", *asked)
    assert printed in words(result.stdout + result.stderr)
    assert result.exit_code == code


def test_json_has_what_would_do(convcheck: Run) -> None:
    result = convcheck("shape", "Conv1d(1, 1, 7, stride=4)", "-i", "1,20", "--output", "1,5", "-f", "json")
    found = json.loads(result.stdout)
    assert (found["question"], found["found"], found["gives"]) == ("changes", False, [1, 4])
    assert found["changes"] == [
        {
            "number": 1,
            "axes": {"l": {"padding": [[2, 3]], "pairs": [], "stride": [], "output_size": [], "nearest": []}},
            "layer": "nn.Conv1d(1, 1, kernel_size=(7,), stride=(4,), padding=(2,))",
            "output_size": None,
        }
    ]
