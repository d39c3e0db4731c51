"""A torch module is described by its attributes, and its description computes what it computes."""

from __future__ import annotations

import inspect
import re
import sys
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.hooks import RemovableHandle

import convcheck
from convcheck.errors import LayerError
from convcheck.layers import Dropout, MultiheadAttention, parse_layer
from convcheck.modules.build import build
from convcheck.modules.operations import Operation
from convcheck.sides.describe import describe
from convcheck.sides.overrides import overrides
from convcheck.sides.read_weights import read_weights
from convcheck.sizes.patterns import Shapes
from tests.strategies.attentions import dot_products, multiheads
from tests.strategies.chains import CHAINS, Drawn, layouts, patches, products, rearrangements
from tests.strategies.layers import FAMILIES, shapes
from tests.strategies.modules import assert_described, inputs_for, runnable, tell


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_a_module_is_described_as_it_was_built_and_computes_the_same(family: str, data: st.DataObject) -> None:
    # What hands its input on is left out of a description.
    layer = data.draw(FAMILIES[family].filter(lambda each: each.kind != "Identity" and not isinstance(each, Dropout)))
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


def parameter_hooked(register: str, inside: str = "", name: str = "weight") -> nn.Module:
    def halve(gradient: Tensor) -> Tensor:
        return gradient / 2

    module = nn.MultiheadAttention(4, 2) if inside else nn.Conv2d(3, 8, 2)
    if name.startswith("parametrizations"):
        parametrizations.weight_norm(module)
    getattr(module.get_submodule(inside).get_parameter(name), register)(halve)
    return module


def compiled() -> nn.Module:
    module = nn.Conv2d(3, 8, 2)
    module._compiled_call_impl = abs
    return module


def with_none() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(3, 8, 2))
    module._modules["1"] = None
    return module


def computed(name: str, within: type[nn.Module] = nn.Conv2d) -> nn.Module:
    """Return a module whose class has a property in place of an attribute."""
    module = within(3, 8, 2) if within is nn.Conv2d else within(8)
    value = getattr(module, name)
    module.__class__ = type("Mine", (within,), {name: property(lambda _: value, lambda _self, _value: None)})
    return module


def classed(module: nn.Module, inside: str = "", **names: object) -> nn.Module:
    """Return a module that is of a class of the user's own, or whose part is, with more in it."""
    part = module.get_submodule(inside)
    part.__class__ = type("Mine", (type(part),), names)
    return module


def without(module: nn.Module, *path: str) -> nn.Module:
    delattr(module.get_submodule(".".join(path[:-1])), path[-1])
    return module


def attention() -> nn.Module:
    return nn.MultiheadAttention(4, 2)


def fail(*_: object) -> None:
    raise ZeroDivisionError


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


