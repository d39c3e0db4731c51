"""`convcheck transplant`: what it does, what it refuses, and what it leaves as it was."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from typer.testing import Result

from tests.checkpoints.model import INDEX, WORDS, sharded, single, tensors

Run = Callable[..., Result]

FOLD = ("--layer", "Sequential(Conv2d(3, 8, 3, bias=False), BatchNorm2d(8))", "-r", "fold-batchnorm")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    single(tmp_path / "a.safetensors")
    sharded(tmp_path / "parts")
    return tmp_path


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files of a folder, hidden ones as well."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_json_says_what_was_moved(convcheck: Run) -> None:
    result = convcheck("transplant", "a.safetensors", "b.safetensors", *WORDS, "-f", "json")
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout)
    assert done["moved"] == {
        "net.patch.project.weight": {"from": ["net.patch.weight"], "pattern": "o i kh kw -> o (i kh kw)"},
        "net.patch.project.bias": {"from": ["net.patch.bias"], "pattern": "o -> o"},
    }
    assert (done["copied"], done["verified"], done["file"]) == (3, True, "b.safetensors")
    made = load_file("b.safetensors")
    assert torch.equal(made["net.patch.project.weight"], tensors()["net.patch.weight"].flatten(1))
    with safe_open("b.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_a_module_is_renamed_there_and_back(convcheck: Run) -> None:
    words = (*WORDS, "--rename", "net.patch.project=net.patch", "--rename", "net.ids=net.numbers")
    assert convcheck("transplant", "a.safetensors", "b.safetensors", *words).exit_code == 0
    assert set(load_file("b.safetensors")) == {*tensors(), "net.numbers"} - {"net.ids"}
    assert convcheck("transplant", "b.safetensors", "c.safetensors", *words, "--inverse").exit_code == 0
    assert Path("c.safetensors").read_bytes() == Path("a.safetensors").read_bytes()


def test_a_chain_stands_at_several_places(convcheck: Run) -> None:
    """The counter of a batch norm that is folded goes with it: the class that loads the file has none."""
    norm = {"weight": torch.rand(8) + 0.5, "bias": torch.randn(8), "running_mean": torch.randn(8)}
    norm |= {"running_var": torch.rand(8) + 0.5, "num_batches_tracked": torch.tensor(3)}
    save_file(
        {"conv1.weight": torch.randn(8, 3, 3, 3), **{f"bn1.{key}": t for key, t in norm.items()}}, "r.safetensors"
    )
    result = convcheck("transplant", "r.safetensors", "f.safetensors", *FOLD, "--at", "conv1", "--at", "bn1")
    assert result.exit_code == 0, result.output
    assert set(load_file("f.safetensors")) == {"conv1.weight", "conv1.bias"}
    assert "bn1.num_batches_tracked" in result.stdout


def test_a_dtype_is_stored_and_its_loss_said(convcheck: Run) -> None:
    result = convcheck("transplant", "a.safetensors", "b.safetensors", *WORDS, "--dtype", "bf16", "-f", "json")
    assert result.exit_code == 0, result.output
    made, weight = load_file("b.safetensors"), tensors()["net.patch.weight"].flatten(1)
    assert torch.equal(made["net.patch.project.weight"], weight.bfloat16())
    assert made["net.norm.weight"].dtype == torch.float32
    loss = json.loads(result.stdout)["losses"]["net.patch.project.weight"]
    assert loss["changed"] == int((weight.bfloat16().float() != weight).sum()) > 0
    assert loss["max_abs"] == float((weight.bfloat16().double() - weight.double()).abs().max())


def test_a_wider_dtype_loses_nothing(convcheck: Run) -> None:
    result = convcheck("transplant", "a.safetensors", "b.safetensors", *WORDS, "--dtype", "float64")
    assert result.exit_code == 0
    assert "nothing lost" in result.stdout


def test_a_dtype_that_cannot_hold_the_numbers_is_refused(convcheck: Run, folder: Path) -> None:
    save_file({**tensors(), "net.patch.bias": torch.full((16,), 7e4)}, "a.safetensors")
    before = snapshot(folder)
    result = convcheck("transplant", "a.safetensors", "b.safetensors", *WORDS, "--dtype", "float16")
    assert result.exit_code == 2
    assert "16 numbers that float16 cannot hold, up to 7e+04; its largest is 6.55e+04" in result.stderr
    assert snapshot(folder) == before


def test_files_with_an_index_go_there_and_back(convcheck: Run, folder: Path) -> None:
    assert convcheck("transplant", "parts", "new", *WORDS).exit_code == 0
    assert convcheck("transplant", "new", f"back/{INDEX}", *WORDS, "--inverse").exit_code == 0
    there = json.loads(Path("new", INDEX).read_text())
    assert there["metadata"]["by"] == "us"
    assert there["weight_map"]["net.patch.project.weight"] == "model-00001-of-00002.safetensors"
    assert snapshot(folder / "back") == snapshot(folder / "parts")


def test_an_index_is_replaced_with_its_files(convcheck: Run, folder: Path) -> None:
    """The old files are whole until the index names the new ones, and are gone then; others stay."""
    Path("parts", "config.json").write_text("{}")
    assert convcheck("transplant", "parts", "parts", *WORDS, "--overwrite").exit_code == 0
    names = {path.name for path in Path("parts").iterdir()}
    shards = {f"model-{number:05}-of-00002.2.safetensors" for number in (1, 2)}
    assert names == {"config.json", INDEX, *shards}
    assert convcheck("transplant", "parts", "parts", *WORDS, "--overwrite", "--inverse").exit_code == 0
    assert {path.name for path in Path("parts").iterdir()} == {"config.json", *snapshot(sharded(folder / "again"))}


def test_a_pt_file_becomes_safetensors(convcheck: Run) -> None:
    """Views, as of tied weights, are written out."""
    both = torch.randn(2, 16, 3, 4, 4)
    torch.save({**tensors(), "net.patch.weight": both[1], "net.other": both[:, ::2]}, "a.pt")
    assert convcheck("transplant", "a.pt", "b.safetensors", *WORDS).exit_code == 0
    made = load_file("b.safetensors")
    assert torch.equal(made["net.other"], both[:, ::2])
    assert torch.equal(made["net.patch.project.weight"], both[1].flatten(1))


@pytest.mark.parametrize("nest", ["state_dict", "model"])
def test_a_state_dict_is_taken_out_of_what_a_training_script_saves(convcheck: Run, nest: str) -> None:
    """All that stood beside it is named, and nothing but that is missing in the file of the plain state dict."""
    rest = {"epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(())}}, "param_groups": [{"lr": 0.1}]}}
    torch.save({**rest, nest: tensors()}, "nested.pt")
    torch.save(tensors(), "plain.pt")
    result = convcheck("transplant", "nested.pt", "b.safetensors", *WORDS)
    assert result.exit_code == 0, result.output
    assert f"those of '{nest}' in it, without what stands beside it: epoch, optimizer" in result.stdout
    done = json.loads(convcheck("transplant", "nested.pt", "c.safetensors", *WORDS, "-f", "json").stdout)
    assert (done["nest"], done["beside"]) == (nest, ["epoch", "optimizer"])
    assert convcheck("transplant", "plain.pt", "d.safetensors", *WORDS).exit_code == 0
    assert Path("b.safetensors").read_bytes() == Path("d.safetensors").read_bytes()


def test_the_source_is_replaced_only_when_told(convcheck: Run, folder: Path) -> None:
    before = snapshot(folder)
    result = convcheck("transplant", "a.safetensors", "a.safetensors", *WORDS)
    assert (result.exit_code, "is the source itself" in result.stderr) == (2, True)
    assert snapshot(folder) == before
    Path("a.safetensors").chmod(0o640)
    assert convcheck("transplant", "a.safetensors", "a.safetensors", *WORDS, "--overwrite").exit_code == 0
    assert "net.patch.project.weight" in load_file("a.safetensors")
    assert Path("a.safetensors").stat().st_mode & 0o777 == 0o640


SIDES = """
from torch import nn
class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 2, 2)
    def forward(self, x):
        return self.conv(x).flatten(2).transpose(1, 2)
