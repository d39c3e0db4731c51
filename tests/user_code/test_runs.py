"""What code does besides computing an output: it raises, keeps state, draws, prints; it is left as it was found."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import Result

import convcheck
from tests.user_code.modules import odd, pairs, place_of

Run = Callable[..., Result]

TOKENS = [2, 5, 3]
PRODUCT = f"{pairs.__file__}:Product()"


@pytest.fixture(autouse=True)
def _from_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])


def code(name: str) -> str:
    return f"{odd.__file__}:{name}"


RAISES = {
    "torch refuses": ("Raises", pairs.__file__, "the product", "RuntimeError: einsum()"),
    "an error of its own": ("RaisesInTrouble", odd.__file__, "the ValueError", "ValueError: not today"),
    "an exit": ("Exits", odd.__file__, "the exit", "SystemExit: enough"),
}


@pytest.mark.parametrize(("name", "file", "mark", "message"), RAISES.values(), ids=RAISES)
def test_a_forward_that_raises_is_an_error_at_its_line(name: str, file: str, mark: str, message: str) -> None:
    for reference, candidate in ((pairs.Product(), getattr(odd, name)()), (getattr(odd, name)(), pairs.Product())):
        result = convcheck.verify(reference, TOKENS, candidate=candidate)
        assert result.verdict == "error"
        assert f"{place_of(file, mark)}: {message}" in str(result.reasons[0])


def config(folder: Path, *candidates: str) -> Path:
    cases = [
        f"  - {{name: case {number}, reference: '{PRODUCT}', candidate: '{candidate}', input: [2, 5, 3]}}\n"
        for number, candidate in enumerate(candidates)
    ]
    file = folder / "convcheck.yaml"
    file.write_text(f"cases:\n{''.join(cases)}")
    return file


def test_other_claims_go_on_where_a_forward_raises(convcheck: Run, tmp_path: Path) -> None:
    file = config(tmp_path, code("RaisesInTrouble()"), PRODUCT)
    printed = convcheck("verify", file, "--trust", "-f", "json")
    raised, other = json.loads(printed.stdout)["results"]
    assert (printed.exit_code, raised["verdict"], other["verdict"]) == (1, "error", "equal")
    assert "not today" in raised["reason"]


def test_an_interrupt_in_a_forward_ends_the_run_and_what_is_finished_is_reported(
    convcheck: Run, tmp_path: Path
) -> None:
    printed = convcheck("verify", config(tmp_path, PRODUCT, code("Interrupted()"), PRODUCT), "--trust", "-f", "json")
    assert printed.exit_code == 130, printed.stderr
    assert [row["verdict"] for row in json.loads(printed.stdout)["results"]] == ["equal"]


def test_a_constructor_that_raises_ends_with_2(convcheck: Run) -> None:
    printed = convcheck("verify", PRODUCT, "--candidate", code("Several(1, 2, 3)"), "-i", "2,5,3", "--trust")
    assert printed.exit_code == 2
    assert "takes from 1 to 2 positional arguments" in printed.stderr or "too many positional" in printed.stderr


NO_FUNCTIONS = {"Counts": "it keeps state (calls)", "Remembers": "it keeps state", "Draws": "it draws random numbers"}


@pytest.mark.parametrize(("name", "why"), NO_FUNCTIONS.items())
def test_what_gives_two_answers_is_refused_with_what_was_seen(name: str, why: str) -> None:
    for sides in ((pairs.Product(), getattr(odd, name)()), (getattr(odd, name)(), pairs.Product())):
        result = convcheck.verify(sides[0], TOKENS, candidate=sides[1])
        assert result.verdict == "refused"
        assert f"{name}(...) gives two answers to the same inputs: {why}" in str(result.reasons[0])


@pytest.mark.parametrize("written", ["json", "table"])
def test_prints_stay_off_the_results(convcheck: Run, written: str) -> None:
    printed = convcheck("verify", PRODUCT, "--candidate", code("Prints()"), "-i", "2,5,3", "--trust", "-f", written)
    assert printed.exit_code == 0
    assert "printed in" not in printed.stdout
    assert {"printed in __init__", "printed in forward"} <= set(printed.stderr.splitlines())


def state(module: nn.Module) -> dict[str, object]:
    hooks = [name for name in vars(module) if name.endswith("_hooks") and vars(module)[name]]
    return {
        "mode": [part.training for part in module.modules()],
        "hooks": hooks,
        "needs": {name: one.requires_grad for name, one in module.named_parameters()},
        "attributes": sorted(vars(module)),
    }


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("candidate", [pairs.Frozen, pairs.ProductInNumpy, odd.RaisesInTrouble])
def test_modules_and_streams_of_random_numbers_are_left_as_they_were(
    candidate: type[nn.Module], *, training: bool
) -> None:
    sides = (pairs.Product().train(training), candidate().train(training))
    for side in sides:
        for tensor in side.parameters():
            tensor.grad = torch.ones_like(tensor) if tensor.requires_grad else None
        side.register_forward_hook(lambda _module, _inputs, output: output)
    before = [state(side) for side in sides]
    held = [
        (tensor, copy.deepcopy(tensor), copy.deepcopy(tensor.grad)) for side in sides for tensor in side.parameters()
    ]
    streams = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())
    convcheck.verify(sides[0], TOKENS, candidate=sides[1])
    assert [state(side) for side in sides] == before
    assert all(
        now is tensor for (now, _, _), tensor in zip(held, (t for s in sides for t in s.parameters()), strict=True)
    )
    for tensor, values, gradient in held:
        assert torch.equal(tensor, values)
        assert (tensor.grad is None) is (gradient is None)
        assert gradient is None or torch.equal(tensor.grad, gradient)
    assert torch.equal(torch.get_rng_state(), streams[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == streams[1:]
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32
