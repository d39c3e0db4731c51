"""Two checkpoints of which one was made of the other: what follows the mapping, what does not, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import Result

import convcheck
from convcheck.catalogue.catalogue import catalogue
from convcheck.errors import ConvcheckError
from tests.checkpoints.test_there_and_back import WITH_WEIGHTS, inputs_of, merges, write
from tests.user_code.modules import checkpoints as modules

Run = Callable[..., Result]
State = dict[str, Tensor]

SIDES = [f"{modules.__file__}:Stem", "--candidate", f"{modules.__file__}:Fast", "-i", "2,3,8,12", "--trust"]


@pytest.fixture
def run(convcheck: Run) -> Run:
    return convcheck


def states(seed: int = 0) -> tuple[State, State]:
    torch.manual_seed(seed)
    old = modules.Stem().state_dict()
    return old, modules.converted(old)


def save(folder: Path, old: State, new: State) -> list[str]:
    """Write both, the old one at `visual` beside another layer at `blocks.0`, and return how they are named."""
    other = {f"blocks.0.{name}": tensor for name, tensor in states(1)[0].items()}
    old = {f"visual.{name}": tensor for name, tensor in old.items()}
    save_file(old | other | {"lm_head.weight": torch.ones(2)}, folder / "old.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in new.items()}, folder / "new.safetensors")
    return ["--own-weights", "--weights", f"{folder / 'old.safetensors'}:visual", str(folder / "new.safetensors")]


def held(result: Result) -> dict[str, Any]:
    (one,) = json.loads(result.stdout)["results"]
    assert one["exact"]["status"] == "identical", "the mapping itself holds"
    weights: dict[str, Any] = one["held_weights"]
    return weights


def test_what_follows_the_mapping_is_equal_and_the_mapping_is_shown(run: Run, tmp_path: Path) -> None:
    done = run("verify", *SIDES, *save(tmp_path, *states()))
    assert done.exit_code == 0, done.output
    assert "proj.weight = proj.weight: o i kh kw -> o (i kh kw)" in done.stdout
    assert "qk.weight = [q.weight; k.weight]" in done.stdout


def halves(weight: Tensor) -> Tensor:
    return weight.roll(8, 0)


def interleaved(weight: Tensor) -> Tensor:
    return weight.reshape(2, 8, -1).transpose(0, 1).reshape(weight.shape)


def rotary(weight: Tensor) -> Tensor:
    """As the halves of a rotary embedding are laid out anew, head by head."""
    return weight.reshape(4, 2, 2, -1).transpose(1, 2).reshape(weight.shape)


CHANGES: dict[str, tuple[str, Callable[[Tensor], Tensor], str]] = {
    "axes in another order": (
        "proj.weight",
        lambda w: w.reshape(8, 3, 4, 4).transpose(2, 3).flatten(1),
        "it is 'proj.weight: o i kh kw -> o (i kw kh)' of the reference",
    ),
    "a flip": (
        "proj.weight",
        lambda w: w.reshape(8, 3, 4, 4).flip(3).flatten(1),
        "it is 'proj.weight: o i kh kw -> o (i kh kw) | flip kw' of the reference",
    ),
    "two blocks in the other order": (
        "qk.weight",
        halves,
        "along axis 0, the places 0 to 7 hold what belongs to 8 to 15, 8 to 15 hold what belongs to 0 to 7",
    ),
    "blocks row by row": ("qk.weight", interleaved, "it is '(x y) a1 -> (y x) a1, x=2' of what it should be"),
    "halves of heads": ("qk.weight", rotary, "it is '(x y z) a1 -> (x z y) a1, x=4, y=2' of what it should be"),
    "one block twice": ("qk.bias", lambda b: b[:8].repeat(2), "places 8 to 15 of axis 0, which hold what belongs to 0"),
    "bfloat16 on the way": ("proj.bias", lambda b: b.bfloat16().float(), "it was rounded to bfloat16"),
    "half precision on the way": ("proj.bias", lambda b: b.half().float(), "it was rounded to float16"),
    "bits that are cut": (
        "proj.weight",
        lambda w: (w.view(torch.int32) & -65536).view(torch.float32),
        "it was cut to bfloat16, and not rounded",
    ),
    "transposed and rounded": (
        "proj.weight",
        lambda w: w.reshape(8, 3, 4, 4).transpose(2, 3).flatten(1).bfloat16().float(),
        "-> o (i kw kh)' of the reference, rounded to bfloat16",
    ),
    "a scale": ("qk.weight", lambda w: w * 0.125, "it is 0.125 times what it should be"),
    "a scale for every output": (
        "qk.weight",
        lambda w: w * torch.linspace(0.5, 2, 16)[:, None],
        "along axis 0 every place has a factor of its own, from 0.5 to 2",
    ),
    "another layer's": (
        "qk.weight",
        lambda _: modules.converted(states(1)[0])["qk.weight"],
        "it is made of blocks.0.q.weight and blocks.0.k.weight of ",
    ),
    "zeros": ("proj.weight", torch.zeros_like, "it is zero everywhere"),
}


@pytest.mark.parametrize(("name", "change", "why"), CHANGES.values(), ids=CHANGES)
def test_what_does_not_follow_is_explained(
    run: Run, tmp_path: Path, name: str, change: Callable[[Tensor], Tensor], why: str
) -> None:
    old, new = states()
    made = new[name]
    new[name] = change(made)
    done = run("verify", *SIDES, *save(tmp_path, old, new), "-f", "json")
    assert done.exit_code == 1, done.output
    weights = held(done)
    wrong = weights.pop(name)
    assert wrong["status"] == "different"
    assert why in wrong["why"]
    apart = (new[name].double() - made.double()).abs()
    assert wrong["differ"] == int((apart > 0).sum())
    assert wrong["max_abs"] == float(apart.max()) == float(apart[tuple(wrong["max_at"])])
    assert wrong["held"] == float(new[name][tuple(wrong["at"])])
    assert {one["status"] for one in weights.values()} == {"identical"}


def test_the_weight_of_another_name_a_missing_and_an_extra_one_are_named(run: Run, tmp_path: Path) -> None:
    old, new = states()
    new["proj.b"] = new.pop("proj.bias")
    done = run("verify", *SIDES, *save(tmp_path, old, new))
    assert done.exit_code == 1
    assert "proj.bias: the candidate holds no such tensor; proj.b of " in done.stdout
    assert "proj.b: the candidate holds it, and has no place for such a tensor" in done.stdout


def test_what_is_no_part_of_either_side_has_to_be_the_same(run: Run, tmp_path: Path) -> None:
    """As a head is, where the sides are what stands before it; a tensor beside those of a module is a part of it."""
    old, new = states()
    old["head.weight"] = torch.randn(4, 8)
    done = run("verify", *SIDES, *save(tmp_path, old, new))
    assert done.exit_code == 0, done.output
    assert "the reference's file holds more, which is no part of it and is not compared: head.weight" in done.stdout
    assert run("verify", *SIDES, *save(tmp_path, old, new | {"head.weight": old["head.weight"]})).exit_code == 0
    for changed in (old["head.weight"] + 1, old["head.weight"][:3]):
        done = run("verify", *SIDES, *save(tmp_path, old, new | {"head.weight": changed}))
        assert done.exit_code == 1
        assert "head.weight: it is no part of either side, and not what the reference's file has there" in done.stdout
    done = run("verify", *SIDES, *save(tmp_path, states()[0], new | {"head.weight": changed}))
    assert done.exit_code == 1
    assert "head.weight: the candidate holds it, and has no place for such a tensor" in done.stdout


def test_a_transposed_weight_is_named(run: Run, tmp_path: Path) -> None:
    old, new = states()
    new["qk.weight"] = new["qk.weight"].T
    wrong = held(run("verify", *SIDES, *save(tmp_path, old, new), "-f", "json"))["qk.weight"]
    shapes = "the candidate holds [8, 16], and mapped it is [16, 8]"
    assert wrong["why"] == f"{shapes}; it is 'a0 a1 -> a1 a0' of what it should be"


def test_a_narrower_dtype_is_equal_and_the_loss_is_noted(run: Run, tmp_path: Path) -> None:
    old, new = states()
    done = run("verify", *SIDES, *save(tmp_path, old, {name: t.bfloat16() for name, t in new.items()}), "-f", "json")
    assert done.exit_code == 0, done.output
    rounded = (new["qk.weight"].double() - new["qk.weight"].bfloat16().double()).abs().max()
    assert held(done)["qk.weight"]["max_abs"] == float(rounded)
    assert any("rounded to the candidate's dtype" in note for note in json.loads(done.stdout)["results"][0]["notes"])
    # The other way round, the candidate has bits that the reference never had.
    words = ["--weights", f"{tmp_path / 'narrow.safetensors'}:visual", str(tmp_path / "new.safetensors")]
    save(tmp_path, old, new)
    save_file({f"visual.{name}": t.bfloat16() for name, t in old.items()}, tmp_path / "narrow.safetensors")
    wrong = held(run("verify", *SIDES, *words, "-f", "json"))
    assert wrong["proj.weight"]["why"] == "it is finer: rounded to bfloat16 it is what it should be"


def test_infinity_and_what_is_no_number_follow_where_both_have_them(run: Run, tmp_path: Path) -> None:
    old, _ = states()
    old["proj.weight"][0, 0, 0, :3] = torch.tensor([torch.inf, -torch.inf, torch.nan])
    new = modules.converted(old)
    assert run("verify", *SIDES, *save(tmp_path, old, new)).exit_code == 0
    new["proj.weight"] = new["proj.weight"].clone()
    new["proj.weight"][0, :2] *= -1
    wrong = held(run("verify", *SIDES, *save(tmp_path, old, new), "-f", "json"))["proj.weight"]
    assert (wrong["differ"], wrong["max_abs"]) == (2, None)


@pytest.mark.parametrize("name", [name for name, rewrite in WITH_WEIGHTS.items() if not merges(rewrite)])
def test_what_transplant_writes_follows_and_what_is_changed_then_does_not(run: Run, tmp_path: Path, name: str) -> None:
    """Of every rewrite with weights; without trust, since all of it is text."""
    rewrite = catalogue()[name]
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    write(old, rewrite.example)
    words = [*inputs_of(rewrite), "-r", name]
    moved = run("transplant", old, new, "--layer", rewrite.example, "--at", "net.stem", *words)
    assert moved.exit_code == 0, moved.output
    compare = ["verify", rewrite.example, *words, "--weights", f"{old}:net.stem", f"{new}:net.stem"]
    assert (done := run(*compare)).exit_code == 0, done.output
    tensors = load_file(new)
    key = next(key for key in tensors if key.startswith("net.stem."))
    tensors[key].view(-1)[-1] += 1
    save_file(tensors, new)
    changed = run(*compare)
    assert changed.exit_code == 1
    assert f"{key.removeprefix('net.stem.')}: 1 of {tensors[key].numel()} entries differ" in changed.stdout


def test_files_of_torch_and_several_files_with_an_index_are_read(run: Run, tmp_path: Path) -> None:
    old, new = states()
    words = save(tmp_path, old, new)
    torch.save({f"m.{name}": tensor for name, tensor in new.items()}, tmp_path / "new.pt")
    files = {f"m.{name}": f"part-{number % 2}.safetensors" for number, name in enumerate(new)}
    for file in set(files.values()):
        save_file({key: new[key[2:]] for key, home in files.items() if home == file}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": files}))
    (tmp_path / "odd:name.pt").write_bytes((tmp_path / "new.pt").read_bytes())
    for place in (tmp_path / "new.pt", tmp_path / "odd:name.pt", index, tmp_path):
        done = run("verify", *SIDES, *words[:-1], f"{place}:m")
        assert done.exit_code == 0, done.output


def test_a_config_and_python_say_the_same(run: Run, tmp_path: Path) -> None:
    old, new = states()
    new["qk.weight"] = halves(new["qk.weight"])
    save(tmp_path, old, new)
    config = tmp_path / "pair.yaml"
    config.write_text(f"""
