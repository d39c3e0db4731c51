"""A module is proved on the weights that it computes with, and what is to be said of them is noted."""

from __future__ import annotations

import copy
import re
import shlex
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.nn.utils import parametrizations

import convcheck
from convcheck.config.checks import DType
from convcheck.errors import ConvcheckError, LayerError
from convcheck.proof.pair import Pair
from convcheck.results import Result
from convcheck.sides.read_weights import read_weights
from convcheck.sides.sample import Sample
from tests.strategies.modules import (
    assert_described,
    counted,
    old_spectral_norm,
    old_weight_norm,
    pruned,
    registered,
    tell,
)

pytestmark = pytest.mark.kernels

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
    found = read_weights(module)
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


WITHOUT_NUMBERS: dict[str, tuple[dict[str, object], str]] = {
    "the meta device": ({"device": "meta"}, "weight is on the meta device, where there are no numbers"),
    "complex numbers": ({"dtype": torch.complex64}, "weight is torch.complex64; it must be one of float64, float32"),
}


@pytest.mark.parametrize(("where", "message"), WITHOUT_NUMBERS.values(), ids=WITHOUT_NUMBERS.keys())
def test_a_shape_needs_no_weights_and_a_proof_does(where: dict[str, object], message: str) -> None:
    module = nn.Conv2d(3, 8, 2, stride=2, **where)  # type: ignore[arg-type]
    assert convcheck.shape(module, 1, 3, 9, 9) == (1, 8, 4, 4)
    assert convcheck.params(module) == 104
    with pytest.raises(LayerError, match=re.escape(message)):
        convcheck.verify(module, rewrite="patchify-linear")


def test_weights_must_be_of_a_dtype_that_torch_computes_in() -> None:
    module = nn.Linear(3, 4)
    module.weight = nn.Parameter(module.weight.detach().to(torch.float8_e4m3fn), requires_grad=False)
    message = "weight is torch.float8_e4m3fn; it must be one of float64, float32, bfloat16, float16"
    with pytest.raises(LayerError, match=re.escape(message)):
        convcheck.verify(module, rewrite="broadcast-sum")


def test_weights_must_be_dense_and_plain() -> None:
    sparse = nn.Linear(3, 4)
    sparse.weight = nn.Parameter(torch.ones(4, 3).to_sparse())
    with pytest.raises(LayerError, match=re.escape("weight is laid out as torch.sparse_coo; it must be dense")):
        read_weights(sparse)

    with FakeTensorMode():
        fake = nn.Linear(3, 4, bias=False)
    with pytest.raises(LayerError, match="weight is a FakeTensor, which computes in its own way"):
        read_weights(fake)


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
    assert read_weights(make()).notes == notes
    evaluated = read_weights(make().eval()).notes
    assert evaluated == tuple(note for note in notes if not note.startswith("train mode"))


def test_a_new_spectral_norm_in_train_mode_is_noted() -> None:
    notes = read_weights(parametrizations.spectral_norm(nn.Linear(2, 2))).notes
    assert "(_SpectralNorm) takes a step of its power iteration at every call" in notes[-1]


def test_a_proof_of_a_module_runs_on_its_own_weights() -> None:
    module = nn.Conv2d(3, 8, 2, stride=2)
    drawn = convcheck.verify(module, rewrite="patchify-linear")
    assert drawn.error.bound is not None
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    still = convcheck.verify(module, rewrite="patchify-linear")
    assert (still.verdict, still.error.max_abs) == ("equal", 0)
    # What may be off grows with the weights, whatever the kernel makes of them.
    assert still.error.bound is not None
    assert still.error.bound < drawn.error.bound
    assert still.exact == drawn.exact
    told = (
        "weights: the module's own; convcheck.save_weights(module, 'module.safetensors') writes them for the command "
        "that repeats this"
    )
    assert told in map(str, still.notes)
    assert "Conv2d(3, 8, kernel_size=(2, 2), stride=(2, 2))" in still.reproduce


