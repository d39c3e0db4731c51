"""Every rewrite that has a way back takes a checkpoint there and back bit for bit, whatever else is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import Result

from convcheck.catalogue.catalogue import catalogue
from convcheck.config.replacement import tensors_of
from convcheck.layers import parse_layer
from convcheck.rewriting.rewrite import Rewrite

Run = Callable[..., Result]

WITH_WEIGHTS = {name: rewrite for name, rewrite in catalogue().items() if tensors_of(parse_layer(rewrite.example))}


def inputs_of(rewrite: Rewrite) -> list[str]:
    shapes = rewrite.example_inputs or parse_layer(rewrite.example).example_inputs()
    return [word for shape in shapes for word in ("-i", ",".join(map(str, shape)))]


def merges(rewrite: Rewrite) -> bool:
    layer = parse_layer(rewrite.example)
    return rewrite.transplant(layer, rewrite.example_inputs or layer.example_inputs()).merges()


def write(path: Path, layer: str, dtype: torch.dtype = torch.float32) -> None:
    """Write a checkpoint with a layer's tensors at `net.stem`, and others of other dtypes before and behind them."""
    tensors = {}
    for name, shape in tensors_of(parse_layer(layer)).items():
        # Variances are positive; and one zero has a sign, which adding parts up would lose.
        tensor = torch.rand(shape) + 0.5 if "var" in name else torch.randn(shape)
        if "var" not in name:
            tensor.view(-1)[0] = -0.0
        tensors[f"net.stem.{name}"] = tensor.to(dtype)
    others = {"net.a": torch.arange(3), "net.z": torch.randn(5).half(), "net.flags": torch.tensor([True, False])}
    save_file({**tensors, **others}, path, metadata={"format": "pt", "by": "Zoë"})


def others_of(path: Path) -> dict[str, list[object]]:
    return {key: tensor.tolist() for key, tensor in load_file(path).items() if not key.startswith("net.stem.")}


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_there_and_back_is_the_same_file_and_what_is_merged_has_no_way_back(
    convcheck: Run, tmp_path: Path, name: str
) -> None:
    rewrite = WITH_WEIGHTS[name]
    old, new, back = (tmp_path / f"{word}.safetensors" for word in ("old", "new", "back"))
    write(old, rewrite.example)
    words = ["--layer", rewrite.example, "-r", name, "--at", "net.stem", *inputs_of(rewrite)]
    there = convcheck("transplant", old, new, *words)
    assert there.exit_code == 0, there.output
    assert others_of(new) == others_of(old)
    again = convcheck("transplant", new, back, *words, "--inverse")
    if merges(rewrite):
        assert (again.exit_code, "there is no way back" in again.stderr, back.exists()) == (2, True, False)
        return
    assert again.exit_code == 0, again.output
    assert back.read_bytes() == old.read_bytes()


def test_the_written_file_loads_into_the_candidate(convcheck: Run, tmp_path: Path) -> None:
    """The names and shapes are those of the candidate's state dict, and it computes the same."""
    layer = "Conv2d(3, 8, kernel_size=4, stride=4)"
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    write(old, layer)
    assert (
        convcheck("transplant", old, new, "--layer", layer, "-r", "patchify-linear", "--at", "net.stem").exit_code == 0
    )
    before, after = load_file(old), load_file(new)
    prefix = "net.stem."
    candidate = catalogue()["patchify-linear"].build(parse_layer(layer), ((1, 3, 8, 8),))
    candidate.load_state_dict({key.removeprefix(prefix): t for key, t in after.items() if key.startswith(prefix)})
    x = torch.randn(1, 3, 8, 8)
    made = torch.nn.functional.conv2d(x, before["net.stem.weight"], before["net.stem.bias"], stride=4)
    torch.testing.assert_close(candidate(x), made)
