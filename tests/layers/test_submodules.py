"""A printed module with arguments of its own and submodules is read as what it amounts to, or is an error."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from torch import nn
from typer.testing import CliRunner, Result

from convcheck.cli.main import app
from convcheck.errors import LayerError
from convcheck.layers import Sequential, parse_layer
from convcheck.layers.text.pasted import parse_pasted

Paste = Callable[..., Result]


@pytest.fixture
def paste() -> Paste:
    runner = CliRunner()
    return lambda text, *words: runner.invoke(app, list(words), input=text)


class BatchNormAct2d(nn.BatchNorm2d):
    """As timm's: normalised, then dropped, then activated."""

    def __init__(self, channels: int, drop: nn.Module | None = None) -> None:
        super().__init__(channels)
        if drop is not None:
            self.drop = drop
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = super().forward(x)
        return self.act(self.drop(x) if hasattr(self, "drop") else x)


def followed_by_relu(
    base: type[nn.Module], name: str, *arguments: int, extra: str | None = None, held: str = "act"
) -> nn.Module:
    """Return a module of a class of one's own that derives from one of torch's and holds a ReLU."""

    class Derived(base):  # type: ignore[misc,valid-type]  # any of torch's
        def extra_repr(self) -> str:
            return super().extra_repr() if extra is None else extra

    Derived.__name__ = name
    module: nn.Module = Derived(*arguments)
    module.add_module(held, nn.ReLU())
    return module


@pytest.mark.parametrize("drop", [None, nn.Identity(), nn.Dropout2d(0.1)])
def test_a_normalisation_with_an_activation_computes_and_counts_as_its_layers_in_a_row(drop: nn.Module | None) -> None:
    module = BatchNormAct2d(6, drop).eval()
    found = parse_pasted(str(module))
    assert [layer.kind for layer in found.layers] == ["BatchNorm2d", *([type(drop).__name__] if drop else []), "SiLU"]
    assert list(found.names) == ["", *(["drop"] if drop else []), "act"]
    assert found.containers == ()
    assert sum(layer.parameter_count() for layer in found.layers) == sum(p.numel() for p in module.parameters())
    with torch.no_grad():
        for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
            tensor.uniform_(0.5, 2.0)
        x = torch.randn(2, 6, 3, 3)
        plain = nn.BatchNorm2d(6).eval()
        plain.load_state_dict(module.state_dict(), strict=False)
        assert torch.equal(module(x.clone()), nn.functional.silu(plain(x)))


def test_it_is_read_within_chains_and_models() -> None:
    chain = nn.Sequential(nn.Conv2d(3, 6, 1), BatchNormAct2d(6, nn.Identity()))
    layer = parse_layer(str(chain))
    assert isinstance(layer, Sequential)
    assert layer.parameter_count() == sum(p.numel() for p in chain.parameters())
    assert list(parse_pasted(str(nn.ModuleDict({"a": chain}))).names) == ["a.0", "a.1", "a.1.drop", "a.1.act"]


def test_a_model_is_counted_whole(paste: Paste) -> None:
    model = nn.Sequential(*(nn.Sequential(nn.Conv2d(4, 4, 1), BatchNormAct2d(4, nn.Identity())) for _ in range(3)))
    found = json.loads(paste(str(model), "params", "-", "-f", "json").stdout)
    assert found["total"]["params"] == sum(p.numel() for p in model.parameters())
    rows = json.loads(paste(str(model), "shape", "-", "-i", "1,4,8,8", "-f", "json").stdout)["layers"]
    assert sum(row["params"] for row in rows) == found["total"]["params"]


BOTH = {
    "a class that nobody knows": followed_by_relu(nn.Conv2d, "ConvAct", 3, 4, 1),
    "a class called as one of torch's": followed_by_relu(nn.Conv2d, "Conv2d", 3, 4, 1),
    "a linear layer": followed_by_relu(nn.Linear, "LinearAct", 3, 4),
    "arguments that begin with a bracket": followed_by_relu(nn.LayerNorm, "LayerNormAct", 3),
    "another normalisation": followed_by_relu(nn.GroupNorm, "GroupNormAct", 3, 6),
    "a class that is known with a submodule that is not": followed_by_relu(
        nn.BatchNorm2d, "BatchNormAct2d", 3, held="norm"
    ),
    "words of its own": followed_by_relu(nn.Identity, "Block", extra="width=4, residual"),
    "a sentence": followed_by_relu(nn.Identity, "Block", extra="a block (with a shortcut) of two"),
    "several lines": followed_by_relu(nn.Identity, "Block", extra="width=4\nresidual"),
    "a Sequential of one's own": followed_by_relu(nn.Sequential, "Sequential", extra="width=4"),
    "a parametrised layer": nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 1)),
}