REPEATED: dict[str, tuple[Callable[[], nn.Module], str, dict[str, str]]] = {
    "a layer": (lambda: nn.Conv2d(3, 8, 2, stride=2), "patchify-linear", {}),
    "a weight that is computed": (
        lambda: old_weight_norm(nn.Conv2d(3, 8, 2, stride=2)),
        "patchify-linear",
        {"transplant": {"weight": "o i kh kw -> o (kh kw i) | negate"}},
    ),
    "a chain with statistics, and a dropout before it": (
        lambda: nn.Sequential(nn.Dropout(), nn.Conv2d(3, 8, 2), tell(nn.BatchNorm2d(8))).eval(),
        "fold-batchnorm",
        {},
    ),
    "weights that share memory": (lambda: shared(nn.Linear(6, 6)), "linear-as-conv1x1", {}),
}


def shared(linear: nn.Linear) -> nn.Linear:
    linear.bias = nn.Parameter(linear.weight.detach()[:, 0])
    return linear


@pytest.mark.parametrize(("make", "rewrite", "options"), REPEATED.values(), ids=REPEATED.keys())
def test_what_repeats_a_proof_of_a_module_needs_its_weights_and_gives_the_same(
    make: Callable[[], nn.Module],
    rewrite: str,
    options: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    module = make()
    first = convcheck.verify(module, rewrite=rewrite, seed=3, **options)  # type: ignore[arg-type]
    python, flag, code = shlex.split(first.reproduce)
    assert (python, flag) == ("python", "-c")
    with pytest.raises(ConvcheckError, match=r"weights\.file: there is no 'module.safetensors'; convcheck\."):
        exec(code)
    convcheck.save_weights(module, "module.safetensors")
    repeated: list[Result] = []
    monkeypatch.setattr("builtins.print", repeated.append)
    exec(code)
    (again,) = repeated
    same = ("verdict", "reasons", "suggestions", "exact", "error", "referee", "reproduce")
    assert [getattr(again, name) for name in same] == [getattr(first, name) for name in same]


def test_given_weights_have_to_fit_and_are_no_modules() -> None:
    weights = {"file": "none.bin", "wieght": "weight"}
    with pytest.raises(ConvcheckError) as error:
        convcheck.verify("Linear(3, 4)", rewrite="linear-as-conv1x1", weights=weights)
    assert "weights.file: 'none.bin' does not end in .safetensors" in str(error.value)
    assert "weights.wieght: Linear(in_features=3, out_features=4, bias=True) has no such parameter" in str(error.value)
    with pytest.raises(ConvcheckError, match="weights: a module brings its own"):
        convcheck.verify(nn.Linear(3, 4), rewrite="linear-as-conv1x1", weights=weights)


@pytest.mark.parametrize(("dtype", "used"), [("float64", 1 + 2**-40), ("float32", 1.0)])
def test_weights_are_rounded_to_the_asked_dtype_and_no_other(
    dtype: DType, used: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = Pair.run_candidate, []

    def spy(pair: Pair, point: Sample) -> Tensor:
        seen.append(point)
        return run(pair, point)

    monkeypatch.setattr(Pair, "run_candidate", spy)
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
    assert any(note.text.startswith("train mode: 1 (BatchNorm2d)") for note in result.notes) is not frozen


def test_assert_equal_fails_for_a_module_as_for_text() -> None:
    with pytest.raises(AssertionError, match="is different: weight was laid out as"):
        convcheck.assert_equal(
            nn.Conv2d(3, 8, 2, stride=2), rewrite="patchify-linear", transplant={"weight": "o i kh kw -> o (kh kw i)"}
        )


def test_parameters_are_counted_as_those_of_the_layer() -> None:
    assert convcheck.params(parametrizations.weight_norm(nn.Linear(3, 4))) == 16
    assert convcheck.params(nn.Sequential(nn.Conv2d(3, 8, 2), nn.BatchNorm2d(8))) == 104 + 16
