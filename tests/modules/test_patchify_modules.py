"""Patchify and Unpatchify as modules of torch: trained, copied, compiled, exported, printed; and what they refuse."""

from __future__ import annotations

import copy
import pickle
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import convcheck
from convcheck import Patchify, Unpatchify

BOTH = pytest.mark.parametrize("module", [Patchify, Unpatchify])


@BOTH
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_dtype_is_handed_on(module: type[nn.Module], dtype: torch.dtype) -> None:
    made = module(3, 5, 2, 4, 3, dtype=dtype)
    assert {parameter.dtype for parameter in made.parameters()} == {dtype}
    assert made(torch.randn(2, 8, 9, 3, dtype=dtype)).dtype == dtype


@BOTH
def test_a_device_is_handed_on(module: type[nn.Module]) -> None:
    made = module(3, 5, 2, 4, weight_init="fan_in", device="meta")
    assert {parameter.device.type for parameter in made.parameters()} == {"meta"}
    shape = made(torch.empty(2, 8, 9, 3, device="meta")).shape
    assert shape == made.to_empty(device="cpu")(torch.ones(2, 8, 9, 3)).shape


@BOTH
def test_copies_pickles_and_state_dicts_compute_the_same(module: type[nn.Module]) -> None:
    original, x = module(3, 5, 2, (4, 2), stride=3, weight_init="fan_in"), torch.randn(2, 8, 9, 3)
    loaded = module(3, 5, 2, (4, 2), stride=3)
    assert not torch.equal(loaded(x), original(x))
    loaded.load_state_dict(original.state_dict())
    for same in (loaded, copy.deepcopy(original), pickle.loads(pickle.dumps(original))):
        assert torch.equal(same(x), original(x))


@BOTH
@pytest.mark.parametrize("weight_init", ["default", "zeros", "fan_in"])
def test_training_reaches_every_parameter_and_lowers_the_loss(module: type[nn.Module], weight_init: str) -> None:
    torch.manual_seed(0)
    made, x = module(3, 5, 2, 2, weight_init=weight_init), torch.randn(4, 6, 6, 3)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    target, losses = torch.randn_like(made(x)), []
    for _ in range(20):
        loss = (made(x) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad.all() for parameter in made.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@BOTH
def test_the_inner_layer_sees_a_contiguous_input(module: type[nn.Module]) -> None:
    made, seen = module(3, 5, 2, 4, 3), []
    made.conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].is_contiguous()))
    made(torch.randn(2, 8, 9, 3))
    made(torch.randn(8, 9, 3))
    assert seen == [True, True]
    assert not torch.randn(2, 8, 9, 3).movedim(-1, 1).is_contiguous()


class RoundTrip(nn.Module):
    """To patches that overlap, and back to the original size."""

    def __init__(self) -> None:
        super().__init__()
        self.forth = Patchify(3, 8, 2, 4, 3, dtype=torch.float64)
        self.back = Unpatchify(8, 3, 2, 4, 3, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.back(self.forth(x), x.shape[1:3])


# inductor, which does all that aot_eager does and more, compiles C++.
BACKEND = "inductor" if any(map(shutil.which, ("c++", "g++", "clang++"))) else "aot_eager"


@pytest.fixture
def recursion_limit() -> Iterator[None]:
    """Give Python's recursion limit back, which torch's compiler raises for good, and with it for other tests."""
    before = sys.getrecursionlimit()
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("recursion_limit")
@pytest.mark.kernels
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_compiled_in_one_graph_for_all_sizes_both_passes_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # inductor takes what it finds in its cache, even if that was made for wider vectors than are to be used here.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    module = RoundTrip()
    compiled = torch.compile(module, backend=BACKEND, fullgraph=True, dynamic=True)
    for height, width in ((16, 17), (18, 21)):
        x = torch.randn(2, height, width, 3, dtype=torch.float64, requires_grad=True)
        leaves = (x, *module.parameters())
        eager, fast = module(x), compiled(x)
        torch.testing.assert_close(fast, eager)
        gradients = (torch.autograd.grad(y.square().sum(), leaves) for y in (fast, eager))
        torch.testing.assert_close(*gradients)


@pytest.mark.kernels
def test_an_exported_model_keeps_the_original_size() -> None:
    module, auto = RoundTrip(), torch.export.Dim.AUTO
    example = torch.randn(2, 17, 18, 3, dtype=torch.float64)
    exported = torch.export.export(module, (example,), dynamic_shapes=({1: auto, 2: auto},)).module()
    x = torch.randn(2, 21, 23, 3, dtype=torch.float64)
    torch.testing.assert_close(exported(x), module(x))


@pytest.mark.parametrize(
    ("module", "line"),
    [
        (Patchify(3, 64, 2, 4), "3, 64, data_dim=2, patch_size=(4, 4), stride=(4, 4)"),
        (
            Unpatchify(8, 3, 1, 4, 2, bias=False, weight_init="zeros", output_spatial_shape=9),
            "8, 3, data_dim=1, patch_size=(4,), stride=(2,), bias=False, weight_init='zeros', "
            "output_spatial_shape=(9,)",
        ),
    ],
)
def test_printed_it_can_be_made_again(module: nn.Module, line: str) -> None:
    assert repr(module).startswith(f"{type(module).__name__}(\n  {line}\n  (conv): ")
    assert repr(eval(f"{type(module).__name__}({line})")) == repr(module)


EACH = "it must be a whole number at least 1, or 2 of them"

UNBUILDABLE = {
    "no axis": ({"data_dim": 0}, "data_dim is 0; it must be 1, 2 or 3"),
    "four axes": ({"data_dim": 4}, "data_dim is 4; it must be 1, 2 or 3"),
    "a flag for the axes": ({"data_dim": True}, "data_dim is True; it must be 1, 2 or 3"),
    "an unknown initialisation": (
        {"weight_init": "kaiming"},
        "weight_init is 'kaiming'; it must be 'default', 'zeros' or 'fan_in'",
    ),
    "an empty patch": ({"patch_size": 0}, f"patch_size is 0; {EACH}"),
    "one empty side": ({"patch_size": (4, 0)}, f"patch_size is (4, 0); {EACH}"),
    "a side too many": ({"patch_size": (4, 4, 4)}, f"patch_size is (4, 4, 4); {EACH}"),
    "no stride": ({"stride": 0}, f"stride is 0; {EACH}"),
    "half a stride": ({"stride": 1.5}, f"stride is 1.5; {EACH}"),
    "no input": ({"in_features": 0}, "in_features is 0; it must be a whole number at least 1"),
    "no output": ({"out_features": -1}, "out_features is -1; it must be a whole number at least 1"),
}


@BOTH
@pytest.mark.parametrize(("arguments", "message"), UNBUILDABLE.values(), ids=UNBUILDABLE.keys())
def test_refuses_to_be_made_with(module: type[nn.Module], arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'{module.__name__}: {message}')}$"):
        module(**{"in_features": 3, "out_features": 5, "data_dim": 2, "patch_size": 4, **arguments})


