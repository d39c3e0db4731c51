"""The layout of an output is suggested where nothing else differs, and what is suggested makes both equal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import Result

from tests.proof.test_own_candidate import CONFIG, EQUAL, Pair, verify, words

Run = Callable[..., Result]

PATCHES = EQUAL["a patch embedding is a Linear on patches"]._replace(layout=None)

SUGGESTED = {
    "none was given": (PATCHES, "b (h w) o -> b o h w, h=2"),
    "rows and columns swapped on a square": (
        PATCHES._replace(input=[2, 3, 8, 8], layout="b (h w) o -> b o w h, h=2"),
        "b (h w) o -> b o h w, h=2",
    ),
    "channels cut from the wrong end": (
        PATCHES._replace(input=[2, 3, 8, 16], layout="b p (o h w) -> b o (h p) w, h=1, w=1"),
        "b (h w) o -> b o h w, h=2",
    ),
    "one row of patches": (PATCHES._replace(input=[1, 3, 4, 8]), "b (h w) o -> b o h w, h=1"),
    "the candidate's axes are the finer ones": (
        Pair(
            'Sequential(Conv2d(3, 8, 1), rearrange("b o h w -> b (h w) o"))',
            "Conv2d(3, 8, 1)",
            [2, 3, 4, 5],
            {"weight": "0.weight", "bias": "0.bias"},
        ),
        "b o h w -> b (h w) o",
    ),
    "a square, in the layer itself": (
        Pair(
            "Conv2d(3, 8, 1)",
            'Sequential(rearrange("b i h w -> b i w h"), Conv2d(3, 8, 1))',
            [2, 3, 5, 5],
            {"1.weight": "weight", "1.bias": "bias"},
        ),
        "b o w h -> b o h w",
    ),
}


@pytest.mark.parametrize(("pair", "layout"), SUGGESTED.values(), ids=SUGGESTED.keys())
def test_a_layout_is_suggested_and_matches(pair: Pair, layout: str) -> None:
    result = verify(pair)
    assert (result.verdict, result.suggestion, result.suggested_layout) == ("different", layout, layout)
    assert (result.suggestions, str(result.reasons[0]).endswith(f"'{layout}' matches")) == ({}, True)
    assert verify(pair._replace(layout=layout)).verdict == "equal"


@settings(max_examples=10)
@given(order=st.permutations(["b", "o", "h", "w"]), cut=st.integers(1, 4), square=st.booleans())
def test_any_order_and_grouping_of_axes_is_found(order: list[str], cut: int, square: bool) -> None:
    grouped = " ".join([*order[: cut - 1], f"({' '.join(order[cut - 1 :])})"])
    pair = Pair(
        "Conv2d(3, 6, 1)",
        f'Sequential(Conv2d(3, 6, 1), rearrange("b o h w -> {grouped}"))',
        [2, 3, 5, 5 if square else 4],
        {"0.weight": "weight", "0.bias": "bias"},
    )
    result = verify(pair)
    if grouped == "b o h (w)":
        assert result.verdict == "equal"
        return
    assert result.suggested_layout is not None
    assert verify(pair._replace(layout=result.suggested_layout)).verdict == "equal"


NOT_SUGGESTED = {
    "a layout would hide another fault": PATCHES._replace(
        map={"1.weight": "weight: o i kh kw -> o (i kw kh)", "1.bias": "bias"}
    ),
    "another number of entries": Pair("Conv2d(3, 4, 2)", "Conv2d(3, 4, 2, padding=1)", [1, 3, 5, 5]),
    "other numbers": Pair("Conv2d(3, 4, 1)", "Conv2d(3, 4, 1)", [1, 3, 5, 5], {"bias": "bias * 2"}),
}


@pytest.mark.parametrize("pair", NOT_SUGGESTED.values(), ids=NOT_SUGGESTED.keys())
def test_no_layout_is_suggested_where_none_matches(pair: Pair) -> None:
    result = verify(pair)
    assert (result.verdict, result.suggested_layout) == ("different", None)


def test_it_stands_in_json_in_the_table_and_at_its_line(convcheck: Run, tmp_path: Path) -> None:
    (found,) = json.loads(convcheck("verify", *words(PATCHES), "-f", "json").stdout)["results"]
    assert found["suggestion"] == found["suggested_layout"] == "b (h w) o -> b o h w, h=2"
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.replace("b (h w) o", "b (w h) o").replace("[2, 3, 8, 12]", "[2, 3, 8, 8]"))
    printed = convcheck("verify", file)
    assert f"{file}:9: the output was laid out as" in printed.stdout
    (pasted,) = [line.partition("paste: ")[2] for line in printed.stdout.splitlines() if "paste: " in line]
    file.write_text(CONFIG[: CONFIG.index("    layout:")].replace("[2, 3, 8, 12]", "[2, 3, 8, 8]") + f"    {pasted}\n")
    assert convcheck("verify", file).exit_code == 0
