"""A pair without a map is tried in other layouts of the output; what is wrong with a layout is told at its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import Result

import convcheck

Run = Callable[..., Result]
INPUT = (2, 3, 8, 12)


class Embed(nn.Module):
    """A convolution on patches, and what follows it."""

    def __init__(self, after: nn.Module | None = None) -> None:
        super().__init__()
        self.proj, self.after = nn.Conv2d(3, 6, 4, 4), after

    def forward(self, x: Tensor) -> Tensor:
        x = self.proj(x)
        return x if self.after is None else self.after(x)


class Tokens(nn.Module):
    """The same on patches that are cut by hand, `[b, h w, o]`; its weight is `[h w i, o]`."""

    def __init__(
        self, order: tuple[int, ...] = (0, 2, 4, 3, 5, 1), after: nn.Module | None = None, dim: int = 6
    ) -> None:
        super().__init__()
        self.order, self.after = order, after
        self.kernel, self.shift = nn.Parameter(torch.randn(48, dim)), nn.Parameter(torch.randn(dim))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // 4, 4, w // 4, 4).permute(self.order).reshape(b, -1, 16 * c) @ self.kernel + self.shift
        return x if self.after is None else self.after(x)


class ChannelsLast(nn.Linear):
    """A convolution of 1 x 1, and a ReLU, `[b, h, w, o]`."""

    def __init__(self) -> None:
        super().__init__(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).relu()


ROWS_LAST = (0, 4, 2, 3, 5, 1)

FOUND: dict[str, tuple[nn.Module, nn.Module, str | None, str]] = {
    "none is given": (Embed(), Tokens(), None, "b (h w) o -> b o h w, h=2"),
    "rows and columns swapped": (Embed(), Tokens(ROWS_LAST), "b (h w) d -> b d h w, h=2", "b (w h) d -> b d h w, w=3"),
    "one that gives another shape": (Embed(), Tokens(), "b n d -> b d n", "b (h w) o -> b o h w, h=2"),
    "no polynomial": (Embed(nn.GELU()), Tokens(after=nn.GELU()), None, "a0 (a2 a3) a1 -> a0 a1 a2 a3, a2=2"),
    "much is hidden": (Embed(nn.ReLU()), Tokens(after=nn.ReLU()), None, "a0 (a2 a3) a1 -> a0 a1 a2 a3, a2=2"),
    "finer axes": (Tokens(), Embed(), None, "b o h w -> b (h w) o"),
    "statistics, and a ReLU": (
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU()).eval(),
        ChannelsLast(),
        None,
        "b h w o -> b o h w",
    ),
    "all entries read all": (
        Embed(nn.Sequential(nn.Flatten(2), nn.Softmax(2))),
        Tokens(after=nn.Softmax(1)),
        "b n d -> b n d",
        "b d n -> b n d",
    ),
}


@pytest.mark.parametrize(("reference", "candidate", "layout", "matching"), FOUND.values(), ids=FOUND.keys())
def test_a_pair_that_is_equal_in_another_layout_is_different_and_the_layout_is_named(
    reference: nn.Module, candidate: nn.Module, layout: str | None, matching: str
) -> None:
    result = convcheck.verify(reference, INPUT, candidate=candidate, layout=layout)
    assert (result.verdict, result.suggested_layout) == ("different", matching)
    assert str(result.reasons[0]).endswith(f"and '{matching}' matches")
    assert convcheck.verify(reference, INPUT, candidate=candidate, layout=matching).verdict == "equal"


def test_solve_names_the_layout_and_finds_nothing_in_the_one_that_is_claimed() -> None:
    solution = convcheck.solve(Embed(), Tokens(ROWS_LAST), INPUT)
    assert (solution.status, solution.map) == ("none", {})
    assert str(solution.reason).endswith("with --layout 'b (w h) o -> b o h w, w=3' there is one")


def refusal(reference: nn.Module, candidate: nn.Module, **given: Any) -> str:
    result = convcheck.verify(reference, INPUT, candidate=candidate, **given)
    assert result.verdict == "refused"
    return str(result.reason)


def test_outputs_of_other_numbers_of_values_have_no_layout() -> None:
    text = refusal(Embed(), Tokens(dim=5), layout="b (h w) o -> b o h w, h=2")
    assert "the outputs are [2, 6, 2, 3] and [2, 5, 2, 3]: 72 values against 60, so that no layout" in text
    assert text.endswith("axis 1 is 6 and 5")


def test_outputs_that_no_order_of_axes_makes_of_each_other_are_told_how_a_layout_is_written() -> None:
    for map in (None, {"kernel": "proj.weight: o i kh kw -> (kh kw i) o", "shift": "proj.bias"}):
        result = convcheck.verify(Embed(), INPUT, candidate=Tokens((0, 2, 3, 4, 5, 1)), map=map)
        assert result.suggested_layout is None
        assert "--layout 'CANDIDATE -> REFERENCE' says how one becomes the other" in str(result.reasons[0])


def test_what_no_map_makes_of_each_other_is_named_with_its_shape() -> None:
    text = refusal(Embed(), Tokens((0, 2, 3, 4, 5, 1)), layout="b (h w) o -> b o h w, h=2")
    assert "the candidate has kernel [48, 6], the reference proj.weight [6, 3, 4, 4], and no map makes" in text
    assert "for output [1, 3, 1, 1] the reference reads other entries" in text


def test_what_has_a_partner_is_named_where_it_reads_something_else() -> None:
    text = refusal(Embed(), nn.Sequential(nn.ZeroPad2d((1, -1, 0, 0)), nn.Conv2d(3, 6, 4, 4, bias=False)))
    assert "the candidate has 1.weight [6, 3, 4, 4], the reference proj.weight [6, 3, 4, 4]" in text


LENGTHS = {
    "one that does not divide": ("b (h w) d -> b d h w, h=4", "6 is not (h w) with h=4; h may be 1, 2, 3 or 6"),
    "two that do not": (
        "b (h w c) d -> b d h w c, h=4, w=3",
        "6 is not (h w c) with h=4, w=3; h may be 1 or 2",
    ),
    "two that do not make it": ("b (h w) d -> b d h w, h=4, w=3", "6 is not (h w) with h=4, w=3; h may be 2"),
    "an axis by itself": ("b n d -> b d n, n=5", "6 is not (n) with n=5; n may be 6"),
}


@pytest.mark.parametrize(("layout", "text"), LENGTHS.values(), ids=LENGTHS.keys())
@pytest.mark.parametrize(
    "given", [{}, {"map": {"kernel": "proj.weight: o i kh kw -> (kh kw i) o", "shift": "proj.bias"}}]
)
def test_a_layout_that_cannot_be_is_one_fault_with_the_lengths_that_would_do(
    layout: str, text: str, given: dict[str, Any]
) -> None:
    assert refusal(Embed(), Tokens(), layout=layout, **given) == f"layout: {text}"
    assert convcheck.solve(Embed(), Tokens(), INPUT, layout=layout).reason == f"layout: {text}"


def test_a_layout_that_cannot_be_is_told_at_its_line(convcheck: Run, tmp_path: Path) -> None:
    source = "import torch\nclass F(torch.nn.Linear):\n    def forward(self, x):\n        return super().forward(x)\n"
    (tmp_path / "sides.py").write_text(source)
    file = tmp_path / "pair.yaml"
    case = "cases:\n  - reference: Linear(3, 4)\n    candidate: sides.py:F(3, 4)\n    input: [2, 6, 3]\n"
    file.write_text(f"{case}    layout: b (h w) d -> b h w d, h=4\n")
    printed = json.loads(convcheck("verify", file, "--trust", "-f", "json").stdout)
    (result,) = printed["results"]
    assert result["reasons"] == ["layout: 6 is not (h w) with h=4; h may be 1, 2, 3 or 6"]
    assert "pair.yaml:5: layout: 6 is not" in convcheck("verify", file, "--trust").stdout


def test_a_map_by_a_function_names_the_axes_of_a_convolution() -> None:
    def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"kernel": state["proj.weight"].flatten(1).T, "shift": state["proj.bias"]}

    layout = "b (h w) o -> b o h w, h=2"
    result = convcheck.verify(Embed(), INPUT, candidate=Tokens(), map_by=convert, layout=layout)
    assert result.suggestions["kernel"] == "proj.weight: o i kh kw -> (kh kw i) o"


def test_a_length_of_the_layout_is_named_where_other_sizes_need_another() -> None:
    layout = "b (h w) o -> b o h w, h=2"
    result = convcheck.verify(Embed(), INPUT, candidate=Tokens(), layout=layout, all_sizes=True)
    assert (result.verdict, result.sizes.status) == ("equal", "refuted")
    assert str(result.reason).endswith("; h=2 in the layout holds for this size only")


def test_a_length_of_the_layout_is_not_named_where_something_else_differs() -> None:
    class Shifted(Tokens):
        """Equal where an image is 8 high."""

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + (x.shape[2] - 8)

    result = convcheck.verify(
        Embed(nn.Flatten(2)), INPUT, candidate=Shifted(), layout="b (n e) o -> b o (n e), e=1", all_sizes=True
    )
    assert (result.verdict, result.sizes.status) == ("equal", "refuted")
    assert "in the layout" not in str(result.reason)
