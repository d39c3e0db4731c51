"""A layer of the user's own in place of another one gets the evidence that a rewrite gets."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import nn
from typer.testing import Result

import convcheck
from convcheck.errors import ConvcheckError

Run = Callable[..., Result]


class Pair(NamedTuple):
    """Two layers that compute the same, and how the second gets its weights and lays its output out."""

    reference: str
    candidate: str
    input: list[int]
    map: dict[str, str] = {}  # noqa: RUF012 (a default of a tuple is never changed)
    layout: str | None = None


EQUAL = {
    "a patch embedding is a Linear on patches": Pair(
        "Conv2d(3, 8, 4, stride=4)",
        'Sequential(rearrange("b i (h p) (w q) -> b (h w) (i p q)", p=4, q=4), Linear(48, 8))',
        [2, 3, 8, 12],
        {"1.weight": "weight: o i kh kw -> o (i kh kw)", "1.bias": "bias"},
        "b (h w) o -> b o h w, h=2",
    ),
    "with channels last, the weight has them last, too": Pair(
        "Conv2d(3, 8, 4, stride=4)",
        'Sequential(rearrange("b i (h p) (w q) -> b (h w) (p q i)", p=4, q=4), Linear(48, 8))',
        [2, 3, 8, 12],
        {"1.weight": "weight: o i kh kw -> o (kh kw i)", "1.bias": "bias"},
        "b (h w) o -> b o h w, h=2",
    ),
    "clips are patches in time": Pair(
        "Conv3d(2, 5, (2, 3, 3), stride=(2, 3, 3), bias=False)",
        'Sequential(rearrange("b i (t u) (h p) (w q) -> b (t h w) (i u p q)", u=2, p=3, q=3),'
        " Linear(36, 5, bias=False))",
        [1, 2, 4, 6, 9],
        {"1.weight": "weight: o i kt kh kw -> o (i kt kh kw)"},
        "b (t h w) o -> b o t h w, t=2, h=2",
    ),
    "a transposed convolution is a projection and a shuffle": Pair(
        "ConvTranspose2d(3, 4, 2, stride=2)",
        "Sequential(Conv2d(3, 16, 1), PixelShuffle(2))",
        [2, 3, 5, 4],
        {"0.weight": "weight: i o kh kw -> (o kh kw) i 1 1", "0.bias": "bias: o -> (o kh kw), kh=2, kw=2"},
    ),
    "a Linear is a 1x1 convolution, channels first": Pair(
        "Linear(6, 4)",
        'Sequential(rearrange("b t i -> b i t"), Conv1d(6, 4, 1))',
        [2, 5, 6],
        {"1.weight": "weight: o i -> o i 1", "1.bias": "bias"},
        "b o t -> b t o",
    ),
    "a kernel in a larger one of zeros": Pair(
        "Conv2d(3, 4, 3, padding=1)",
        "Conv2d(3, 4, 5, padding=2)",
        [1, 3, 7, 6],
        {"weight": "weight: o i kh kw -> o i kh kw | pad kh 1 1 | pad kw 1 1"},
    ),
    "holes of a dilated kernel are zeros": Pair(
        "Conv1d(3, 4, 3, dilation=2)",
        "Conv1d(3, 4, 5)",
        [2, 3, 11],
        {"weight": "weight: o i kl -> o i kl | dilate kl 2"},
    ),
    "a layer is itself, with no map": Pair("Conv2d(3, 4, 3, groups=1)", "Conv2d(3, 4, 3)", [1, 3, 6, 5]),
    "statistics move like parameters": Pair(
        "Sequential(Conv2d(3, 4, 1), BatchNorm2d(4))", "Sequential(Conv2d(3, 4, 1), BatchNorm2d(4))", [2, 3, 5, 4]
    ),
    "a kernel that covers all is Flatten and Linear": Pair(
        "Conv2d(3, 6, (4, 5))",
        "Sequential(Flatten(), Linear(60, 6))",
        [2, 3, 4, 5],
        {"1.weight": "weight: o i kh kw -> o (i kh kw)", "1.bias": "bias"},
        "b o -> b o 1 1",
    ),
}

DIFFERENT = {
    "patches with columns before rows": (
        EQUAL["a patch embedding is a Linear on patches"]._replace(
            candidate='Sequential(rearrange("b i (h p) (w q) -> b (h w) (i q p)", p=4, q=4), Linear(48, 8))'
        ),
        {"1.weight": "weight: o i kh kw -> o (i kw kh)", "1.bias": "bias"},
    ),
    "a conversion in another order than the patches": (
        EQUAL["a patch embedding is a Linear on patches"]._replace(
            map={"1.weight": "weight: o i kh kw -> o (kh kw i)", "1.bias": "bias"}
        ),
        {"1.weight": "weight: o i kh kw -> o (i kh kw)", "1.bias": "bias"},
    ),
    "phases in another order than the shuffle's": (
        EQUAL["a transposed convolution is a projection and a shuffle"]._replace(
            map={"0.weight": "weight: i o kh kw -> (kh kw o) i 1 1", "0.bias": "bias: o -> (o kh kw), kh=2, kw=2"}
        ),
        {"0.weight": "weight: i o kh kw -> (o kh kw) i 1 1", "0.bias": "bias: o -> (o kh kw), kh=2, kw=2"},
    ),
    "another border": (
        Pair("Conv2d(3, 4, 3, padding=1)", "Conv2d(3, 4, 3, padding=1, padding_mode='reflect')", [1, 3, 6, 5]),
        {},
    ),
    "a parameter larger than any memory": (
        Pair("Conv2d(3, 8, 2)", "Conv2d(3, 8, 2)", [1, 3, 5, 5], {"bias": "bias: o -> o | pad o 0 999999999999"}),
        {"bias": "bias: o -> o"},
    ),
    "an output that is laid out wrongly": (
        EQUAL["a patch embedding is a Linear on patches"]._replace(
            input=[2, 3, 8, 8], layout="b (w h) o -> b o h w, h=2"
        ),
        {},
    ),
    "another stride": (Pair("Conv2d(3, 4, 1, stride=2)", "Conv2d(3, 4, 1, stride=2, padding=1)", [1, 3, 6, 6]), {}),
}

REFUSED = {
    "a parameter that gets nothing": (
        Pair("Conv2d(3, 8, 2, bias=False)", "Conv2d(3, 8, 2)", [1, 3, 5, 5], {"weight": "weight"}),
        "bias gets nothing: the reference has no parameter 'bias'",
    ),
    "a parameter that a map leaves out": (
        Pair("Sequential(Conv2d(3, 8, 2))", "Conv2d(3, 8, 2)", [1, 3, 5, 5], {"weight": "0.weight"}),
        "bias gets nothing: the reference has no parameter 'bias'; map it: --map 'bias=0.bias', or 'bias: 0.bias'",
    ),
    "a parameter of another shape": (
        Pair("Conv2d(3, 8, 2)", "Conv2d(3, 8, 3)", [1, 3, 5, 5], {"bias": "bias"}),
        "weight is [8, 3, 3, 3] here and [8, 3, 2, 2] in the reference",
    ),
    "a map to what is not there": (
        Pair("Conv2d(3, 8, 2)", "Conv2d(3, 8, 2)", [1, 3, 5, 5], {"wieght": "weight"}),
        "the candidate has no such parameter; did you mean 'weight'",
    ),
    "a layout that does not fit": (
        Pair("Conv2d(3, 8, 2)", "Conv2d(3, 8, 2)", [1, 3, 5, 5], {}, "b o h -> b h o"),
        "layout: ",
    ),
    "a layout with steps": (
        Pair("Conv2d(3, 8, 2)", "Conv2d(3, 8, 2)", [1, 3, 5, 5], {}, "b o h w -> b o h w | flip h"),
        "an output is laid out by one pattern",
    ),
    "an input that the candidate cannot take": (
        Pair("Conv2d(3, 8, 2)", "Linear(3, 8)", [1, 3, 5, 5]),
        "candidate: Linear takes [..., 3]",
    ),
}


def verify(pair: Pair, **more: object) -> convcheck.Result:
    return convcheck.verify(
        pair.reference, pair.input, candidate=pair.candidate, map=pair.map, layout=pair.layout, **more
    )


def words(pair: Pair) -> list[str]:
    maps = [word for name, source in pair.map.items() for word in ("--map", f"{name}={source}")]
    layout = ["--layout", pair.layout] if pair.layout else []
    return [pair.reference, "--candidate", pair.candidate, "-i", ",".join(map(str, pair.input)), *maps, *layout]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL.keys())
def test_equal(pair: Pair, dtype: str) -> None:
    result = verify(pair, dtype=dtype)
    assert (result.verdict, result.reasons) == ("equal", ())
    assert (result.rewrite, result.evidence, result.exact.status) == (None, "exact", "identical")
    assert result.gradients.status == "identical"


@pytest.mark.parametrize(("pair", "mended"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_different_and_the_map_that_would_match_is_named_and_matches(pair: Pair, mended: dict[str, str]) -> None:
    result = verify(pair)
    assert result.verdict == "different"
    assert result.suggestions == mended
    if mended:
        assert verify(pair._replace(map=mended)).verdict == "equal"


@pytest.mark.parametrize(("pair", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(convcheck: Run, pair: Pair, message: str) -> None:
    with pytest.raises(ConvcheckError, match=r".") as error:
        verify(pair)
    assert message.removeprefix("layout: ").removeprefix("candidate: ") in str(error.value)
    printed = convcheck("verify", *words(pair))
    assert printed.exit_code == 2
    assert message in printed.stderr


@pytest.mark.parametrize("pair", [*EQUAL.values(), *(pair for pair, _ in DIFFERENT.values())])
def test_the_command_line_says_the_same_and_its_command_repeats_it(convcheck: Run, pair: Pair) -> None:
    result = verify(pair)
    printed = convcheck("verify", *words(pair), "-f", "json")
    (found,) = json.loads(printed.stdout)["results"]
    assert printed.exit_code == (0 if result.ok else 1)
    assert (found["verdict"], found["reasons"]) == (result.verdict, list(map(str, result.reasons)))
    assert (found["rewrite"], found["evidence"]) == (None, "exact")
    program, *again = shlex.split(found["reproduce"])
    assert program == "convcheck"
    repeated = convcheck(*again, "-f", "json")
    (same,) = json.loads(repeated.stdout)["results"]
    assert {**same, "seconds": 0} == {**found, "seconds": 0}


CONFIG = """\
cases:
  - name: mine
    reference: Conv2d(3, 8, 4, stride=4)
    candidate: Sequential(rearrange("b i (h p) (w q) -> b (h w) (i p q)", p=4, q=4), Linear(48, 8))
    input: [2, 3, 8, 12]
    map:
      1.bias: bias
      1.weight: "weight: o i kh kw -> o (i kh kw)"
    layout: b (h w) o -> b o h w, h=2