def test_refuses_to_be_made_with_an_empty_output() -> None:
    message = f"Unpatchify: output_spatial_shape is (0, 3); {EACH}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Unpatchify(3, 5, 2, 4, output_spatial_shape=(0, 3))


@BOTH
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8, 3), "takes [b, h, w, 3] or [h, w, 3], 4 or 3 axes; [8, 3] has 2"),
        ((1, 1, 8, 8, 3), "takes [b, h, w, 3] or [h, w, 3], 4 or 3 axes; [1, 1, 8, 8, 3] has 5"),
        ((1, 3, 8, 8), "takes 3 input features, channels last; [1, 3, 8, 8] has 8"),
        ((3, 8, 8), "takes 3 input features, channels last; [3, 8, 8], read as unbatched, has 8"),
    ],
    ids=["too few axes", "too many axes", "channels first", "channels first, unbatched"],
)
def test_refuses_an_input_with(module: type[nn.Module], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'{module.__name__} {message}')}$"):
        module(3, 5, 2, 4)(torch.ones(shape))


def test_patchify_refuses_an_axis_shorter_than_a_patch() -> None:
    message = "Patchify: axis w has length 3; it must be at least 4, one patch"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Patchify(3, 5, 2, 4)(torch.ones(1, 8, 3, 3))


def test_unpatchify_refuses_an_axis_without_patches() -> None:
    message = "Unpatchify: axis h has no patches; it must have at least 1"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Unpatchify(3, 5, 2, 4)(torch.ones(1, 0, 3, 3))


ON_GRID = "for a grid of [3, 2] patches it must be"


@pytest.mark.parametrize(
    ("stride", "asked", "message"),
    [
        (4, (12, 7), f"axis w of output_spatial_shape (12, 7) is 7; {ON_GRID} from 8 to 11"),
        (4, (16, 8), f"axis h of output_spatial_shape (16, 8) is 16; {ON_GRID} from 12 to 15"),
        (1, (7, 5), f"axis h of output_spatial_shape (7, 5) is 7; {ON_GRID} 6"),
        (6, 16, f"axis w of output_spatial_shape (16, 16) is 16; {ON_GRID} from 10 to 15"),
        (4, (12,), "output_spatial_shape is (12,); it must be one whole number for each of h, w"),
        (4, (12, 8.0), "output_spatial_shape is (12, 8.0); it must be one whole number for each of h, w"),
    ],
    ids=["too short", "too long", "only one is legal", "one for all", "too few", "no whole number"],
)
def test_unpatchify_refuses_an_output_that_is(stride: int, asked: int | tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'Unpatchify: {message}')}$"):
        Unpatchify(3, 5, 2, 4, stride)(torch.ones(1, 3, 2, 3), asked)


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'convcheck' has no attribute 'Patchifi'$"):
        convcheck.Patchifi  # noqa: B018


def test_the_package_lists_them() -> None:
    assert {"Patchify", "Unpatchify", "verify"} <= set(dir(convcheck))
