"""A torch module is described by its attributes, and its description computes what it computes."""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.func import functional_call
from torch.nn.utils import parametrizations, parametrize, prune

import convcheck
from convcheck.build import build
from convcheck.describe import describe
from convcheck.config.case import DType
from convcheck.errors import LayerError, ShapeError
from convcheck.evidence.pair import Pair
from convcheck.evidence.points import Point
from convcheck.layers import Layer, MultiheadAttention, parse_layer
from convcheck.materialise import materialise
from convcheck.operations import Operation
from convcheck.patterns import Shapes

from .attentions import dot_products, multiheads
from .chains import CHAINS, Drawn, layouts, patches, products, rearrangements
from .strategies import FAMILIES, shapes


def inputs_for(layer: Layer, lengths: Shapes) -> list[Tensor]:
    masks = layer.boolean_inputs()
    return [torch.rand(shape) < 0.5 if number in masks else torch.randn(shape) for number, shape in enumerate(lengths)]


def tell(module: nn.Module) -> nn.Module:
    """Give running statistics numbers that leave a trace."""
    for name, buffer in module.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 2)
    return module


@torch.no_grad()
def assert_described(module: nn.Module, inputs: list[Tensor], call: Callable[..., object] | None = None) -> Layer:
    """Check that the module's description, built anew and given the module's weights, has its very outputs."""
    found = materialise(module)
    module.eval()
    due = (call or module)(*inputs)
    # torch multiplies by another kernel where a weight asks for a gradient, even if none is taken.
    weights = {name: each.requires_grad_(name in found.layer.parameters()) for name, each in found.tensors.items()}
    ours = functional_call(build(found.layer).eval(), weights, tuple(inputs))
    torch.testing.assert_close(ours, due, rtol=0, atol=0, equal_nan=True)
    return found.layer


def runnable(layer: Layer, lengths: Shapes) -> None:
    try:
        layer.output_shape(*lengths)
    except ShapeError:
        assume(False)


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_a_module_is_described_as_it_was_built_and_computes_the_same(family: str, data: st.DataObject) -> None:
    layer = data.draw(FAMILIES[family])
    lengths = data.draw(shapes(layer))
    runnable(layer, lengths)
    assert assert_described(tell(build(layer)), inputs_for(layer, lengths)) == layer


OTHERS: dict[str, st.SearchStrategy[Drawn]] = {
    **CHAINS,
    "products": products(),
    "layouts": layouts(),
    "rearrangements": rearrangements(),
    "Patchify": patches("Patchify"),
    "Unpatchify": patches("Unpatchify"),
    "dot products": dot_products(),
    "attention": multiheads(),
}


@pytest.mark.parametrize("kind", OTHERS)
@given(data=st.data())
def test_chains_operations_and_modules_of_ours_compute_the_same(kind: str, data: st.DataObject) -> None:
    layer, lengths = data.draw(OTHERS[kind])
    runnable(layer, lengths)
    inputs = inputs_for(layer, lengths)
    described = assert_described(tell(build(layer)), inputs)
    assert (described.parameters(), described.statistics()) == (layer.parameters(), layer.statistics())


@given(multiheads())
def test_attention_of_torch_itself_is_described_with_its_heads(drawn: tuple[MultiheadAttention, Shapes]) -> None:
    layer, lengths = drawn
    module = nn.MultiheadAttention(**layer.arguments())  # type: ignore[arg-type]
    for parameter in module.parameters():
        nn.init.normal_(parameter)

    def call(*inputs: Tensor) -> Tensor:
        query, key, value = inputs[:3] if len(inputs) > 1 else inputs * 3
        mask = inputs[3] if len(inputs) > 3 else None
        output: Tensor = module(query, key, value, need_weights=False, attn_mask=mask)[0]
        return output

    described = assert_described(module, inputs_for(layer, lengths), call)
    assert isinstance(described, MultiheadAttention)
    assert (described.num_heads, described.dropout) == (layer.num_heads, layer.dropout)


