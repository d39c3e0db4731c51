"""A module is run on a probe, and refused where it computes something else than its attributes say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from einops.layers.torch import Rearrange
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.nn.utils.parametrize import register_parametrization

import convcheck
from convcheck.results import Kind, Verdict
from tests.strategies.modules import old_weight_norm

pytestmark = pytest.mark.kernels


def conv() -> Any:
    return nn.Conv2d(3, 4, kernel_size=2, stride=2)


def proved(module: nn.Module) -> convcheck.Result:
    rewrite = "rearranged" if isinstance(module, Rearrange) else "patchify-linear"
    return convcheck.verify(module, rewrite=rewrite)


def shadowed(*, factor: float, trained: bool) -> nn.Module:
    module = conv()
    module.__dict__["bias"] = (module.bias.detach() * factor).requires_grad_(trained)
    return module


def repatterned() -> nn.Module:
    module = Rearrange("b (c h) -> b c h", c=2)
    module.pattern = "b (h c) -> b c h"
    return module


class Noise(nn.Module):
    """A parametrization that draws anew whenever it is asked."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight + torch.randn_like(weight)


def noisy() -> nn.Module:
    module = conv()
    register_parametrization(module, "weight", Noise())
    return module


class Counting(nn.Module):
    """A parametrization that keeps, in a new tensor every time, how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("times", torch.zeros(()))

    def forward(self, weight: Tensor) -> Tensor:
        self.times = self.times + 1
        return weight


def counting() -> nn.Module:
    module = conv()
    register_parametrization(module, "weight", Counting())
    return module


class Scaled(nn.Parameter):
    """A weight that computes in its own way."""

    @classmethod
    def __torch_function__(cls, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            made = function(*args, **(kwargs or {}))
        return made * 2 if function is torch.nn.functional.conv2d or function is torch.conv2d else made


def scaled() -> nn.Module:
    module = conv()
    module.weight = Scaled(module.weight.detach())
    return module


class Doubles(dict[str, Any]):
    """Parameters of a dictionary that hands out others."""

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return value * 2 if key == "bias" else value


def handed_out() -> nn.Module:
    module = conv()
    module.__dict__["_parameters"] = Doubles(module._parameters)
    return module


def averaged() -> nn.Module:
    module = conv()
    node = module.weight.expand_as(module.weight).grad_fn.next_functions[0][0]
    node.register_prehook(lambda gradients: (gradients[0] / 2,))
    module.node = node
    return module


def twice_hooked() -> nn.Module:
    module = old_weight_norm(conv())
    prune.random_unstructured(module, "weight_v", amount=0.5)
    with torch.no_grad():
        module.weight_v_orig[0].mul_(3)  # type: ignore[operator,union-attr,index]
    return module


REFUSES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a bias that hides another": (
        lambda: shadowed(factor=2.0, trained=False),
        "Conv2d has other gradients than its attributes say: on a probe, those of bias differ",
    ),
    "a trained bias that hides the same": (lambda: shadowed(factor=1.0, trained=True), "those of bias differ"),
    "einops' pattern, changed after it was read": (
        repatterned,
        "Rearrange computes something else than its attributes say: on a probe",
    ),
    "a parametrization that is noise": (noisy, "Conv2d computes something else than its attributes say"),
    "a parametrization that keeps a state": (counting, "changes its parametrizations.weight.0.times when it is called"),
    "a weight of a class of its own": (scaled, "Conv2d computes something else than its attributes say"),
    "parameters in a dictionary of its own": (handed_out, "those of bias differ"),
    "a hook on the node of a gradient": (averaged, "those of weight differ"),
    "a hook upon a hook": (twice_hooked, "Conv2d computes something else than its attributes say"),
}


@pytest.mark.parametrize(("make", "message"), REFUSES.values(), ids=REFUSES.keys())
def test_refuses(make: Callable[[], nn.Module], message: str) -> None:
    result = proved(make())
    assert result.verdict is Verdict.REFUSED
    assert message in (result.reason or "")
    assert "; pass a plain module of torch, or say as layers what it computes" in (result.reason or "")
    assert {reason.kind for reason in result.reasons} == {Kind.REFUSAL}
    with pytest.raises(AssertionError, match="is refused: "):
        convcheck.assert_equal(make(), rewrite=result.rewrite)


class Raising(nn.Parameter):
    """A weight that no convolution can be computed with."""

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.conv2d:
            raise LookupError("lost\nand gone")
        return super().__torch_function__(function, types, args, kwargs or {})


def test_an_exception_of_the_user_s_code_is_a_refusal_in_one_line() -> None:
    module = conv()
    module.weight = Raising(module.weight.detach())
    result = proved(module)
    assert result.verdict is Verdict.REFUSED
    assert result.reasons[0].text == (
        "Conv2d raises LookupError where Conv2d(3, 4, kernel_size=(2, 2), stride=(2, 2)) computes: lost"
    )


WORKS: dict[str, Callable[[], nn.Module]] = {
    "a bfloat16 module": lambda: conv().to(torch.bfloat16),
    "a float16 module": lambda: conv().to(torch.float16),
    "a float64 module": lambda: conv().to(torch.float64),
    "channels last in memory": lambda: conv().to(memory_format=torch.channels_last),
    "frozen weights": lambda: conv().requires_grad_(False),
    "weights of zeros": lambda: conv().apply(lambda module: [nn.init.zeros_(each) for each in module.parameters()]),
    "a bias taken away": lambda: nn.Conv2d(3, 4, 2, stride=2, bias=False),
    "an old hook of torch's, whose weight is stale": lambda: old_weight_norm(conv()),
}


@pytest.mark.parametrize("make", WORKS.values(), ids=WORKS.keys())
def test_works(make: Callable[[], nn.Module]) -> None:
    assert proved(make()).verdict is Verdict.EQUAL


def test_a_module_made_in_inference_mode_is_held_against_its_outputs() -> None:
    with torch.inference_mode():
        module = conv()
    assert proved(module).verdict is Verdict.EQUAL
    with torch.inference_mode():
        register_parametrization(module, "bias", Noise())
    assert proved(module).verdict is Verdict.REFUSED


def test_weights_that_torch_cannot_compute_with_are_an_error_that_names_them() -> None:
    module = conv()
    module.weight = nn.Parameter(module.weight.detach().double())
    result = proved(module)
    assert result.verdict is Verdict.ERROR
    assert "on the device and in the dtypes of Conv2d" in (result.reason or "")


def test_a_buffer_that_reading_a_weight_replaces_is_put_back() -> None:
    module = counting()
    kept = "parametrizations.weight.0.times"
    before = module.get_buffer(kept)
    assert convcheck.params(module) == 52
    assert module.get_buffer(kept) is before
    proved(module)
    assert module.get_buffer(kept) is before


def test_a_module_is_left_as_it_was() -> None:
    module = nn.Sequential(old_weight_norm(nn.Conv2d(3, 4, 2)), nn.Dropout(), nn.BatchNorm2d(4)).train()
    module[2].weight.grad = torch.full((4,), 7.0)
    attributes = [dict(vars(part)) for part in module.modules()]
    tensors = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    assert convcheck.verify(module, rewrite="fold-batchnorm").verdict is Verdict.EQUAL
    assert [dict(vars(part)) for part in module.modules()] == attributes
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in module.state_dict().items())
    assert [parameter.grad is None for parameter in module.parameters()] == [True, True, True, False, True]
    assert module[2].weight.grad.tolist() == [7.0] * 4