class Fast(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 3)
    def forward(self, x):
        b, c, h, w = x.shape
        return self.linear(x.reshape(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(b, -1, 8))
"""

CODE = ("--reference", "sides.py:Stem", "--candidate", "sides.py:Fast", "-i", "1,2,4,6", "--trust", "--at", "net")


def stem() -> None:
    Path("sides.py").write_text(SIDES)
    held = {"net.conv.weight": torch.randn(3, 2, 2, 2), "net.conv.bias": torch.randn(3), "net.rest": torch.ones(2)}
    save_file(held, "s.safetensors")


def test_a_mapping_is_solved_and_applied_either_way(convcheck: Run) -> None:
    stem()
    result = convcheck("transplant", "s.safetensors", "t.safetensors", *CODE)
    assert result.exit_code == 0, result.output
    made, held = load_file("t.safetensors"), load_file("s.safetensors")
    assert torch.equal(made["net.linear.weight"], held["net.conv.weight"].permute(0, 2, 3, 1).flatten(1))
    assert set(made) == {"net.linear.weight", "net.linear.bias", "net.rest"}
    assert convcheck("transplant", "t.safetensors", "u.safetensors", *CODE, "--inverse").exit_code == 0
    assert Path("u.safetensors").read_bytes() == Path("s.safetensors").read_bytes()


def test_a_wrong_map_is_not_applied(convcheck: Run, folder: Path) -> None:
    stem()
    before = snapshot(folder)
    maps = ("--map", "linear.weight=conv.weight: o i kh kw -> o (i kh kw)", "--map", "linear.bias=conv.bias")
    result = convcheck("transplant", "s.safetensors", "t.safetensors", *CODE, *maps)
    assert result.exit_code == 1
    assert "not proved, and nothing is written: different" in result.stdout
    assert "'o i kh kw -> o (kh kw i)' matches exactly" in result.stdout
    as_json = convcheck("transplant", "s.safetensors", "t.safetensors", *CODE, *maps, "-f", "json")
    done = json.loads(as_json.stdout)
    assert (done["verified"], done["file"], done["result"]["verdict"]) == (False, None, "different")
    assert {name: text for name, text in snapshot(folder).items() if "pycache" not in name} == before


TWICE = """
from torch import nn
class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(3, 2, bias=False), nn.Linear(3, 2, bias=False)
    def forward(self, x):
        return (self.one(x) + self.two(x)) / 2
"""


def test_copies_of_a_tensor_have_to_agree_on_the_way_back(convcheck: Run) -> None:
    Path("twice.py").write_text(TWICE)
    sides = ("--reference", "Linear(3, 2, bias=False)", "--candidate", "twice.py:Twice", "-i", "4,3", "--trust")
    words = (*sides, "--map", "one.weight=weight", "--map", "two.weight=weight")
    save_file({"weight": torch.randn(2, 3)}, "l.safetensors")
    assert convcheck("transplant", "l.safetensors", "m.safetensors", *words).exit_code == 0
    assert convcheck("transplant", "m.safetensors", "n.safetensors", *words, "--inverse").exit_code == 0
    assert Path("n.safetensors").read_bytes() == Path("l.safetensors").read_bytes()
    trained = {**load_file("m.safetensors"), "two.weight": torch.ones(2, 3)}
    save_file(trained, "m.safetensors")
    result = convcheck("transplant", "m.safetensors", "o.safetensors", *words, "--inverse")
    assert result.exit_code == 2
    assert "there is no way back: two.weight is not the copy of weight that another tensor is, too" in result.stderr


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_not_moved(convcheck: Run, value: float) -> None:
    save_file({**tensors(), "net.patch.bias": torch.full((16,), value)}, "n.safetensors")
    result = convcheck("transplant", "n.safetensors", "b.safetensors", *WORDS)
    assert result.exit_code == 1
    assert "NaN and infinity equal nothing" in result.stdout
    assert not Path("b.safetensors").exists()


def link(name: str, target: str) -> None:
    Path(name).symlink_to(target)


REFUSED: dict[str, tuple[Callable[[], object], Sequence[str], str]] = {
    "a missing file": (lambda: None, ("b.safetensors", "c.safetensors", *WORDS), "did you mean 'a.safetensors'?"),
    "no source": (lambda: None, ("", "b.safetensors", *WORDS), "the path of the checkpoint is empty"),
    "no target": (lambda: None, ("a.safetensors", " ", *WORDS), "the path to write to is empty"),
    "a key that is not there": (
        lambda: None,
        ("a.safetensors", "b.safetensors", *WORDS[:-1], "patch"),
        "there is no 'patch.weight' in 'a.safetensors', for weight; did you mean 'net.patch.weight'?",
    ),
    "another shape": (
        lambda: None,
        ("a.safetensors", "b.safetensors", "--layer", "Conv2d(3, 8, 4, 4)", *WORDS[2:]),
        "'net.patch.weight' in 'a.safetensors' is [16, 3, 4, 4], and weight of Conv2d(3, 8",
    ),
    "a bias that the layer does not have": (
        lambda: None,
        ("a.safetensors", "b.safetensors", "--layer", "Conv2d(3, 16, 4, 4, bias=False)", *WORDS[2:]),
        "net.patch.bias in 'a.safetensors' would be left there, and Conv2d(3, 16",
    ),
    "a rewrite that does not hold": (
        lambda: None,
        ("a.safetensors", "b.safetensors", "--layer", "Conv2d(3, 16, 4, 3)", *WORDS[2:]),
        "patchify-linear does not hold for Conv2d(3, 16",
    ),
    "an unknown rewrite": (
        lambda: None,
        ("a.safetensors", "b.safetensors", *WORDS[:3], "patchify-liner", *WORDS[4:]),
        "did you mean 'patchify-linear'?",
    ),
    "whole numbers as weights": (
        lambda: save_file({**tensors(), "net.patch.bias": torch.arange(16)}, "i.safetensors"),
        ("i.safetensors", "b.safetensors", *WORDS),
        "'net.patch.bias' in 'i.safetensors' is I64; what is moved must be one of F64, F32, F16, BF16",
    ),
    "a name that is taken": (
        lambda: None,
        ("a.safetensors", "b.safetensors", *WORDS, "--rename", "net.patch.project.bias=net.ids"),
        "two tensors would be called 'net.ids', one of which 'a.safetensors' has",
    ),
    "a name that is not there": (
        lambda: None,
        ("a.safetensors", "b.safetensors", *WORDS, "--rename", "net.idz=net.numbers"),
        "--rename net.idz=net.numbers: there is no 'net.idz' in 'a.safetensors'",
    ),
    "no name at all": (
        lambda: None,
        ("a.safetensors", "b.safetensors", *WORDS, "--rename", "net.ids"),
        "--rename 'net.ids': write OLD=NEW",
    ),
    "nothing to move": (lambda: None, ("a.safetensors", "b.safetensors"), "say what is moved: --layer and -r, or"),
    "code without trust": (
        stem,
        ("s.safetensors", "t.safetensors", *(word for word in CODE if word != "--trust")),
        "--trust",
    ),
    "code as a layer": (
        stem,
        ("s.safetensors", "t.safetensors", "--layer", "sides.py:Stem()", *WORDS[2:], "--trust"),
        "code goes with --reference and --candidate",
    ),
    "a target that is there": (
        lambda: single(Path("b.safetensors")),
        ("a.safetensors", "b.safetensors", *WORDS),
        "'b.safetensors' is there already; write to another place, or replace it with --overwrite",
    ),
    "a link as a target": (
        lambda: link("b.safetensors", "a.safetensors"),
        ("a.safetensors", "b.safetensors", *WORDS, "--overwrite"),
        "'b.safetensors' is a link to 'a.safetensors'; name that file, or remove the link",
    ),
    "a link to nothing as a target": (
        lambda: link("b.safetensors", "none"),
        ("a.safetensors", "b.safetensors", *WORDS, "--overwrite"),
        "'b.safetensors' is a link to 'none'",
    ),
    "a device as a target": (
        lambda: os.mkfifo("b.safetensors"),
        ("a.safetensors", "b.safetensors", *WORDS, "--overwrite"),
        "'b.safetensors' is no plain file, and is not replaced",
    ),
    "a target of another format": (
        lambda: None,
        ("a.safetensors", "b.bin", *WORDS),
        "'b.bin' cannot be written; name a file that ends in .safetensors, or a folder",
    ),
    "one file for several": (
        lambda: None,
        ("parts", "b.safetensors", *WORDS),
        "'parts' has 2 files, so 'b.safetensors' must be a folder",
    ),
    "a folder that is not there": (
        lambda: None,
        ("a.safetensors", "none/b.safetensors", *WORDS),
        "'none/b.safetensors': there is no folder 'none'",
    ),
    "a name that no system takes": (
        lambda: None,
        ("a.safetensors", f"{'b' * 300}.safetensors", *WORDS),
        "cannot be written: File name too long",
    ),
}


@pytest.mark.parametrize(("make", "words", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused(
    convcheck: Run, folder: Path, make: Callable[[], object], words: Sequence[str], message: str
) -> None:
    make()
    before = snapshot(folder)
    result = convcheck("transplant", *words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert snapshot(folder) == before


def test_links_of_a_cache_are_followed(convcheck: Run, folder: Path) -> None:
    """As in a cache of models: names that lead to files whose names are hashes, in another folder."""
    blobs, cache = folder / "blobs", folder / "cache"
    Path("parts").rename(blobs)
    cache.mkdir()
    for path in blobs.iterdir():
        (cache / path.name).symlink_to(f"../blobs/{path.name}")
    before = snapshot(blobs)
    assert convcheck("transplant", "cache", "new", *WORDS).exit_code == 0
    refused = convcheck("transplant", "cache", "cache", *WORDS, "--overwrite")
    assert (refused.exit_code, "is a link to" in refused.stderr) == (2, True)
    assert snapshot(blobs) == before
    assert all(path.is_symlink() for path in cache.iterdir())


def test_pt_files_with_an_index_become_safetensors(convcheck: Run, folder: Path) -> None:
    old = folder / "old"
    old.mkdir()
    names = [f"pytorch_model-{number:05}-of-00002.bin" for number in (1, 2)]
    keys = list(tensors())
    for name, part in zip(names, (keys[:2], keys[2:]), strict=True):
        torch.save({key: tensors()[key] for key in part}, old / name)
    homes = {key: names[number >= 2] for number, key in enumerate(keys)}
    (old / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": homes}))
    assert convcheck("transplant", "old", "new", *WORDS).exit_code == 0
    assert {path.name for path in Path("new").iterdir()} == {path.name for path in Path("parts").iterdir()}
    assert torch.equal(load_file("new/model-00002-of-00002.safetensors")["net.ids"], tensors()["net.ids"])
