"""How docs/make_terminal.py draws what a terminal shows."""

from __future__ import annotations

import re
from html import unescape

from docs.make_terminal import COMMAND, PICTURE, picture


def words(svg: str) -> str:
    return unescape(re.sub(r"<[^>]*>", " ", svg.partition("<g")[2])).replace("\xa0", " ")


def test_lines_have_their_letters_and_colours_and_long_ones_go_on_below() -> None:
    drawn = picture("\x1b[1;31mdifferent\x1b[0m\nplain " + "x" * 40 + "end\n", 40)
    assert picture("\x1b[1;31mdifferent\x1b[0m\nplain " + "x" * 40 + "end\n", 40) == drawn
    assert "$ convcheck " + " ".join(COMMAND) in words(drawn)
    assert re.search(r"x{34} .* x{6}end", words(drawn), re.DOTALL)
    assert len(set(re.findall(r"fill: (#\w+);font-weight: bold", drawn))) == 2
    assert picture("plain", 40, light=True) != picture("plain", 40)


def test_the_picture_in_the_docs_is_one_of_this_command() -> None:
    shown = words(PICTURE.read_text("utf-8"))
    for word in ("$ convcheck " + " ".join(COMMAND), "channels-first", "✓ equal", "✗ different", "paste:"):
        assert word in shown