class Doubled(nn.Module):
    """A parametrization of a user's own."""

    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


class Counting(nn.Module):
    """A parametrization that keeps count of its calls in train mode."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, bias: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        return bias + self.calls


def counted(module: nn.Module) -> nn.Module:
    parametrize.register_parametrization(module, "bias", Counting())
    return module


def old_weight_norm(module: nn.Module) -> nn.Module:
    with pytest.warns(FutureWarning, match="deprecated"):
        nn.utils.weight_norm(module)
    with torch.no_grad():
        # What `weight` holds is old from here on.
        module.weight_g.mul_(3)  # type: ignore[operator,union-attr]
    return module


def old_spectral_norm(module: nn.Module) -> nn.Module:
    nn.utils.spectral_norm(module)
    with torch.no_grad():
        module.weight_orig[0].mul_(3)  # type: ignore[index,union-attr]
    return module


def pruned(module: nn.Module) -> nn.Module:
    prune.random_unstructured(module, "weight", amount=0.5)
    with torch.no_grad():
        module.weight_orig.mul_(3)  # type: ignore[operator,union-attr]
    return module


def registered(module: nn.Module) -> nn.Module:
    parametrize.register_parametrization(module, "weight", Doubled())
    parametrize.register_parametrization(module, "bias", Doubled())
    return module


COMPUTED: dict[str, tuple[Callable[[nn.Module], nn.Module], str]] = {
    "weight_norm": (parametrizations.weight_norm, "weight is computed by ParametrizedConv2d's weight_norm;"),
    "spectral_norm": (parametrizations.spectral_norm, "weight is computed by ParametrizedConv2d's spectral_norm;"),
    "orthogonal": (parametrizations.orthogonal, "weight is computed by ParametrizedConv2d's orthogonal;"),
    "two of a user's own": (registered, "bias is computed by ParametrizedConv2d's Doubled;"),
    "one that changes in train mode": (counted, "bias is computed by ParametrizedConv2d's Counting;"),
    "the old weight_norm, whose weight is stale": (old_weight_norm, "weight is computed by Conv2d's weight_norm;"),
    "the old spectral_norm, whose weight is stale": (old_spectral_norm, "weight is computed by Conv2d's spectral_norm"),
    "pruning, whose weight is stale": (pruned, "weight is computed by Conv2d's pruning;"),
}


@pytest.mark.parametrize(("change", "note"), COMPUTED.values(), ids=COMPUTED.keys())
@pytest.mark.parametrize("within", [lambda module: module, lambda module: nn.Sequential(nn.Dropout(), module)])
def test_a_weight_that_is_computed_is_materialised(
    change: Callable[[nn.Module], nn.Module], note: str, within: Callable[[nn.Module], nn.Module]
) -> None:
    module = within(change(nn.Conv2d(3, 8, 2, stride=2)))
    before = copy.deepcopy(module.state_dict())
    found = materialise(module)
    # Reading must not take a step of a power iteration, which torch does in train mode.
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert all(part.training for part in module.modules())
    assert any(note in each and each.endswith("it is materialised, as it is now") for each in found.notes)
    assert [name.rpartition(".")[2] for name in found.tensors] == ["weight", "bias"]
    assert_described(module, [torch.randn(2, 3, 7, 8)])


def test_weights_within_a_patchify_may_be_computed_too() -> None:
    module = convcheck.Patchify(3, 8, data_dim=2, patch_size=2)
    old_weight_norm(module.conv)
    assert_described(module, [torch.randn(2, 7, 8, 3)])


class Halved(nn.Conv2d):
    """A convolution that is none."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) / 2


class Named(nn.Conv2d):
    """A convolution that only brings something along."""

    note = "mine"


class Odd(nn.Sequential):
    """A chain that runs backwards."""

    def forward(self, x: Tensor) -> Tensor:
        for module in reversed(self):
            x = module(x)
        return x


