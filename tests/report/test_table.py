"""Tables lose nothing, at any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from convcheck.calculator.shapes import chain, shapes_of, total_of
from convcheck.calculator.side_weights import Weights
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.report.format_values import format_number, format_sides
from convcheck.report.formats import table
from convcheck.report.grid import Column, grid
from convcheck.report.plain_console import PlainConsole, print_all
from convcheck.report.tables.parameter_table import side_tables
from convcheck.report.tables.shape_table import dropped, shape_tables
from convcheck.results import Agreement, Deviation, Exact, Gradients, Report, Result, Sides, Tool, Verdict

RESULT = Result(
    case="a-rather-long-name-of-a-case-k2x2x2-s2x2x2",
    source=None,
    layer="Conv3d(48, 128, kernel_size=(1, 2, 2), stride=(1, 2, 2), bias=False)",
    rewrite="patchify-conv1x1",
    input=((4, 48, 3, 10, 12),),
    dtype="float32",
    device="cpu",
    seed=0,
    verdict=Verdict.EQUAL,
    expected=Verdict.EQUAL,
    ok=True,
    reproduce="convcheck verify",
    output_shape=Sides((4, 128, 3, 5, 6), (4, 128, 3, 5, 6)),
    params=Sides(24_576, 1_234_567),
    exact=Exact(Agreement.IDENTICAL, 2, 1e-13),
    gradients=Gradients(Agreement.IDENTICAL, Agreement.IDENTICAL),
    error=Deviation(1.0729e-06, (0, 0), 0.1, 6.816e-05, 0.015, 9.0),
)


def printed(width: int, *, terminal: bool = True) -> str:
    out = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, markup=False, highlight=False
    )
    for renderable in table.lay_out(Report(Tool("0", "0", "0", "cpu", 1), (RESULT,)), out):
        out.print(renderable)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200, 100_000])
def test_every_cell_is_whole_at_every_width(width: int) -> None:
    text = printed(width)
    assert "…" not in text
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    wanted = [
        "patchify-conv1x1",
        "[4, 128, 3, 5, 6]",
        "24,576",
        "1,234,567",
        "1.073e-06 / 6.816e-05",
        "identical",
        "equal",
    ]
    for cell in wanted:
        assert cell in " ".join(text.split())
    assert RESULT.case in text.replace("\n", "").replace(" ", "") or RESULT.case in text


def test_a_row_is_one_line_where_there_is_no_edge() -> None:
    (row,) = [line for line in printed(100_000).splitlines() if "patchify-conv1x1" in line]
    assert "equal" in row
    assert "6.816e-05" in row


def test_numbers_of_a_stacked_or_broken_up_table_are_those_of_the_wide_one() -> None:
    def words(width: int) -> set[str]:
        return set(printed(width).split())

    assert words(80) >= words(100_000) - {"─" * 3}.union(w for w in words(100_000) if set(w) == {"─"})


def test_text_that_looks_like_markup_or_moves_the_cursor_is_inert() -> None:
    out = Console(file=io.StringIO(), width=80, force_terminal=True)
    out.print(grid([Column("name")], [["[bold red]x[/]\x1b[31m\r\n"]], out))
    assert isinstance(out.file, io.StringIO)
    assert "[bold red]x[/]\\x1b[31m\\r" in out.file.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (None, "-"), (1.07288e-6, "1.073e-06"), (0.25, "0.25"), (3.07654, "3.077"), (1234567.0, "1.235e+06")],
)
def test_numbers_are_written_with_four_digits(value: float | None, text: str) -> None:
    assert format_number(value) == text


def test_counts_of_both_sides_say_whether_they_agree() -> None:
    assert format_sides(Sides(24_576, 24_576)) == "24,576 = 24,576"
    assert format_sides(Sides(132, 144)) == "132 / 144"
    assert format_sides(Sides(132, None)) == "132"


def test_dropped_positions_are_said_in_words() -> None:
    layer = parse_layer("Conv3d(1, 1, (2, 3, 1), stride=(2, 3, 1))")
    (row,) = shapes_of([Case("a", layer, ((1, 1, 5, 8, 4),))])
    assert row.dropped == (1, 2, 0)
    assert dropped(row.dropped) == "1 frame, 2 rows"


def test_a_refused_candidate_is_said_in_the_table_of_parameters() -> None:
    out = Console(file=io.StringIO(), width=100_000)
    row = Weights(
        "a",
        "L",
        "patchify-linear",
        Sides(3, None),
        Sides({"weight": (3, 1)}, None),
        None,
        {},
        ("padding is 1", "torch says: 2; or 3"),
    )
    for renderable in side_tables([row], out, dtype="float32", verbose=True):
        out.print(renderable)
    assert isinstance(out.file, io.StringIO)
    assert "refused" in out.file.getvalue()
    assert "  padding is 1\n  torch says: 2; or 3\n" in out.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200, 100_000])
def test_a_line_of_a_claim_begins_with_its_verdict(width: int) -> None:
    (row,) = [line for line in printed(width).splitlines() if "patchify-conv1x1" in line]
    assert row.split()[:3] == ["✓", "equal", "patchify-conv1x1"]


def test_a_layer_takes_two_lines_of_80_columns_and_what_has_nothing_below_takes_one() -> None:
    def lines(*layers: str) -> list[str]:
        file = io.StringIO()
        console = PlainConsole(file=file, width=80, color_system=None)
        parsed = [parse_layer(text) for text in layers]
        rows = chain(parsed, ((1, 3, 224, 224),), [None] * len(parsed))
        total = total_of(parsed, ((1, 3, 224, 224),), rows) if len(rows) > 1 else None
        print_all(console, shape_tables(rows, total, console, verbose=False))
        return file.getvalue().splitlines()

    assert len(lines("Conv2d(3, 768, 16, stride=16)")) == len(["headers", "below them", "a rule", "layer", "its rest"])
    _, _, _, first, blank, layer, *_ = lines("Conv2d(3, 64, 7, 2, 3)", "ReLU()")
    assert first.split() == ["input", "[1,", "3,", "224,", "224]"]
    assert not blank
    assert layer.startswith("Conv2d(")