REFUSES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a class that is not known": (nn.PReLU, "PReLU: cannot be read as a layer; there are: Conv1d, Conv2d"),
    "one in a chain, named by its path": (
        lambda: nn.Sequential(OrderedDict(stem=nn.Sequential(nn.Conv2d(3, 8, 2), nn.PReLU()))),
        "stem.1 (PReLU): cannot be read",
    ),
    "all that are wrong in a chain": (
        lambda: nn.Sequential(nn.PReLU(), Halved(3, 8, 2)),
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
    "a check within forward": (
        lambda: nn.Sequential(nn.Conv2d(3, 3, 1), classed(nn.BatchNorm2d(3), _check_input_dim=abs)),
        "1 (Mine): has a _check_input_dim of its own, so what it computes is not what BatchNorm2d says",
    ),
    "a check within forward put on the module itself": (
        lambda: norm(_check_input_dim=abs),
        "BatchNorm2d: has a _check_input_dim of its own",
    ),
    "a function of all modules": (lambda: classed(conv(), _call_impl=abs), "has a _call_impl of its own"),
    "a search for attributes that fails": (
        lambda: classed(conv(), __getattr__=fail, __getattribute__=fail),
        "Mine: has a __getattr__ of its own, so what it computes is not what Conv2d says; pass a plain Conv2d, or say "
        "as layers what it computes; has a __getattribute__ of its own",
    ),
    "a function of attention": (
        lambda: classed(attention(), merge_masks=abs),
        "has a merge_masks of its own, so what it computes is not what MultiheadAttention says",
    ),
    "a function of attention's output": (
        lambda: classed(attention(), "out_proj", __getattr__=abs),
        "MultiheadAttention: its out_proj has a __getattr__ of its own",
    ),
    "a class without hashes": (
        lambda: nn.Sequential(nn.Conv2d(3, 3, 1), classed(nn.ReLU(), __hash__=None)),
        "1 (Mine): has a __hash__ of its own",
    ),
    "what holds a module without hashes": (
        lambda: nn.ModuleList([classed(nn.ReLU(), __hash__=None)]),
        "ModuleList: cannot be read as a layer; it holds other modules",
    ),
    "a forward hook": (
        lambda: hooked("register_forward_hook"),
        "Conv2d: has a forward hook, spy, which may change what it computes; pass it without that hook",
    ),
    "a forward pre-hook": (lambda: hooked("register_forward_pre_hook"), "has a forward pre-hook, spy"),
    "a backward hook": (lambda: hooked("register_full_backward_hook"), "has a backward hook, spy"),
    "a backward pre-hook": (lambda: hooked("register_full_backward_pre_hook"), "has a backward pre-hook, spy"),
    "a hook on a parameter": (
        lambda: parameter_hooked("register_hook"),
        "Conv2d: has a hook on weight, halve, which may change its gradient; pass it without that hook",
    ),
    "a hook on a parameter of attention's output": (
        lambda: parameter_hooked("register_hook", "out_proj", "bias"),
        "its out_proj has a hook on bias, halve",
    ),
    "a hook on what a weight is computed from": (
        lambda: parameter_hooked("register_hook", name="parametrizations.weight.original1"),
        "has a hook on original1, halve",
    ),
    "a hook behind an accumulated gradient": (
        lambda: parameter_hooked("register_post_accumulate_grad_hook"),
        "has a post-accumulate-grad hook on weight, halve",
    ),
    "a module that is compiled in place": (compiled, "Conv2d: is compiled in place, and what a compiler makes of it"),
    "a chain that holds None": (with_none, "1 is None, which torch cannot call; take it out"),
    "a weight that a class computes": (
        lambda: computed("weight"),
        "has a weight that its class computes whenever it is read, so it may be another each time; pass a plain Conv2d",
    ),
    "a stride that a class computes": (lambda: computed("stride"), "has a stride that its class computes"),
    "a mode that a class computes": (lambda: computed("training"), "has a training that its class computes"),
    "a statistic that a class computes": (
        lambda: computed("running_var", nn.BatchNorm2d),
        "has a running_var that its class computes",
    ),
    "a weight that the class of attention's output computes": (
        lambda: classed(attention(), "out_proj", weight=property(fail)),
        "its out_proj has a weight that its class computes whenever it is read",
    ),
    "an attention's output that is none": (
        lambda: without(attention(), "out_proj"),
        "its out_proj is a NoneType, and that of a plain module is a Linear",
    ),
    "a probability that the class of a dropout computes": (
        lambda: nn.Sequential(nn.Conv2d(3, 3, 1), classed(nn.Dropout(), p=property(lambda _: 0.5))),
        "1 (Mine): has a p that its class computes",
    ),
    "a mode that the class of a chain computes": (
        lambda: classed(nn.Sequential(nn.Conv2d(3, 3, 1)), training=property(lambda _: False)),
        "Mine: has a training that its class computes",
    ),
    "an attribute that fails": (
        lambda: classed(conv(), stride=property(fail)),
        "Mine: its stride raises ZeroDivisionError; a plain module has one",
    ),
    **{
        f"a convolution without {name}": (partial(lambda name: without(conv(), name), name), f"its {name} is missing")
        for name in ("stride", "groups", "padding_mode", "dilation", "transposed", "training")
    },
    "a padding that is missing where it is used in another form": (
        lambda: without(other_padding(), "_reversed_padding_repeated_twice"),
        "its _reversed_padding_repeated_twice is missing; a plain module has one",
    ),
    "a norm without eps": (lambda: without(norm(), "eps"), "BatchNorm2d: its eps is missing; a plain module has one"),
    "attention without a width": (lambda: without(attention(), "kdim"), "its kdim is missing; a plain module has one"),
    "a wrapper without its convolution": (lambda: without(wrapped(), "conv"), "Patchify: its conv is missing"),
    "a stride of tensors": (
        lambda: conv(stride=torch.tensor([2, 2])),
        "Conv2d: its stride is tensor([2, 2]); a plain module has a number, or a tuple of numbers, of Python's there",
    ),
    "a stride of arrays": (lambda: conv(stride=(np.array([2, 2]), 2)), "its stride is (array([2, 2]), 2); a plain"),
    "an eps of tensors": (
        lambda: norm(eps=torch.tensor(0.5)),
        "its eps is tensor(0.5000); a plain module has a number",
    ),
    "a dropout of tensors": (
        lambda: nn.Sequential(nn.Conv2d(3, 3, 1), without(nn.Dropout(), "p")),
        "1 (Dropout): its p is missing",
    ),
    "modules that are None": (lambda: conv(_modules=None), "its _modules is None; a plain module has a dict there"),
    "buffers that are None": (lambda: conv(_buffers=None), "its _buffers is None; a plain module has a dict there"),
    "a parameter that is a number": (
        lambda: (module := conv(), module._parameters.update(weight=5))[0],  # type: ignore[call-overload]
        "Conv2d: its weight is 5; a plain module has a Tensor there",
    ),
    "an attention's output that is a number": (
        lambda: (module := attention(), module._modules.update(out_proj=5))[0],  # type: ignore[call-overload]
        "MultiheadAttention: its out_proj is 5; a plain module has a Module there",
    ),
    "parameters that a class computes": (
        lambda: classed(conv(), _parameters=property(fail)),
        "Mine: its _parameters is <property object at ",
    ),
    "hooks that are missing": (lambda: without(conv(), "_forward_hooks"), "its _forward_hooks is None; a plain module"),
    "parameters of attention's output that are None": (
        lambda: without(attention(), "out_proj", "_buffers"),
        "MultiheadAttention: its out_proj._buffers is None; a plain module has a dict there",
    ),
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
    "a module that holds itself": (
        lambda: (module := conv(), module._modules.update(inside=module))[0],
        "Conv2d: inside.weight is weight once more",
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
}


@pytest.mark.parametrize(("make", "message"), REFUSES.values(), ids=REFUSES.keys())
def test_refuses(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(LayerError, match=re.escape(message)):
        describe(make())


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_a_function_that_a_call_runs_may_not_be_another(family: str, data: st.DataObject) -> None:
    layer = data.draw(FAMILIES[family])
    lengths = data.draw(shapes(layer))
    runnable(layer, lengths)
    module, inputs, codes = build(layer).eval(), inputs_for(layer, lengths), set()
    sys.setprofile(lambda frame, _event, _argument: codes.add(frame.f_code))
    try:
        module(*inputs)
    finally:
        sys.setprofile(None)
    functions = {name: getattr(function, "__code__", None) for name, function in inspect.getmembers(type(module))}
    runs = {name for name, code in functions.items() if code in codes}
    assert "forward" in runs
    for name in runs:
        other = classed(build(layer), **{name: lambda *_, **__: None})
        assert any(f"has a {name} of its own" in fault for fault in overrides(other, type(module)))


WORKS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a class that overrides nothing": (lambda: Named(3, 8, 2), "Conv2d(3, 8, 2)"),
    "a class with a text, weights at the start and a train mode of its own": (
        lambda: classed(conv(), extra_repr=fail, reset_parameters=fail, train=fail, _load_from_state_dict=fail),
        "Conv2d(3, 8, 2)",
    ),
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


@pytest.mark.parametrize(
    ("register", "message"),
    [
        (nn.modules.module.register_module_forward_pre_hook, "has a forward pre-hook, spy, as all modules have"),
        (nn.modules.module.register_module_forward_hook, "has a forward hook, spy, as all modules have"),
        (nn.modules.module.register_module_full_backward_pre_hook, "has a backward pre-hook, spy, as all modules have"),
        (nn.modules.module.register_module_full_backward_hook, "has a backward hook, spy, as all modules have"),
    ],
)
def test_refuses_a_hook_that_all_modules_have(register: Callable[..., RemovableHandle], message: str) -> None:
    def spy(*_: object) -> None:
        pass

    with register(spy), pytest.raises(LayerError, match=f"Conv2d: {message}"):
        describe(nn.Conv2d(3, 8, 2))
    assert describe(nn.Conv2d(3, 8, 2)) == parse_layer("Conv2d(3, 8, 2)")


@pytest.mark.parametrize(("make", "text"), WORKS.values(), ids=WORKS.keys())
def test_is_described(make: Callable[[], nn.Module], text: str) -> None:
    assert describe(make()) == parse_layer(text)


def test_a_norm_in_a_chain_keeps_the_names_that_torch_counts_without_what_is_left_out() -> None:
    module = nn.Sequential(OrderedDict(drop=nn.Dropout(), conv=nn.Conv2d(3, 8, 2), norm=nn.BatchNorm2d(8)))
    found = read_weights(tell(module))
    assert list(found.tensors) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"
    ]  # fmt: skip
    assert torch.equal(found.tensors["1.running_var"], module.norm.running_var)  # type: ignore[arg-type,union-attr]
