"""A function from state dict to state dict is a map: by what it moves, or as it computes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import Result

import convcheck
from convcheck.results import Verdict
from tests.proof.test_own_candidate import CONFIG, EQUAL, Pair

Run = Callable[..., Result]
State = dict[str, Tensor]
PATCHES = EQUAL["a patch embedding is a Linear on patches"]
CHAIN = Pair("Sequential(Conv2d(3, 4, 1), Conv2d(4, 5, 3))", "Conv2d(3, 5, 3)", [2, 3, 6, 7])


def prove(pair: Pair, function: Callable[[State], Mapping[str, Tensor]], **more: object) -> convcheck.Result:
    return convcheck.verify(
        pair.reference, pair.input, candidate=pair.candidate, map_by=function, layout=pair.layout, **more
    )


def flattened(state: State) -> State:
    return {"1.weight": state["weight"].flatten(1), "1.bias": state["bias"]}


def flattened_by_numpy(state: State) -> State:
    return {name: torch.from_numpy(tensor.numpy().copy()) for name, tensor in flattened(state).items()}


def channels_last(state: State) -> State:
    return {**flattened(state), "1.weight": state["weight"].permute(0, 2, 3, 1).flatten(1)}


def without_bias(state: State) -> State:
    return {**flattened(state), "1.bias": torch.zeros_like(state["bias"])}


def merged(state: State) -> State:
    first, second = state["0.weight"].flatten(1), state["1.weight"]
    weight = torch.einsum("omhw,mi->oihw", second, first)
    return {"weight": weight, "bias": second.sum((2, 3)) @ state["0.bias"] + state["1.bias"]}


def merged_by_numpy(state: State) -> State:
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    weight = np.einsum("omhw,mi->oihw", arrays["1.weight"], arrays["0.weight"][:, :, 0, 0])
    bias = arrays["1.weight"].sum((2, 3)) @ arrays["0.bias"] + arrays["1.bias"]
    return {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}


@pytest.mark.parametrize("function", [flattened, flattened_by_numpy])
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_what_moves_entries_is_exact_and_its_patterns_can_be_given_again(
    function: Callable[[State], State], dtype: str
) -> None:
    result = prove(PATCHES, function, dtype=dtype)
    assert (result.verdict, result.exact.status, result.gradients.status) == ("equal", "identical", "identical")
    assert (result.one_to_one, result.map) == (
        True,
        {"1.weight": "weight: o i kh kw -> o (i kh kw)", "1.bias": "bias: o -> o"},
    )
    again = convcheck.verify(
        PATCHES.reference, PATCHES.input, candidate=PATCHES.candidate, map=result.map, layout=PATCHES.layout
    )
    assert again.verdict == "equal"


def test_a_conversion_in_another_order_is_diagnosed() -> None:
    result = prove(PATCHES, channels_last)
    assert result.verdict == "different"
    assert result.suggestions == {"1.weight": "weight: o i kh kw -> o (i kh kw)", "1.bias": "bias: o -> o"}


@pytest.mark.parametrize("copied", [lambda bias: bias.repeat(4), lambda bias: bias.expand(2, 2, 3).flatten()])
def test_what_is_suggested_in_place_of_a_function_can_be_given_as_it_stands(copied: Callable[[Tensor], Tensor]) -> None:
    unpatch = "rearrange('b h w (p q c) -> b c (h p) (w q)', p=2, q=2)"
    candidate = f"Sequential(rearrange('b c h w -> b h w c'), Linear(5, 12), {unpatch})"
    pair = Pair("ConvTranspose2d(5, 3, 2, stride=2)", candidate, [2, 5, 3, 4])

    def wrong(state: State) -> State:
        return {"1.weight": state["weight"].permute(1, 2, 3, 0).flatten(0, 2), "1.bias": copied(state["bias"])}

    result = prove(pair, wrong)
    assert result.verdict == "different"
    assert result.suggestions["1.bias"] == "bias: o -> (r o), r=4"
    pasted = convcheck.verify(pair.reference, pair.input, candidate=candidate, map=result.suggestions)
    assert pasted.verdict == "equal"


def test_a_map_that_no_text_says_is_not_suggested() -> None:
    pair = PATCHES._replace(reference=PATCHES.reference.removesuffix(")") + ", bias=False)")

    def wrong(state: State) -> State:
        weight = state["weight"].permute(0, 2, 3, 1).flatten(1)
        return {"1.weight": weight, "1.bias": weight.new_zeros(len(weight))}

    result = prove(pair, wrong)
    assert (result.suggestion, result.suggestions) == ("o i kh kw -> o (i kh kw)", {})


def test_constants_stand_between_entries() -> None:
    pair = Pair("Conv2d(3, 4, 3, bias=False)", "Conv2d(3, 4, 3)", [2, 3, 6, 7])
    for constant, verdict in ((0.0, "equal"), (0.5, "different")):
        result = prove(pair, lambda state, c=constant: {**state, "bias": torch.full((4,), c, dtype=torch.float64)})
        assert (result.verdict, result.one_to_one) == (verdict, False)
        assert result.exact.status == ("identical" if verdict == "equal" else "different")


def test_a_forgotten_bias_is_different() -> None:
    assert prove(PATCHES, without_bias).verdict == "different"
    result = prove(PATCHES, lambda state: {"1.weight": state["weight"].flatten(1)})
    assert (result.verdict, str(result.reasons[0])) == ("different", "nothing is transplanted to 1.bias")


@pytest.mark.parametrize("function", [merged, merged_by_numpy])
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_what_computes_is_compared_in_float64(function: Callable[[State], State], dtype: str) -> None:
    result = prove(CHAIN, function, dtype=dtype)
    assert (result.verdict, result.evidence, result.exact.status) == ("equal", "float64", "not-applicable")
    assert result.gradients.status == "not-applicable"
    assert any("the map does more than move entries" in str(note) for note in result.notes)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("constant", [1.0, 3.0])
def test_a_constant_that_is_taken_away_makes_no_bound_negative(constant: float, dtype: str) -> None:
    class Scaled(nn.Module):
        def __init__(self, offset: float) -> None:
            super().__init__()
            self.weight, self.offset = nn.Parameter(torch.randn(4)), offset

        def forward(self, x: Tensor) -> Tensor:
            return x * (self.weight + self.offset)

    result = convcheck.verify(
        Scaled(0.0),
        (3, 4),
        candidate=Scaled(constant),
        map_by=lambda state: {"weight": state["weight"] - constant},
        dtype=dtype,
    )
    assert result.verdict is Verdict.EQUAL, result.reason


def test_a_wrong_computation_is_different() -> None:
    for factor in (1.5, 1 + 1e-9):
        result = prove(CHAIN, lambda state, f=factor: {**merged(state), "bias": merged(state)["bias"] * f})
        assert result.verdict == "different"


def test_entries_that_are_no_pattern_move_exactly() -> None:
    order = torch.tensor([3, 0, 2, 1])
    pair = Pair("Sequential(Linear(6, 4), Linear(4, 3))", "Sequential(Linear(6, 4), Linear(4, 3))", [2, 6])

    def permuted(state: State) -> State:
        return {
            **state,
            "0.weight": -state["0.weight"][order],
            "0.bias": -state["0.bias"][order],
            "1.weight": -state["1.weight"][:, order],
        }

    result = prove(pair, permuted)
    assert (result.verdict, result.exact.status, result.gradients.status) == ("equal", "identical", "identical")
    assert result.one_to_one
    wrong = prove(pair, lambda state: {**permuted(state), "1.weight": -state["1.weight"]})
    assert (wrong.verdict, wrong.exact.status) == ("different", "different")


def test_what_depends_on_values_is_no_move() -> None:
    result = prove(PATCHES, lambda state: {n: t.clamp(min=0.0) for n, t in flattened(state).items()})
    assert (result.exact.status, result.verdict) == ("not-applicable", "different")


def in_place(state: State) -> State:
    state["weight"].mul_(2)
    return flattened(state)


def popping(state: State) -> State:
    return {"1.weight": state.pop("weight").flatten(1), "1.bias": state["bias"]}


def raising(state: State) -> State:
    return {"1.weight": state["wieght"]}


FAULTS: dict[str, tuple[Callable[[State], object], str]] = {
    "changes a tensor": (in_place, "in_place changes weight in place"),
    "changes the dict": (popping, "popping changes the dict that it gets, at weight"),
    "raises": (raising, "test_map_functions.py:"),
    "raises what": (raising, "KeyError: 'wieght'"),
    "returns nothing": (lambda _state: None, "returns NoneType; it must return a dict of tensors by name"),
    "a key that is none": (lambda state: {1: state["bias"]}, "returns the key 1, which is no name"),
    "no tensor": (lambda _state: {"1.bias": [1.0]}, "returns list as 1.bias; it must be a tensor"),
    "another dtype": (
        lambda state: {"1.bias": state["bias"].half()},
        "makes 1.bias torch.float16 of tensors in float64",
    ),
}


@pytest.mark.parametrize(("function", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_function_that_cannot_be_used_is_an_error_with_its_cause(
    function: Callable[[State], Mapping[str, Tensor]], message: str
) -> None:
    result = prove(PATCHES, function)
    assert result.verdict == "error"
    assert message in str(result.reason)


CODE = """\
def convert(state):
    return {"1.weight": state["weight"].permute(0, 2, 3, 1).flatten(1), "1.bias": state["bias"]}

