"""What prints leave out, and modules that are Sequentials by another name."""

from __future__ import annotations

import pytest
from torch import nn
from typer.testing import CliRunner

from convcheck.calculator.shapes import chain
from convcheck.cli.main import app
from convcheck.errors import LayerError, NotPrintedError
from convcheck.layers import accept, parse_layer
from convcheck.layers.text.pasted import parse_pasted

BLOCK = """Conv2dNormActivation(
  (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
  (1): BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  (2): ReLU(inplace=True)
)"""


def test_a_class_of_torchvision_that_is_a_sequential_is_one() -> None:
    pasted = parse_pasted(BLOCK)
    assert pasted.containers == ()
    assert pasted.notes() == ()
    assert chain(pasted.layers, ((1, 3, 8, 8),))[-1].output == (1, 8, 4, 4)
    assert len(list(pasted.as_layer().leaves())) == 3


def test_a_class_that_prints_alike_is_taken_for_one_and_nothing_is_proved_of_it() -> None:
    pasted = parse_pasted(BLOCK.replace("Conv2dNormActivation", "Mine"))
    assert pasted.notes() == ("Mine: printed as a Sequential is, and taken for one",)
    with pytest.raises(LayerError, match="Mine is no Sequential"):
        pasted.as_layer()


@pytest.mark.parametrize("kind", ["ModuleList", "ASPPPooling"])
def test_what_holds_layers_or_does_more_is_none(kind: str) -> None:
    assert parse_pasted(BLOCK.replace("Conv2dNormActivation", kind)).containers == (kind,)


def test_where_channels_are_tells_what_a_permute_does() -> None:
    before, norm, after = "Conv2d(3, 8, 1)", "LayerNorm(8)", "Conv2d(8, 2, 1)"
    layers = parse_pasted(f"{before}\nPermute()\n{norm}\nGELU()\nPermute()\n{after}").layers
    assert [str(layers[1]), str(layers[4])] == ["Permute((0, 2, 3, 1))", "Permute((0, 3, 1, 2))"]
    assert chain(layers, ((1, 3, 4, 5),))[-1].output == (1, 2, 4, 5)


NOT_PRINTED = {
    "an order of axes": ("Permute()", (1, 2, 3, 4), "without its axes"),
    "a size": ("Timesteps()", (1,), "does not print what it makes"),
    "which positions are looked up": ("BartLearnedPositionalEmbedding(10, 4)", (1, 2), "looks up positions"),
    "ceil_mode": (
        "AvgPool2d(kernel_size=9, stride=9, padding=0)",
        (1, 2, 7, 7),
        "with ceil_mode=True",
    ),
}


@pytest.mark.parametrize(("text", "shape", "message"), NOT_PRINTED.values(), ids=NOT_PRINTED)
def test_what_is_not_printed_is_said(text: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(NotPrintedError, match=message):
        accept(parse_layer(text), (shape,))


@pytest.mark.parametrize(
    ("text", "names"),
    [("T5LayerNorm()", ["weight"]), ("Affine()", ["alpha", "beta"]), ("LayerScale()", ["gamma"])],
)
def test_the_input_tells_how_many_parameters_there_are(text: str, names: list[str]) -> None:
    layer = parse_layer(text)
    assert layer.parameters() == {}
    assert "prints nothing of its parameters" in layer.assumption()
    assert layer.given((2, 7, 32)).parameters() == dict.fromkeys(names, (32,))
    assert chain([layer], ((2, 7, 32),))[0].params == 32 * len(names)


def test_that_something_is_assumed_is_said_of_prints_and_of_text() -> None:
    for model, words in (
        (nn.MultiheadAttention(8, 2), ["shape", "-", "-i", "1,5,8"]),
        (nn.TransformerEncoderLayer(8, 2, 16), ["params", "-"]),
    ):
        result = CliRunner().invoke(app, words, input=str(model))
        assert result.exit_code == 0, result.stderr
        assert "prints neither its heads nor batch_first" in " ".join(result.stderr.split())
    assert "prints nothing of its parameters" in " ".join(
        CliRunner().invoke(app, ["params", "T5LayerNorm()"]).stderr.split()
    )


LIKE_TORCH = {
    "a standardised kernel": (
        "ScaledStdConv2d(3, 8, 3, stride=2)",
        (1, 3, 9, 9),
        (1, 8, 4, 4),
        232,
    ),
    "TensorFlow's padding": ("Conv2dSame(3, 8, kernel_size=(3, 3), stride=(2, 2))", (1, 3, 9, 8), (1, 8, 5, 4), 224),
    "averages with it": (
        "AvgPool2dSame(kernel_size=(2, 2), stride=(2, 2))",
        (1, 3, 9, 8),
        (1, 3, 5, 4),
        0,
    ),
    "a choice of pools": (
        "SelectAdaptivePool2d(pool_type=catavgmax, flatten=Flatten(start_dim=1, end_dim=-1))",
        (2, 3, 9, 8),
        (2, 6),
        0,
    ),
    "tokens of an image": ("CvtSelfAttentionLinearProjection()", (2, 3, 4, 5), (2, 20, 3), 0),
    "GPT-2's Linear": ("Conv1D(nf=12, nx=4)", (2, 3, 4), (2, 3, 12), 60),
    "a class of torchvision": (
        "Conv3DSimple(3, 4, (3, 3, 3))",
        (1, 3, 5, 5, 5),
        (1, 4, 3, 3, 3),
        328,
    ),
}


@pytest.mark.parametrize(("text", "shape", "output", "params"), LIKE_TORCH.values(), ids=LIKE_TORCH)
def test_kinds_of_other_libraries(text: str, shape: tuple[int, ...], output: tuple[int, ...], params: int) -> None:
    [row] = chain([parse_layer(text)], (shape,), explained=True)
    assert (row.output, row.params) == (output, params)
    assert parse_layer(row.layer) == parse_layer(text)