cases:
  - reference: {modules.__file__}:Stem
    candidate: {modules.__file__}:Fast
    input: [2, 3, 8, 12]
    weights: {{reference: "old.safetensors:visual", candidate: new.safetensors}}
""")
    done = run("verify", config, "--trust")
    assert done.exit_code == 1
    weights = {"reference": f"{tmp_path / 'old.safetensors'}:visual", "candidate": str(tmp_path / "new.safetensors")}
    result = convcheck.verify(modules.Stem(), (2, 3, 8, 12), candidate=modules.Fast(), weights=weights)
    (reason,) = map(str, result.reasons)
    assert reason.startswith("qk.weight: 128 of 128 entries differ")
    assert reason in done.stdout
    assert f"weights={weights!r}" in result.reproduce


def test_constants_of_the_file_are_computed_with(run: Run, tmp_path: Path) -> None:
    """A buffer that no map makes takes part in the proof as the file has it, and not as its class makes it."""
    reference, candidate = modules.Scaled(2.0), modules.Scaled(3.0)
    for name, module in (("two", reference), ("three", candidate)):
        save_file(module.state_dict(), tmp_path / f"{name}.safetensors")
    for file, code in (("two", 0), ("three", 1)):
        words = ["--weights", str(tmp_path / "two.safetensors"), str(tmp_path / f"{file}.safetensors")]
        side = f"{modules.__file__}:Scaled"
        done = run("verify", f"{side}(5.0)", "--candidate", f"{side}(7.0)", "-i", "2,3", "--trust", *words)
        assert done.exit_code == code, done.output
    assert float(reference.scale) == 2


def test_a_tied_tensor_stands_under_either_name_and_is_one(run: Run, tmp_path: Path) -> None:
    weight = torch.randn(7, 4)
    contents = {
        "one": {"table.weight": weight},
        "other": {"head.weight": weight},
        "both": {"table.weight": weight, "head.weight": weight.clone()},
        "torn": {"table.weight": weight, "head.weight": weight + 1},
        "changed": {"head.weight": weight + 1},
    }
    for name, tensors in contents.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
    side = f"{modules.__file__}:Tied"
    words = ["verify", side, "--candidate", side, "-i", "int 2,3", "--trust", "--weights", tmp_path / "one.safetensors"]
    for name, code in {"one": 0, "other": 0, "both": 0, "torn": 2, "changed": 1}.items():
        done = run(*words, tmp_path / f"{name}.safetensors")
        assert done.exit_code == code, done.output
        assert ("has one tensor for both" in done.stderr) is (code == 2)


REFUSED: dict[str, tuple[list[str], str]] = {
    "no such file": (["{old}:visual", "nothing.safetensors"], "there is no file 'nothing.safetensors'"),
    "no prefix": (["{old}", "{new}"], "write '{old}:blocks.0', '{old}:visual'"),
    "a wrong prefix": (["{old}:vision", "{new}"], "at 'vision'; write '{old}:visual', '{old}:blocks.0'"),
    "a prefix of nothing": (["{old}:visual", "{new}:visual"], "at 'visual'; write '{new}'"),
    "a file of another class": (["{odd}", "{new}"], "'{odd}' holds 'proj.scale', and "),
    "other shapes": (["{shapes}", "{new}"], "'q.weight' in '{shapes}' is [8], and q.weight of "),
    "a part of it": (["{part}", "{new}"], "there is no 'k.bias' in '{part}', for k.bias"),
    "whole numbers": (
        ["{old}:visual", "{whole}"],
        "'proj.weight' in '{whole}' is I32; what is compared must be one of",
    ),
    "no checkpoint": (["{old}:visual", "{text}"], "'{text}' is no checkpoint by its name"),
    "a broken one": (["{old}:visual", "{broken}"], "'{broken}' is no whole safetensors file"),
}


@pytest.mark.parametrize(("places", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_files_are_refused_before_anything_runs(run: Run, tmp_path: Path, places: list[str], message: str) -> None:
    old, new = states()
    save(tmp_path, old, new)
    files = {
        name: f"{tmp_path}/{name}.safetensors" for name in ("old", "new", "odd", "shapes", "part", "whole", "broken")
    }
    files["text"] = f"{tmp_path}/text.md"
    save_file(old | {"proj.scale": torch.ones(1)}, files["odd"])
    save_file(old | {"q.weight": torch.ones(8)}, files["shapes"])
    save_file({name: tensor for name, tensor in old.items() if name != "k.bias"}, files["part"])
    save_file(new | {"proj.weight": torch.ones(8, 48, dtype=torch.int32)}, files["whole"])
    Path(files["broken"]).write_bytes(Path(files["old"]).read_bytes()[:500])
    Path(files["text"]).write_text("x")
    done = run("verify", *SIDES, "--weights", *(place.format(**files) for place in places))
    assert done.exit_code == 2, done.output
    assert message.format(**files) in done.stderr


def test_two_sides_are_needed(run: Run, tmp_path: Path) -> None:
    save(tmp_path, *states())
    files = [f"{tmp_path}/old.safetensors:visual.proj", f"{tmp_path}/new.safetensors:proj"]
    conv = "Conv2d(3, 8, 4, stride=4)"
    alone = run("verify", conv, "--weights", *files)
    assert (alone.exit_code, "name the other side: a candidate, or one rewrite" in alone.stderr) == (2, True)
    with pytest.raises(ConvcheckError, match="under reference and candidate both"):
        convcheck.verify(conv, candidate=conv, weights={"reference": files[0]})
