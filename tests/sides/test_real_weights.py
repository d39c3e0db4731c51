"""The numeric part of a case runs on the tensors of a file; what is wrong with them is told without torch."""

from __future__ import annotations

import json
import re
import shlex
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import Result

from convcheck.catalogue.catalogue import vocabulary
from convcheck.catalogue.claims import claims_of
from convcheck.config import stored_tensors
from convcheck.config.case import Case
from convcheck.config.load import load
from convcheck.errors import ConfigError
from convcheck.proof.pair import Pair
from convcheck.proof.real_weights import weight_source
from convcheck.proof.run import run
from convcheck.sides.sample import Sample
from tests.cli.test_light import imported

pytestmark = pytest.mark.kernels

LAYER = "layer: Conv2d(3, 8, kernel_size=2, stride=2)"
CHAIN = "layer: Sequential(Conv2d(3, 8, 3), BatchNorm2d(8))"

Program = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model of random weights, whole and spoilt."""
    generator = torch.Generator().manual_seed(3)
    tensors = {
        "stem.weight": torch.randn(8, 3, 2, 2, generator=generator),
        "stem.bias": torch.randn(8, generator=generator, dtype=torch.float64),
        "half": torch.randn(8, 3, 2, 2, generator=generator).half(),
        "brain": torch.randn(8, 3, 2, 2, generator=generator).bfloat16(),
        "0": torch.randn(8, generator=generator),
        "conv": torch.randn(8, 3, 3, 3, generator=generator),
        "mean": torch.randn(8, generator=generator),
        "var": torch.rand(8, generator=generator) + 1,
        "steps": torch.tensor(7),
        "scalar": torch.tensor(0.5),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-8])
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "huge.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    (tmp_path / "text.safetensors").write_text("not a model at all\n")
    (tmp_path / "nothing.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    for name, dtype, size in (("packed", "F8_E4M3", 96), ("odd", "F77", 96)):
        header = json.dumps({"w": {"dtype": dtype, "shape": [8, 3, 2, 2], "data_offsets": [0, size]}}).encode()
        (tmp_path / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "loop.safetensors").symlink_to("loop.safetensors")
    (tmp_path / "model.pt").touch()
    return tmp_path


def config(folder: Path, *lines: str) -> Path:
    """Write a config with one case."""
    file = folder / "c.yaml"
    file.write_text("cases:\n  - " + "\n    ".join(lines) + "\n")
    return file


def read(file: Path) -> list[Case]:
    return load(file, "c.yaml", vocabulary())


def model(**keys: str) -> str:
    return f"weights: {{{', '.join(f'{name}: {key}' for name, key in {'file': 'model.safetensors', **keys}.items())}}}"


REFUSES: dict[str, tuple[tuple[str, ...], str]] = {
    "no mapping": (
        (LAYER, "weights: model.safetensors"),
        "c.yaml:3:5: cases[0].weights: 'model.safetensors' will not do; it must be a mapping such as {file: ",
    ),
    "no file": (
        (LAYER, "weights: {weight: stem.weight}"),
        "c.yaml:3:5: cases[0].weights: the key 'file' is missing; it names a file that ends in .safetensors",
    ),
    "an empty mapping": ((LAYER, "weights: {}"), "the key 'file' is missing"),
    "a file that is not there": (
        (LAYER, model(file="modle.safetensors", weight="stem.weight")),
        "c.yaml:3:15: cases[0].weights.file: there is no file 'modle.safetensors', as seen from the config; "
        "did you mean 'model.safetensors'?",
    ),
    "a folder that is not there": (
        (LAYER, model(file="none/m.safetensors", weight="stem.weight")),
        "there is no file 'none/m.safetensors', as seen from the config\n",
    ),
    "a folder": ((LAYER, model(file="folder.safetensors", weight="w")), "'folder.safetensors' is a folder"),
    "a link to itself": ((LAYER, model(file="loop.safetensors", weight="w")), "there is no file 'loop.safetensors'"),
    "a path that is too long": (
        (LAYER, model(file="x" * 300 + ".safetensors", weight="w")),
        "xxx... cannot be read: File name too long",
    ),
    "a path with a NUL byte": (
        (LAYER, 'weights: {file: "a\\0.safetensors", weight: w}'),
        "'a\\x00.safetensors', as seen from the config",
    ),
    "a file of another kind": (
        (LAYER, model(file="model.pt", weight="w")),
        "'model.pt' does not end in .safetensors, and no other files are read; convert it, for example with "
        "safetensors.torch.save_file(torch.load('model.pt'), 'model.safetensors')",
    ),
    "a file that is a number": ((LAYER, model(file="5", weight="w")), "5 is no path; it must be a text"),
    "a file that was cut": (
        (LAYER, model(file="cut.safetensors", weight="w")),
        "'cut.safetensors' is no whole safetensors file: ",
    ),
    "an empty file": (
        (LAYER, model(file="empty.safetensors", weight="w")),
        "'empty.safetensors' is no whole safetensors file: ",
    ),
    "a header of exabytes": (
        (LAYER, model(file="huge.safetensors", weight="w")),
        "'huge.safetensors' is no whole safetensors file: ",
    ),
    "a text": ((LAYER, model(file="text.safetensors", weight="w")), "'text.safetensors' is no whole safetensors file:"),
    "a dtype that nobody has": (
        (LAYER, model(file="odd.safetensors", weight="w")),
        "'odd.safetensors' is no whole safetensors file: ",
    ),
    "a file without tensors": (
        (LAYER, model(file="nothing.safetensors", weight="w")),
        "there is no 'w' in nothing.safetensors; there is none to choose from",
    ),
    "no parameter": (
        (LAYER, model()),
        "c.yaml:3:5: cases[0].weights: no parameter is named; add one with its key in the file, such as weight: KEY",
    ),
    "an unknown key of the file": (
        (LAYER, model(weight="stem.wieght")),
        "c.yaml:3:40: cases[0].weights.weight: there is no 'stem.wieght' in model.safetensors; "
        "did you mean 'stem.weight'?",
    ),
    "a key that is like none": (
        (LAYER, model(weight="zzzzz")),
        "there is no 'zzzzz' in model.safetensors; there are: 0, brain, conv, half, mean, scalar, stem.bias, "
        "stem.weight and 2 more",
    ),
    "a key that is a number": (
        (LAYER, model(bias="0")),
        "cases[0].weights.bias: 0 is no key; it must be a text, in quotes if it looks like a number",
    ),
    "a parameter that the layer does not have": (
        (LAYER, model(wieght="stem.weight")),
        "cases[0].weights.wieght: Conv2d(3, 8, kernel_size=(2, 2), stride=(2, 2)) has no such parameter; "
        "did you mean 'weight'?",
    ),
    "a bias where there is none": (
        ("layer: Conv2d(3, 8, 2, stride=2, bias=False)", model(weight="stem.weight", bias="stem.bias")),
        "c.yaml:3:61: cases[0].weights.bias: Conv2d(3, 8, kernel_size=(2, 2), stride=(2, 2), bias=False) has no such",
    ),
    "a parameter of a chain without its layer's number": (
        (CHAIN, model(running_var="var")),
        "has no such parameter; did you mean '1.running_var'?",
    ),
    "a parameter of a layer that has none": (
        ("layer: PixelShuffle(2)", model(weight="mean")),
        "PixelShuffle(upscale_factor=2) has no such parameter; there is none to choose from",
    ),
    "another shape": (
        (LAYER, model(weight="conv")),
        "weight of Conv2d(3, 8, kernel_size=(2, 2), stride=(2, 2)) is [8, 3, 2, 2], and 'conv' in model.safetensors "
        "is [8, 3, 3, 3]",
    ),
    "a scalar": ((LAYER, model(bias="scalar")), "is [8], and 'scalar' in model.safetensors is []"),
    "whole numbers": (
        (LAYER, model(bias="steps")),
        "'steps' in model.safetensors is I64; weights must be one of F64, F32, F16, BF16",
    ),
    "eight bits": (
        (LAYER, model(file="packed.safetensors", weight="w")),
        "'w' in packed.safetensors is F8_E4M3; weights must be one of F64, F32, F16, BF16",
    ),
    "a matrix that leads to a missing key": (
        (LAYER, 'name: "{k}"', model(weight='"{k}.weight"'), "matrix: {k: [stem, trunk]}"),
        "c.yaml:4:40: cases[0].weights.weight: there is no 'trunk.weight' in model.safetensors",
    ),
}


@pytest.mark.parametrize(("lines", "message"), REFUSES.values(), ids=REFUSES.keys())
def test_refuses(folder: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(config(folder, *lines))
    assert message in f"{error.value}\n"


def test_all_faults_are_told_at_once_even_beside_a_layer_that_cannot_be_read(folder: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read(config(folder, "layer: Conv2d(3)", model(weight="conf", bias="1", other="steps")))
    assert [(fault.path, fault.column) for fault in error.value.faults] == [
        ("cases[0].layer", 5),
        ("cases[0].weights.weight", 40),
        ("cases[0].weights.bias", 54),
        ("cases[0].weights.other", 63),
    ]


def test_without_safetensors_the_way_to_it_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_tensors._listed.cache_clear()
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ConfigError, match=re.escape("pip install safetensors")):
        read(config(folder, LAYER, model(weight="stem.weight")))


def test_a_file_that_was_written_anew_is_read_anew(folder: Path) -> None:
    file = config(folder, LAYER, model(weight="other"))
    with pytest.raises(ConfigError, match="there is no 'other'"):
        read(file)
    save_file({"other": torch.ones(8, 3, 2, 2)}, folder / "model.safetensors")
    assert len(read(file)) == 1


def test_faults_are_told_and_parameters_counted_without_torch(folder: Path) -> None:
    config(folder, LAYER, model(weight="stem.wieght"))
    assert imported(["verify", "c.yaml"], {"torch"}, folder) == "HEAVY 2"
    config(folder, LAYER, model(weight="stem.weight"))
    assert imported(["params", "c.yaml"], {"torch"}, folder) == "HEAVY 0"


def used(case: Case, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Sample], tuple[str, ...]]:
    """Run a case, and return the points that are not of integers, nor all drawn, and what was noted."""
    once, seen = Pair.run_candidate, []
    balanced, drawn = Pair.balanced, []

    def draw(pair: Pair, generator: torch.Generator) -> Sample:
        drawn.append(balanced(pair, generator))
        return drawn[-1]

    def spy(pair: Pair, point: Sample) -> torch.Tensor:
        seen.append(point)
        return once(pair, point)

    monkeypatch.setattr(Pair, "run_candidate", spy)
    monkeypatch.setattr(Pair, "balanced", draw)
    report = run(list(claims_of([case])))
    assert report.ok
    real = [point for point in seen if not any(torch.equal(point.inputs[0], each.inputs[0]) for each in drawn)]
    return [point for point in real if point.inputs[0].frac().any()], [*map(str, report.results[0].notes)]


WORKS: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "all parameters": (
        (LAYER, "rewrite: patchify-linear", model(weight="stem.weight", bias="stem.bias")),
        {"weight": "stem.weight", "bias": "stem.bias"},
        "weights: weight, bias of model.safetensors",
    ),
    "one of them, the other drawn": (
        (LAYER, "rewrite: patchify-linear", model(weight="stem.weight")),
        {"weight": "stem.weight"},
        "weights: weight of model.safetensors; random, since no key is given: bias",
    ),
    "a tensor of bfloat16 in a run of float32": (
        (LAYER, "rewrite: patchify-linear", model(weight="brain")),
        {"weight": "brain"},
        "weights: weight of model.safetensors; random, since no key is given: bias",
    ),
    "a tensor of float16 in a run of bfloat16": (
        (LAYER, "rewrite: patchify-linear", "dtype: bfloat16", model(weight="half")),
        {"weight": "half"},
        "weights: weight of model.safetensors; random, since no key is given: bias",
    ),
    "a key that looks like a number, in quotes": (
        (LAYER, "rewrite: patchify-linear", model(bias="'0'")),
        {"bias": "0"},
        "weights: bias of model.safetensors; random, since no key is given: weight",
    ),
    "statistics of a chain": (
        (
            CHAIN,
            "rewrite: fold-batchnorm",
            model(**{"0.weight": "conv", "1.running_mean": "mean", "1.running_var": "var"}),
        ),
        {"0.weight": "conv", "1.running_mean": "mean", "1.running_var": "var"},
        "weights: 0.weight, 1.running_mean, 1.running_var of model.safetensors; random, since no key is given: "
        "0.bias, 1.weight, 1.bias",
    ),
    "keys that a matrix spells": (
        (LAYER, "rewrite: patchify-linear", model(weight='"{k}.weight"'), "matrix: {k: [stem]}"),
        {"weight": "stem.weight"},
        "weights: weight of model.safetensors; random, since no key is given: bias",
    ),
    "attention, which has no exact part": (
        ("layer: MultiheadAttention(8, 2)", model(**{"out_proj.bias": "mean"})),
        {"out_proj.bias": "mean"},
        "weights: out_proj.bias of model.safetensors; random, since no key is given: in_proj_weight, in_proj_bias, "
        "out_proj.weight",
    ),
}


@pytest.mark.parametrize(("lines", "keys", "note"), WORKS.values(), ids=WORKS.keys())
def test_the_numeric_part_runs_on(
    folder: Path, lines: tuple[str, ...], keys: dict[str, str], note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    tensors = load_file(folder / "model.safetensors")
    (case,) = read(config(folder, *lines))
    points, notes = used(case, monkeypatch)
    assert points
    for point in points:
        for name, key in keys.items():
            assert torch.equal(point.parameters[name], tensors[key].to(point.inputs[0].dtype))
    assert note in notes


def test_without_weights_nothing_is_said_of_them(folder: Path) -> None:
    (case,) = read(config(folder, LAYER, "rewrite: patchify-linear"))
    assert weight_source(case) is None
    assert run(list(claims_of([case]))).results[0].notes == ()


def test_defaults_name_the_file_and_a_case_its_keys_or_none(folder: Path) -> None:
    file = folder / "c.yaml"
    file.write_text(
        "defaults: {weights: {file: model.safetensors}, rewrite: patchify-linear}\n"
        "cases:\n"
        "  - {name: a, layer: 'Conv2d(3, 8, 2, stride=2)', weights: {weight: stem.weight}}\n"
        "  - {name: b, layer: 'Conv2d(3, 8, 2, stride=2)', weights: null}\n"
    )
    one, two = read(file)
    assert one.weights is not None
    assert (one.weights.written, dict(one.weights.keys)) == ("model.safetensors", {"weight": "stem.weight"})
    assert two.weights is None


def test_paths_are_seen_from_the_config_and_the_result_is_repeated_by_its_command(
    folder: Path, convcheck: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    config(folder, LAYER, "rewrite: patchify-linear", model(weight="stem.weight", bias="stem.bias"))
    first = json.loads(convcheck("verify", "../c.yaml", "-f", "json").stdout)["results"][0]
    program, *words = shlex.split(first["reproduce"])
    assert (program, words[1]) == ("convcheck", "../c.yaml")
    again = json.loads(convcheck(*words, "-f", "json").stdout)["results"][0]
    assert (again["error"], again["notes"]) == (first["error"], first["notes"])
    assert "weights: weight, bias of model.safetensors" in first["notes"]


def test_real_weights_change_the_numbers_and_not_the_exact_part(folder: Path) -> None:
    lines = ("name: a", LAYER, "rewrite: patchify-linear")
    (drawn,) = run(list(claims_of(read(config(folder, *lines))))).results
    (real,) = run(list(claims_of(read(config(folder, *lines, model(weight="stem.weight")))))).results
    assert real.exact == drawn.exact
    assert real.error != drawn.error


def test_a_file_that_vanishes_before_it_is_used_is_an_error_and_no_crash(folder: Path) -> None:
    cases = read(config(folder, LAYER, "rewrite: patchify-linear", model(weight="stem.weight")))
    (folder / "model.safetensors").unlink()
    (result,) = run(list(claims_of(cases))).results
    assert result.verdict == "error"
    assert "could not be run: model.safetensors was read before, and cannot be now" in (result.reason or "")