@pytest.mark.parametrize("module", BOTH.values(), ids=BOTH.keys())
def test_what_is_not_known_is_never_answered_as_if_it_were_one_of_both(module: nn.Module, paste: Paste) -> None:
    for text in (str(module), str(nn.Sequential(nn.ReLU(), module)), str(nn.ModuleList([module] * 3))):
        for command in (["params", "-"], ["shape", "-", "-i", "1,3,8,8"], ["verify", "-"]):
            result = paste(text, *command)
            assert result.exit_code == 2
            # Of others around it something is said, and nothing that it would have to be known for.
            totals = [row for row in result.stdout.splitlines() if row.split()[:1] == ["total"]]
            assert len(totals) == (command[0] != "verify" and text.startswith("Sequential") and bool(result.stdout))
            assert not any(letter.isdigit() for total in totals for letter in total)
            (line,) = [row for row in result.stderr.splitlines() if row.startswith("error: ")]
            assert "has arguments of its own, " in line
            assert "write the layers that it amounts to in its place, or leave these arguments out" in line
    with pytest.raises(LayerError, match="has arguments of its own"):
        parse_layer(str(nn.Sequential(module)))


def test_arguments_that_only_describe_can_be_left_out() -> None:
    text = str(BOTH["words of its own"])
    assert parse_pasted(text.replace("  width=4, residual\n", "")).containers == ("Block",)


@pytest.mark.parametrize("kind", ["Conv2d", "Linear", "Block", "Sequential", "BatchNormAct2d"])
@pytest.mark.parametrize("held", ["None", "'same'", "(3, 4)"])
def test_submodules_that_are_no_layers_do_not_make_arguments_disappear(kind: str, held: str) -> None:
    text = f"{kind}(\n  3, 4, 1\n  (act): {held}\n)"
    for read in (parse_layer, parse_pasted):
        with pytest.raises(LayerError, match="has arguments of its own, '3, 4, 1'"):
            read(text)


def test_a_submodule_that_is_none_is_no_argument() -> None:
    model = nn.ModuleDict({"a": nn.ReLU(), "c": nn.Sequential(nn.ReLU())})
    model.register_module("b", None)
    model["c"].register_module("d", None)
    assert str(model).count("): None") == 2
    found = parse_pasted(str(model))
    assert (found.names, found.containers) == (("a", "c.0"), ("ModuleDict",))


@pytest.mark.parametrize("code", ["Block(3, ReLU())", "Block(ReLU(), width=3)", "Block([ReLU()], 'same')"])
def test_code_with_arguments_and_layers_is_refused_as_well(code: str) -> None:
    with pytest.raises(LayerError, match=r"Block: has arguments of its own, '"):
        parse_pasted(code)


def test_faults_that_are_alike_are_told_once(paste: Paste) -> None:
    model = nn.ModuleList([nn.Sequential(nn.L1Loss(), BOTH["words of its own"]) for _ in range(4)])
    first, second, *rest = paste(str(model), "params", "-").stderr.splitlines()
    assert first.startswith(
        "error: standard input: 0.0 and 3 more: unknown layer 'L1Loss', which torch has and convcheck cannot read"
    )
    assert second.startswith("error: standard input: 0.1 and 3 more: Block: has arguments of its own")
    assert rest[0] == "2 faults; nothing was run"


NOTE = (
    "Net is no Sequential: layers are taken in the order printed; branches, skip connections, what forward does "
    "between them, and parameters outside of them cannot be seen"
)


@pytest.mark.parametrize(
    "command",
    [
        ["shape", "-", "-i", "1,3,8,8"],
        ["params", "-"],
        ["shape", "-", "--output", "1,4,8,8"],
        ["shape", "-", "-i", "1,3,8,8", "--sizes"],
    ],
)
def test_what_a_print_does_not_show_stands_in_json_as_well(paste: Paste, command: list[str]) -> None:
    middle = "ConvTranspose2d(3, 4, 1)" if "--sizes" in command else "Conv2d(3, 4, 1)"
    result = paste(f"Net(\n  (a): {middle}\n  (b): ReLU()\n)", *command, "-f", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["notes"] == [NOTE]
    assert result.stderr == f"note: {NOTE}\n"
    chain = paste(f"Sequential(\n  (a): {middle}\n  (b): ReLU()\n)", *command, "-f", "json")
    assert (json.loads(chain.stdout)["notes"], chain.stderr) == ([], "")
