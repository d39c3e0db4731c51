"""Code that is printed to be taken away is proved by who took it, as a pair of their own: there and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from typer.testing import Result

import convcheck
from convcheck.catalogue.catalogue import catalogue
from convcheck.layers import parse_layer
from tests.laws.test_code_to_take_away import example, run
from tests.laws.test_laws import every_rewrite

Run = Callable[..., Result]

SMALL = {
    "loops": ("Conv2d(2, 2, 2, stride=2)", [1, 2, 4, 4]),
    "linear-as-conv1x1": ("Linear(12, 8)", [2, 3, 12]),
    "taps-sum": ("Conv2d(4, 4, 2, padding=1, groups=2)", [1, 4, 3, 3]),
    "unpatchify-fold": (
        "Unpatchify(6, 3, data_dim=2, patch_size=2, stride=1, output_spatial_shape=(3, 4))",
        [2, 2, 3, 6],
    ),
}
"""In place of examples of hundreds of operators, which are exported one by one."""


@every_rewrite
def test_code_to_take_away_is_equal_to_its_layer_and_the_layer_to_it(name: str) -> None:
    rewrite, (layer, shapes) = catalogue()[name], example(name)
    if name in SMALL:
        text, shape = SMALL[name]
        layer, shapes = parse_layer(text), (tuple(shape),)
    transplant = rewrite.transplant(layer, shapes)
    kind, names = run(rewrite.code(layer, shapes))
    inputs, text, convert = [list(shape) for shape in shapes], str(layer), names.get("convert")
    # Of others, it is exact in parts, or float64 tells.
    exact = layer.degree() is not None and rewrite.transform is None and not transplant.merges()
    there = convcheck.verify(text, inputs, candidate=kind(), map_by=convert)
    assert there.verdict == "equal", there.reasons
    assert there.evidence == "exact" or not exact
    if "convert_back" in names:
        new = kind()
        # A class that is printed does not fill its weights.
        for parameter in new.parameters():
            torch.nn.init.normal_(parameter)
        back = convcheck.verify(new, inputs, candidate=text, map_by=names["convert_back"])
        assert back.verdict == "equal", back.reasons
        assert back.evidence == "exact" or not exact


def test_so_it_is_in_a_terminal(convcheck: Run, tmp_path: Path) -> None:
    layer = "Conv2d(3, 4, 2, stride=2)"
    printed = convcheck("rewrites", "patchify-linear", layer, "-i", "1,3,4,6")
    code = printed.stdout
    file = tmp_path / "new.py"
    file.write_text(code)
    kind, _ = run(code)
    words = ["-i", "1,3,4,6", "--map-by", f"{file}:convert", "--trust", "-f", "json"]
    verified = convcheck("verify", layer, "--candidate", f"{file}:{kind.__name__}", *words)
    (row,) = json.loads(verified.stdout)["results"]
    assert (verified.exit_code, row["verdict"], row["evidence"]) == (0, "equal", "exact")
