"""A table of one line a row is what rich makes of the same cells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from convcheck.report.grid import Column, _lines, _table
from convcheck.report.plain_console import print_to_text

WORDS = st.text(st.sampled_from("ab 1(,═日é"), max_size=12)


@given(st.data())
def test_one_line_a_row_is_laid_out_as_rich_does(data: st.DataObject) -> None:
    columns = [Column(f"x{data.draw(WORDS)}x", data.draw(st.booleans())) for _ in range(data.draw(st.integers(1, 4)))]
    rows = data.draw(st.lists(st.lists(WORDS, min_size=len(columns), max_size=len(columns)), max_size=4))
    by_rich = _table(columns, rows, [[index] for index in range(len(columns))])
    assert print_to_text(lambda _: [_lines(columns, rows)]) == print_to_text(lambda _: [by_rich])