class NoDropout(nn.Dropout):
    """A dropout that is none."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1


def conv(**changed: object) -> nn.Conv2d:
    module = nn.Conv2d(3, 8, 2)
    for name, value in changed.items():
        setattr(module, name, value)
    return module


def hooked(register: str, inside: str = "") -> nn.Module:
    def spy(*_: object) -> None:
        pass

    module = nn.MultiheadAttention(4, 2) if inside else nn.Conv2d(3, 8, 2)
    getattr(module.get_submodule(inside), register)(spy)
    return module


def wrapped(**changed: object) -> nn.Module:
    module = convcheck.Patchify(3, 8, data_dim=2, patch_size=2)
    module.conv = nn.Conv2d(3, 8, 2, **changed)  # type: ignore[arg-type]
    return module


def shared() -> nn.Module:
    one = nn.Conv2d(3, 3, 2)
    return nn.Sequential(one, one)


def norm(**changed: object) -> nn.Module:
    module = nn.BatchNorm2d(3)
    for name, value in changed.items():
        setattr(module, name, value)
    return module


def other_padding() -> nn.Module:
    module = nn.Conv2d(3, 8, 2, padding=1, padding_mode="circular")
    module.padding = (0, 0)
    return module


def pruned_norm() -> nn.Module:
    module = old_weight_norm(nn.Conv2d(3, 8, 2))
    prune.random_unstructured(module, "weight_v", amount=0.5)
    return module


REFUSES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a class that is not known": (nn.ReLU, "ReLU: cannot be read as a layer; there are: Conv1d, Conv2d"),
    "one in a chain, named by its path": (
        lambda: nn.Sequential(OrderedDict(stem=nn.Sequential(nn.Conv2d(3, 8, 2), nn.ReLU()))),
        "stem.1 (ReLU): cannot be read",
    ),
    "all that are wrong in a chain": (
        lambda: nn.Sequential(nn.ReLU(), Halved(3, 8, 2)),
        "; 1 (Halved): has a forward of its own",
    ),
    "what holds other modules": (
        lambda: nn.TransformerEncoderLayer(4, 2),
        "it holds other modules, which may be passed one by one, such as .self_attn",
    ),
    "a class with a forward of its own": (
        lambda: Halved(3, 8, 2),
        "Halved: has a forward of its own, so what it computes is not what Conv2d says; pass a plain Conv2d",
    ),
    "a chain with a forward of its own": (lambda: Odd(nn.Conv2d(3, 3, 1)), "Odd: has a forward of its own"),
    "a dropout with a forward of its own": (
        lambda: nn.Sequential(nn.Conv2d(3, 3, 1), NoDropout()),
        "1 (NoDropout): has a forward of its own",
    ),
    "a forward put on the module itself": (lambda: conv(forward=abs), "Conv2d: has a forward of its own"),
    "a part of forward put on the module itself": (
        lambda: conv(_conv_forward=abs),
        "Conv2d: has a _conv_forward of its own",
    ),
    "a forward hook": (
        lambda: hooked("register_forward_hook"),
        "Conv2d: has a forward hook, spy, which may change what it computes; pass it without that hook",
    ),
    "a forward pre-hook": (lambda: hooked("register_forward_pre_hook"), "has a forward pre-hook, spy"),
    "a backward hook": (lambda: hooked("register_full_backward_hook"), "has a backward hook, spy"),
    "a backward pre-hook": (lambda: hooked("register_full_backward_pre_hook"), "has a backward pre-hook, spy"),
    "a hook within attention, which never runs": (
        lambda: hooked("register_forward_pre_hook", "out_proj"),
        "its out_proj has a forward pre-hook, spy, which never runs",
    ),
    "a lazy module": (lambda: nn.LazyConv2d(8, 2), "LazyConv2d: has no weights yet"),
    "a module that only hands on": (nn.Identity, "Identity: hands its input on as it is"),
    "a chain that only hands on": (
        lambda: nn.Sequential(nn.Identity(), nn.Dropout()),
        "Sequential: hands its input on",
    ),
    "shared weights": (shared, "Sequential: 1.weight is 0.weight once more"),
    "attention in a chain": (
        lambda: nn.Sequential(nn.MultiheadAttention(4, 2)),
        "0 (MultiheadAttention): takes three inputs and makes two outputs",
    ),
    "a weight that was cut down": (
        lambda: conv(weight=nn.Parameter(torch.zeros(6, 3, 2, 2))),
        "its weight is [6, 3, 2, 2], and that of Conv2d(3, 8, kernel_size=(2, 2), stride=(1, 1)) is [8, 3, 2, 2]",
    ),
    "an attribute that cannot be": (lambda: conv(stride=(0, 1)), "Conv2d: stride is (0, 1); it must be a whole number"),
    "a padding that was changed where it is used in another form": (
        other_padding,
        "pads by [1, 1, 1, 1], from the last axis on, and its padding (0, 0) is [0, 0, 0, 0]",
    ),
    "a bias without a weight": (lambda: norm(weight=None), "has a bias and no weight"),
    "a mean without a variance": (lambda: norm(running_var=None), "has only one of running_mean and running_var"),
    "a variance without a mean": (lambda: norm(running_mean=None), "has only one of running_mean and running_var"),
    "a convolution of another stride in Patchify": (
        lambda: wrapped(stride=1),
        "its conv is Conv2d(3, 8, kernel_size=(2, 2), stride=(1, 1)), and that of Patchify",
    ),
    "a hook upon a hook": (pruned_norm, "its weight_v is computed by a hook of torch's, and then something else"),
}


@pytest.mark.parametrize(("make", "message"), REFUSES.values(), ids=REFUSES.keys())
def test_refuses(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(LayerError, match=re.escape(message)):
        describe(make())


WITHOUT_NUMBERS: dict[str, tuple[dict[str, object], str]] = {
    "the meta device": ({"device": "meta"}, "weight is on the meta device, where there are no numbers"),
    "complex numbers": ({"dtype": torch.complex64}, "weight is torch.complex64; it must be of real"),
}


@pytest.mark.parametrize(("where", "message"), WITHOUT_NUMBERS.values(), ids=WITHOUT_NUMBERS.keys())
def test_a_shape_needs_no_weights_and_a_proof_does(where: dict[str, object], message: str) -> None:
    module = nn.Conv2d(3, 8, 2, stride=2, **where)  # type: ignore[arg-type]
    assert convcheck.shape(module, 1, 3, 9, 9) == (1, 8, 4, 4)
    assert convcheck.params(module) == 104
    with pytest.raises(LayerError, match=re.escape(message)):
        convcheck.verify(module, rewrite="patchify-linear")


def test_weights_must_be_dense_and_plain() -> None:
    sparse = nn.Linear(3, 4)
    sparse.weight = nn.Parameter(torch.ones(4, 3).to_sparse())
    with pytest.raises(LayerError, match=re.escape("weight is laid out as torch.sparse_coo; it must be dense")):
        materialise(sparse)

    with FakeTensorMode():
        fake = nn.Linear(3, 4, bias=False)
    with pytest.raises(LayerError, match="weight is a FakeTensor, which computes in its own way"):
        materialise(fake)


WORKS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a class that overrides nothing": (lambda: Named(3, 8, 2), "Conv2d(3, 8, 2)"),
    "a parametrized class": (lambda: parametrizations.weight_norm(nn.Linear(3, 4)), "Linear(3, 4)"),
    "a lazy module after its first call": (
        lambda: (module := nn.LazyConv2d(8, 2), module(torch.ones(1, 3, 4, 4)))[0],
        "Conv2d(3, 8, 2)",
    ),
    "Dropout, Identity and chains of them, left out": (
        lambda: nn.Sequential(
            nn.Identity(), nn.Conv2d(3, 8, 2), nn.Sequential(nn.Dropout2d(0.1), nn.Identity()), nn.Conv2d(8, 4, 1)
        ),
        "Sequential(Conv2d(3, 8, 2), Conv2d(8, 4, 1))",
    ),
    "a layer without weights twice": (
        lambda: nn.Sequential(*[nn.PixelShuffle(2)] * 2),
        "Sequential(PixelShuffle(2), PixelShuffle(2))",
    ),
    "a chain in a chain": (
        lambda: nn.Sequential(nn.Sequential(nn.Linear(2, 3)), nn.Linear(3, 4)),
        "Sequential(Sequential(Linear(2, 3)), Linear(3, 4))",
    ),
    "what torch does not print": (
        lambda: nn.AvgPool2d(3, ceil_mode=True, count_include_pad=False, divisor_override=2),
        "AvgPool2d(3, ceil_mode=True, count_include_pad=False, divisor_override=2)",
    ),
    "attention's output as a Linear": (lambda: nn.MultiheadAttention(4, 2).out_proj, "Linear(4, 4)"),
    "a norm whose flag was changed, and whose statistics torch uses all the same": (
        lambda: norm(track_running_stats=False),
        "BatchNorm2d(3)",
    ),
    "a padding mode that was changed": (
        lambda: conv(padding_mode="circular"),
        "Conv2d(3, 8, 2, padding_mode='circular')",
    ),
    "sizes of torch's and numpy's kinds": (
        lambda: conv(kernel_size=torch.Size([2, 2]), in_channels=torch.ones(3).sum().to(int)),
        "Conv2d(3, 8, 2)",
    ),
    "an operation": (lambda: Operation("matmul"), "matmul()"),
}


@pytest.mark.parametrize(("make", "text"), WORKS.values(), ids=WORKS.keys())
def test_is_described(make: Callable[[], nn.Module], text: str) -> None:
    assert describe(make()) == parse_layer(text)


def test_a_norm_in_a_chain_keeps_the_names_that_torch_counts_without_what_is_left_out() -> None:
    module = nn.Sequential(OrderedDict(drop=nn.Dropout(), conv=nn.Conv2d(3, 8, 2), norm=nn.BatchNorm2d(8)))
    found = materialise(tell(module))
    assert list(found.tensors) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"
    ]  # fmt: skip
    assert torch.equal(found.tensors["1.running_var"], module.norm.running_var)  # type: ignore[arg-type,union-attr]


TRAIN: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "nothing for a convolution": (lambda: nn.Conv2d(3, 8, 2), ()),
    "a norm": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 2), nn.BatchNorm2d(8)),
        (
            "train mode: 1 (BatchNorm2d) normalises with the batch's statistics; the verdict is for eval mode; "
            "call .eval()",
        ),
    ),
    "no norm that does so in eval mode, too": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 2), nn.BatchNorm2d(8, track_running_stats=False)),
        (),
    ),
    "no norm in eval mode": (lambda: nn.Sequential(nn.Conv2d(3, 8, 2), nn.BatchNorm2d(8).eval()), ()),
    "a dropout, which is also left out": (
        lambda: nn.Sequential(OrderedDict(a=nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1)))),
        (
            "a.1 (Dropout) is left out: in eval mode it hands its input on as it is",
            "train mode: a.1 (Dropout) drops values at random; the verdict is for eval mode; call .eval()",
        ),
    ),
    "a dropout of nothing is only left out": (
        lambda: nn.Sequential(nn.Linear(2, 2), nn.Dropout(0)),
        ("1 (Dropout) is left out: in eval mode it hands its input on as it is",),
    ),
    "attention that drops": (
        lambda: nn.MultiheadAttention(4, 2, dropout=0.1),
        ("train mode: MultiheadAttention drops attention at random; the verdict is for eval mode; call .eval()",),
    ),
    "attention that does not": (lambda: nn.MultiheadAttention(4, 2), ()),
    "the old spectral norm": (
        lambda: nn.utils.spectral_norm(nn.Linear(2, 2)),
        (
            "weight is computed by Linear's spectral_norm; it is materialised, as it is now",
            "train mode: Linear takes a step of its power iteration at every call; the verdict is for eval mode; "
            "call .eval()",
        ),
    ),
}


@pytest.mark.parametrize(("make", "notes"), TRAIN.values(), ids=TRAIN.keys())
def test_notes_say_what_is_otherwise_in_train_mode(make: Callable[[], nn.Module], notes: tuple[str, ...]) -> None:
    assert materialise(make()).notes == notes
    evaluated = materialise(make().eval()).notes
    assert evaluated == tuple(note for note in notes if not note.startswith("train mode"))


def test_a_new_spectral_norm_in_train_mode_is_noted() -> None:
    notes = materialise(parametrizations.spectral_norm(nn.Linear(2, 2))).notes
    assert "(_SpectralNorm) takes a step of its power iteration at every call" in notes[-1]


def test_a_proof_of_a_module_runs_on_its_own_weights() -> None:
    module = nn.Conv2d(3, 8, 2, stride=2)
    drawn = convcheck.verify(module, rewrite="patchify-linear")
    assert drawn.error.max_abs is not None
    assert drawn.error.max_abs > 0
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    still = convcheck.verify(module, rewrite="patchify-linear")
    assert (still.verdict, still.error.max_abs) == ("equal", 0)
    assert still.exact == drawn.exact
    told = "weights: the module's own; the command that repeats this draws random ones"
    assert told in still.notes
    assert "Conv2d(3, 8, kernel_size=(2, 2), stride=(2, 2))" in still.reproduce


@pytest.mark.parametrize(("dtype", "used"), [("float64", 1 + 2**-40), ("float32", 1.0)])
def test_weights_are_rounded_to_the_asked_dtype_and_no_other(
    dtype: DType, used: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = Pair.run, []

    def spy(pair: Pair, point: Point) -> tuple[Tensor, Tensor]:
        seen.append(point)
        return run(pair, point)

    monkeypatch.setattr(Pair, "run", spy)
    module = nn.Conv2d(1, 1, 1, bias=False, dtype=torch.float64)
    nn.init.constant_(module.weight, 1 + 2**-40)
    convcheck.verify(module, (1, 1, 2, 2), "pointwise-linear", dtype=dtype)
    (point,) = [point for point in seen if point.inputs[0].frac().any()]
    assert point.parameters["weight"].dtype == getattr(torch, dtype)
    assert point.parameters["weight"].item() == used


def test_a_module_without_weights_has_no_note_on_them() -> None:
    assert convcheck.verify(nn.PixelShuffle(2), rewrite="rearranged").notes == ()


@pytest.mark.parametrize("frozen", [True, False])
def test_batch_norm_is_proved_with_its_own_statistics(frozen: bool) -> None:
    module = tell(nn.Sequential(nn.Conv2d(3, 8, 2), nn.BatchNorm2d(8))).train(not frozen)
    result = convcheck.assert_equal(module, (2, 3, 5, 5), "fold-batchnorm")
    assert any(note.startswith("train mode: 1 (BatchNorm2d)") for note in result.notes) is not frozen


def test_assert_equal_fails_for_a_module_as_for_text() -> None:
    with pytest.raises(AssertionError, match="is different: on integers"):
        convcheck.assert_equal(
            nn.Conv2d(3, 8, 2, stride=2), rewrite="patchify-linear", transplant={"weight": "o i kh kw -> o (kh kw i)"}
        )


def test_parameters_are_counted_as_those_of_the_layer() -> None:
    assert convcheck.params(parametrizations.weight_norm(nn.Linear(3, 4))) == 16
    assert convcheck.params(nn.Sequential(nn.Conv2d(3, 8, 2), nn.BatchNorm2d(8))) == 104 + 16