"""


def test_a_config_holds_a_candidate_and_a_wrong_map_is_pointed_at(convcheck: Run, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    assert convcheck("verify", file).exit_code == 0
    assert convcheck("verify", file, "--list").stdout == "mine\n"
    file.write_text(CONFIG.replace("o (i kh kw)", "o (kh kw i)"))
    printed = convcheck("verify", file)
    assert printed.exit_code == 1
    assert f"{file}:8: weight was laid out as" in printed.stdout
    (pasted,) = [line.partition("paste: ")[2] for line in printed.stdout.splitlines() if "paste: " in line]
    file.write_text(CONFIG[: CONFIG.index("    map:")] + f"    {pasted}\n" + CONFIG[CONFIG.index("    layout:") :])
    assert convcheck("verify", file).exit_code == 0


FAULTS = {
    "rewrite": ("    rewrite: loops\n", "rewrite: it belongs to a rewrite, and there is a candidate"),
    "layer": ("    layer: Linear(3, 4)\n", "reference: it is another name of `layer`"),
    "order": ("    order: kh kw i\n", "order: it belongs to a rewrite"),
    "a wrong side": ("    seed: -1\n", "seed: "),
}


@pytest.mark.parametrize(("line", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_of_a_config_have_their_places(convcheck: Run, tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG + line)
    printed = convcheck("verify", file)
    assert printed.exit_code == 2
    assert f"cases[0].{message}" in printed.stderr


def test_keys_of_a_candidate_without_one_are_faults(convcheck: Run, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("cases:\n  - {layer: 'Conv2d(3, 4, 2)', map: {weight: weight}, layout: b o h w -> b o h w}\n")
    printed = convcheck("verify", file)
    assert printed.exit_code == 2
    assert printed.stderr.count("it belongs to a candidate, and there is none") == 2


def test_options_of_a_candidate_go_together(convcheck: Run) -> None:
    for given in (["--map", "weight=weight"], ["--layout", "b o h w -> b o h w"]):
        assert "name it with --candidate" in convcheck("verify", "Conv2d(3, 4, 2)", *given).stderr
    both = ["verify", "Conv2d(3, 4, 2)", "--candidate", "Conv2d(3, 4, 2)"]
    assert "goes with one layer" in convcheck(*both, "-r", "loops").stderr
    assert "goes with one layer" in convcheck(*both, "Linear(3, 4)").stderr
    assert "has no '='" in convcheck(*both, "--map", "weight").stderr
    assert "a second one" in convcheck(*both, "--map", "weight=weight", "--map", "weight=weight").stderr


def test_modules_are_sides_and_stay_as_they_were() -> None:
    torch.manual_seed(0)
    reference, candidate = (
        nn.Conv2d(3, 8, 2, stride=2),
        nn.Sequential(nn.Flatten(2), nn.Unflatten(2, (6, 6)), nn.Conv2d(3, 8, 2, stride=2)),
    )
    before = {name: tensor.clone() for name, tensor in candidate.state_dict().items()}
    result = convcheck.verify(
        reference, (2, 3, 6, 6), candidate=candidate, map={"2.weight": "weight", "2.bias": "bias"}
    )
    assert result.verdict == "equal"
    assert all(torch.equal(before[name], tensor) for name, tensor in candidate.state_dict().items())


def test_an_assertion_names_the_candidate() -> None:
    with pytest.raises(AssertionError, match="is different"):
        convcheck.assert_equal(
            "Conv2d(3, 4, 2)", (1, 3, 5, 5), candidate="Conv2d(3, 4, 2)", map={"weight": "weight: o i a b -> o i b a"}
        )
