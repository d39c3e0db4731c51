"""A layer is read as torch prints it, and printed as it was read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcheck.errors import LayerError, ShapeError
from convcheck.layers import Layer, parse_layer, parse_shape
from convcheck.modules.build import build
from tests.strategies.layers import FAMILIES

of_every_family = pytest.mark.parametrize("layers", FAMILIES.values(), ids=FAMILIES)

CANONICAL = "Conv2d(3, 8, kernel_size=(2, 2), stride=(1, 1))"

WORKS = {
    "positional arguments": ("Conv2d(3, 8, 2)", CANONICAL),
    "keyword arguments": ("Conv2d(in_channels=3, out_channels=8, kernel_size=2)", CANONICAL),
    "the prefix nn.": ("nn.Conv2d(3, 8, 2)", CANONICAL),
    "the prefix torch.nn.": ("torch.nn.Conv2d(3, 8, 2)", CANONICAL),
    "a line of print(model)": ("  (proj): Conv2d(3, 8, kernel_size=(2, 2), stride=(1, 1))", CANONICAL),
    "a line of one's own code": ("self.proj = nn.Conv2d(3, 8, kernel_size=2)", CANONICAL),
    "an entry of a list": ("nn.Conv2d(3, 8, 2),", CANONICAL),
    "several lines": ("Conv2d(\n    3, 8,\n    kernel_size=2,\n)", CANONICAL),
    "lists for tuples": ("Conv2d(3, 8, [2, 2])", CANONICAL),
    "a mapping": ({"op": "Conv2d", "in_channels": 3, "out_channels": 8, "kernel_size": 2}, CANONICAL),
    "a bare word, as torch prints it": (
        "Conv1d(3, 8, 3, padding=same)",
        "Conv1d(3, 8, kernel_size=(3,), stride=(1,), padding=same)",
    ),
    "a bare padding mode": (
        "Conv1d(3, 8, kernel_size=(3,), stride=(1,), padding=(1,), padding_mode=reflect)",
        "Conv1d(3, 8, kernel_size=(3,), stride=(1,), padding=(1,), padding_mode=reflect)",
    ),
    "bias=None as bias=False": ("Linear(2, 3, bias=None)", "Linear(in_features=2, out_features=3, bias=False)"),
    "torch's own order of a transposed conv": (
        "ConvTranspose2d(4, 8, 3, 2, 1, 1, 2, False, 3)",
        "ConvTranspose2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(3, 3), "
        "output_padding=(1, 1), groups=2, bias=False)",
    ),
    "a stride that is the kernel": (
        "MaxPool2d(2)",
        "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
    ),
    "one number in a tuple": ("AvgPool2d((2,))", "AvgPool2d(kernel_size=(2,), stride=(2,), padding=0)"),
    "torch's own order of a pooling": (
        "MaxPool1d(3, 2, 1, 4, True, True)",
        "MaxPool1d(kernel_size=3, stride=2, padding=1, dilation=4, ceil_mode=True, return_indices=True)",
    ),
    "what torch does not print": (
        "AvgPool2d(3, 2, 1, True, False, 5)",
        "AvgPool2d(kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False, divisor_override=5)",
    ),
    "an activation in place": ("ReLU(inplace=True)", "ReLU(inplace=True)"),
    "an activation by position": ("nn.LeakyReLU(0.2)", "LeakyReLU(negative_slope=0.2)"),
    "a word in quotes": ("GELU('tanh')", "GELU(approximate='tanh')"),
    "a number with an exponent": (
        "BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
        "BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
    ),
    "no bias without a weight": (
        "BatchNorm1d(8, momentum=None, affine=False)",
        "BatchNorm1d(8, eps=1e-05, momentum=None, affine=False, bias=False, track_running_stats=True)",
    ),
    "a mapping with lists": (
        {"op": "Unflatten", "dim": 1, "unflattened_size": [2, -1]},
        "Unflatten(dim=1, unflattened_size=(2, -1))",
    ),
    "torch's own order of unfold": ("Unfold(3, 2, 1, 4)", "Unfold(kernel_size=3, dilation=2, padding=1, stride=4)"),
    "no arguments": ("nn.Flatten()", "Flatten(start_dim=1, end_dim=-1)"),
    "a line of print(model), of a shuffle": ("(up): PixelShuffle(upscale_factor=2)", "PixelShuffle(upscale_factor=2)"),
}

REFUSES = {
    "an unknown kind": ("Convv2d(3, 8, 2)", "unknown layer 'Convv2d'; did you mean 'Conv2d'?"),
    "a kind in lower case": ("conv2d(3, 8, 2)", "did you mean 'Conv2d'?"),
    "an unknown argument": ("Conv2d(3, 8, 2, strid=2)", "unknown argument 'strid'; did you mean 'stride'?"),
    "a missing argument": ("Conv2d(3, 8)", "kernel_size is missing"),
    "too many arguments": ("Linear(3, 8, True, 4)", "takes 3 arguments, and 4 were given"),
    "an argument given twice": ("Conv2d(3, 8, 2, in_channels=3)", "in_channels is given twice"),
    "a negative stride": ("Conv2d(3, 8, 2, stride=-1)", "stride is -1; it must be a whole number at least 1"),
    "a kernel of 0": ("Conv2d(3, 8, 0)", "kernel_size is 0; it must be a whole number at least 1"),
    "a number of the wrong type": ("Conv2d(3.0, 8, 2)", "in_channels is 3.0; it must be a whole number at least 1"),
    "True for a number": ("Conv2d(True, 8, 2)", "in_channels is True"),
    "a kernel with too many axes": ("Conv2d(3, 8, (2, 2, 2))", "kernel_size is (2, 2, 2); it must be a whole number"),
    "an unknown padding": ("Conv2d(3, 8, 2, padding='full')", "padding is 'full'; it must be 'same', 'valid' or"),
    "an unknown padding mode": (
        "Conv2d(3, 8, 2, padding_mode='wrap')",
        "one of 'zeros', 'reflect', 'replicate', 'circular'",
    ),
    "a padding mode that torch lacks": ("ConvTranspose2d(3, 8, 2, padding_mode='reflect')", "the only mode that torch"),
    "groups that do not divide": ("Conv2d(4, 6, 2, groups=4)", "groups is 4 and must divide out_channels, which is 6"),
    "'same' with a stride": ("Conv2d(3, 8, 2, stride=2, padding='same')", "padding='same' needs stride 1"),
    "output_padding that is too large": (
        "ConvTranspose2d(3, 8, 3, stride=2, output_padding=2)",
        "output_padding is 2 on axis h; it must be smaller than stride (2) or dilation (1), so 1 at most",
    ),
    "a padding wider than half the kernel": (
        "MaxPool2d((4, 3), padding=2)",
        "padding is 2 on axis w; it must be at most half the kernel, which is 3, so 1 at most",
    ),
    "a divisor of 0": ("AvgPool2d(2, divisor_override=0)", "it must be a whole number other than 0, or None"),
    "a divisor along one axis": ("AvgPool1d(2, divisor_override=3)", "unknown argument 'divisor_override'"),
    "None where torch takes no None": ("MaxPool2d(2, ceil_mode=None)", "ceil_mode is None; it must be True or False"),
    "a stride of 0, where None is legal": (
        "MaxPool2d(2, 0)",
        "stride is 0; it must be a whole number at least 1, or 2 of them, or None",
    ),
    "one number in a tuple, where torch takes two": (
        "Unfold((2,))",
        "kernel_size is (2,); it must be a whole number at least 1, or 2 of them",
    ),
    "an output without room for a kernel": (
        "Fold((9, 4), 3, dilation=3, padding=1)",
        "output_size is 4 on axis w, where no kernel fits that reaches over 7 positions, with 2 of padding; "
        "it must be at least 5",
    ),
    "a negative eps": ("BatchNorm2d(3, eps=-1e-5)", "eps is -1e-05; it must be a number from 0 to 1.8e308"),
    "an infinite eps": ("BatchNorm2d(3, eps=1e999)", "eps is inf; it must be a number from 0 to 1.8e308"),
    "a word for a momentum": (
        "BatchNorm2d(3, momentum='fast')",
        "momentum is 'fast'; it must be a number between -1.8e308 and 1.8e308, or None",
    ),
    "a bias by position": (
        "BatchNorm2d(3, 1e-5, 0.1, True, True, False)",
        "takes 5 arguments by position, and 6 were given",
    ),
    "axes the wrong way round": (
        "Flatten(3, 1)",
        "end_dim is 1, and start_dim, 3, comes after it; end_dim must be at least 3",
    ),
    "an axis by name": ("Unflatten('a', (2, 3))", "from -64 to 63; axes have no names here"),
    "an axis that no tensor has": ("Flatten(64)", "start_dim is 64; it must be the number of an axis, from -64 to 63"),
    "two unknown lengths": ("Unflatten(1, (-1, -1))", "a tuple of whole numbers at least 1, one of which may be -1"),
    "a length of 0": ("Unflatten(1, (3, 0))", "unflattened_size is (3, 0); it must be a tuple of whole numbers"),
    "a number for a tuple": ("Unflatten(1, 6)", "unflattened_size is 6; it must be a tuple of whole numbers"),
    "no lengths": ("Unflatten(1, ())", "unflattened_size is (); it must be a tuple of whole numbers"),
    "too many lengths": (f"Unflatten(1, {(1,) * 65})", "it must be a tuple of 64 numbers at most"),
    "a factor whose square is too large": ("PixelShuffle(4000000000)", "it must be at most 3037000499"),
    "a device, which is no part of a function": ("Conv2d(3, 8, 2, device='cuda')", "use the option --device"),
    "a computed value": ("Conv2d(3, 8, 3 / 2)", "nothing is computed here, write the number"),
    "a call inside": ("Conv2d(3, 8, __import__('os').getpid())", "unknown layer"),
    "a sum inside": ("Conv2d(3, 8, 1 + k)", "nothing is computed here"),
    "a call of something else": ("os.system('true')", "unknown layer 'os.system'"),
    "no call": ("Conv2d", "did you mean Conv2d(...)?"),
    "half a call": ("Conv2d(3, 8", "is not a layer ('(' was never closed); write it as torch prints it"),
    "nothing": ("", "is not a layer"),
    "deep nesting": ("(" * 5000, "is not a layer"),
    "a very long text": ("Conv2d(" + "3," * 6000 + ")", "characters; 10000 at most are read"),
    "a number too long to be written": ("Conv2d(3, 8, 0x" + "f" * 6000 + ")", "a number of thousands of digits"),
    "channels whose divisors are many": (
        "Conv2d(5040, 5040, 3, groups=11)",
        "what divides both is 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, ... 5040",
    ),
    "a giant number": ("Conv2d(3, 8, 99999999999999999999)", "a whole number up to 9223372036854775807"),
    "a mapping without its kind": ({"in_channels": 3}, "a layer as a mapping needs its kind, such as op: Conv2d"),
    "a number": (5, "5 is not a layer"),
}


@pytest.mark.parametrize(("written", "printed"), WORKS.values(), ids=WORKS.keys())
def test_reads(written: object, printed: str) -> None:
    assert str(parse_layer(written)) == printed


@pytest.mark.parametrize(("written", "message"), REFUSES.values(), ids=REFUSES.keys())
def test_refuses(written: object, message: str) -> None:
    with pytest.raises(LayerError) as error:
        parse_layer(written)
    assert message in str(error.value)


def test_all_faults_of_a_layer_are_told_at_once() -> None:
    with pytest.raises(LayerError) as error:
        parse_layer("Conv2d(0, 8, kernel=2, stride=-1)")
    assert [name for name, _ in error.value.faults] == ["kernel", "in_channels", "kernel_size", "stride"]


# torch's own lines leave these out, though they change what is computed or returned; ours say them where it matters.
UNPRINTED: dict[str, object] = {"return_indices": False, "count_include_pad": True, "divisor_override": None}


def unprinted(layer: Layer) -> dict[str, object]:
    more = {"AvgPool": {"ceil_mode": False}, "Hards": {"inplace": False}}
    usual = next((names for kind, names in more.items() if layer.kind.startswith(kind)), {}) | UNPRINTED
    given = layer.arguments()
    return {name: given[name] for name, default in usual.items() if given.get(name, default) != default}


@of_every_family
@given(st.data())
def test_prints_what_torch_prints_and_what_it_forgets(layers: st.SearchStrategy[Layer], data: st.DataObject) -> None:
    layer = data.draw(layers)
    told = repr(build(layer)).removesuffix(")")
    forgotten = ", ".join(f"{name}={value}" for name, value in unprinted(layer).items())
    assert str(layer) == told + (", " if forgotten and not told.endswith("(") else "") + forgotten + ")"


@of_every_family
@given(st.data())
def test_reads_what_it_prints(layers: st.SearchStrategy[Layer], data: st.DataObject) -> None:
    layer = data.draw(layers)
    assert parse_layer(str(layer)) == layer


@of_every_family
@given(st.data())
def test_a_label_is_one_word(layers: st.SearchStrategy[Layer], data: st.DataObject) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9.x-]*", data.draw(layers).label())


LABELS = {
    "Conv2d(3, 8, 3)": "conv2d-3-8-k3",
    "Conv2d(4, 8, (3, 1), 2, 1, 3, 2, bias=False)": "conv2d-4-8-k3x1-s2-p1-d3-g2-nobias",
    "ConvTranspose1d(4, 8, 3, stride=2, output_padding=1)": "convtranspose1d-4-8-k3-s2-op1",
    "Linear(3, 4)": "linear-3-4",
    "PixelShuffle(2)": "pixelshuffle-2",
    "MaxPool2d(3)": "maxpool2d-k3",
    "MaxPool2d(3, stride=2, padding=1, dilation=2, ceil_mode=True)": "maxpool2d-k3-s2-p1-d2-ceil",
    "AvgPool2d((2, 3), stride=1)": "avgpool2d-k2x3-s1",
}


@pytest.mark.parametrize(("text", "label"), LABELS.items())
def test_a_label_has_the_arguments_that_are_not_the_usual(text: str, label: str) -> None:
    assert parse_layer(text).label() == label


@pytest.mark.parametrize(
    "written",
    [
        "1,3,224,224",
        "1, 3, 224, 224,",
        "1x3x224x224",
        "1 x 3 x 224 x 224",
        "1 3 224 224",
        " 1  3\t224 224 ",
        "[1, 3, 224, 224]",
        "[1 3 224 224]",
        "(1, 3, 224, 224)",
        "(1,3,224,224,)",
        "torch.Size([1, 3, 224, 224])",
        "Size( [1,3,224,224] )",
        [1, 3, 224, 224],
    ],
)
def test_a_shape_may_be_written_in_several_ways(written: object) -> None:
    assert parse_shape(written) == (1, 3, 224, 224)


@pytest.mark.parametrize(
    "written",
    ["", "1,,3", "1,a", "1.5", "-1,3", [], [0, 3], [True], ["3"], 7, None, "1,3]x", "9" * 30]
    + ["1,3,224 224", "1 3,224", "Size(1, 3)", "torch.Size([1, 3]", "size([1, 3])", "1 3 -2", "3 x", "1 . 3"],
)
def test_what_is_no_shape_is_refused(written: object) -> None:
    with pytest.raises(ShapeError):
        parse_shape(written)