def misspelt(state):
    return {"1.weight": state["wieght"]}

number = 3
"""


def test_a_function_on_the_command_line(convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("convert.py").write_text(CODE)
    words = ["verify", PATCHES.reference, "--candidate", PATCHES.candidate, "-i", "2,3,8,12"]
    words += ["--layout", str(PATCHES.layout), "--map-by"]
    printed = convcheck(*words, "convert.py:convert", "--trust", "-f", "json")
    (found,) = json.loads(printed.stdout)["results"]
    assert (printed.exit_code, found["verdict"]) == (1, "different")
    assert found["map"] == {"1.weight": "weight: o i kh kw -> o (kh kw i)", "1.bias": "bias: o -> o"}
    assert found["suggestions"] == {"1.weight": "weight: o i kh kw -> o (i kh kw)", "1.bias": "bias: o -> o"}
    program, *again = shlex.split(found["reproduce"])
    assert (program, convcheck(*again).exit_code) == ("convcheck", 1)
    raised = convcheck(*words, "convert.py:misspelt", "--trust")
    assert (raised.exit_code, "convert.py:5: KeyError: 'wieght'" in raised.stdout) == (1, True)
    for name, message in {
        "convert.py:number": "is no function",
        "convert.py:convert()": "is no function",
        "convert.py:konvert": "konvert is not there",
        "convert": "is no code; write path/to/file.py:function",
    }.items():
        refused = convcheck(*words, name, "--trust")
        assert (refused.exit_code, message in refused.stderr) == (2, True)
    both = convcheck(*words, "convert.py:convert", "--trust", "--map", "1.bias=bias")
    assert (both.exit_code, "makes all parameters" in both.stderr) == (2, True)


def test_without_trust_a_function_is_not_imported(
    convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("convert.py").write_text(f"{CODE}\nopen('imported', 'w').close()\n")
    words = ["verify", PATCHES.reference, "--candidate", PATCHES.candidate, "--map-by", "convert.py:convert"]
    refused = convcheck(*words)
    assert (refused.exit_code, "is run only by verify with --trust" in refused.stderr) == (2, True)
    assert not Path("imported").exists()


def test_a_name_or_shape_that_the_candidate_has_not_is_named() -> None:
    more = prove(PATCHES, lambda state: {**flattened(state), "2.weight": state["bias"]})
    assert (more.verdict, str(more.reasons[0])) == ("different", "the candidate has no parameter 2.weight")
    other = prove(PATCHES, lambda state: {**flattened(state), "1.weight": state["weight"].flatten(0, 2)})
    assert other.verdict == "different"
    assert "makes 1.weight [96, 4], and the candidate's is [8, 48]" in str(other.reasons)


def test_a_function_in_a_config(convcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "convert.py").write_text(CODE)
    file = tmp_path / "config.yaml"
    lines = CONFIG.splitlines()
    start = lines.index("    map:")
    file.write_text("\n".join([*lines[:start], "    map: convert.py:convert", *lines[start + 3 :]]))
    untrusted = convcheck("verify", file)
    assert (untrusted.exit_code, "config.yaml:6:5: cases[0].map: " in untrusted.stderr) == (2, True)
    assert "is run only by verify with --trust" in untrusted.stderr
    trusted = convcheck("verify", file, "--trust")
    assert (trusted.exit_code, "weight was laid out as 'o i kh kw -> o (kh kw i)'" in trusted.stdout) == (1, True)
    for written, message in {
        "convert.py:konvert": "konvert is not there",
        "convert": "is no code; write path/to/file.py:function, or a mapping by parameters",
    }.items():
        file.write_text("\n".join([*lines[:start], f"    map: {written}", *lines[start + 3 :]]))
        refused = convcheck("verify", file, "--trust")
        assert (refused.exit_code, message in refused.stderr) == (2, True)
        assert refused.stderr.count("config.yaml:") == 1


def test_own_weights_in_a_config_of_text_are_refused(convcheck: Run, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG + "    weights: own\n")
    refused = convcheck("verify", file)
    assert (refused.exit_code, "cases[0].weights: " in refused.stderr) == (2, True)
    assert "is text, which holds no weights of its own" in refused.stderr
    file.write_text("cases: [{layer: 'Conv2d(3, 4, 2)', weights: own}]")
    assert "with those of a candidate, and there is none" in convcheck("verify", file).stderr
