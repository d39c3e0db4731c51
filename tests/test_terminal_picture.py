"""How docs/make_terminal.py draws what a terminal shows."""

from __future__ import annotations

import re
from html import unescape

from docs.make_terminal import COMMAND, PICTURE, picture
from tests.test_readme import BLOCKS, README


def words(svg: str) -> str:
    return unescape(re.sub(r"<[^>]*>", " ", svg.partition("<g")[2])).replace("\xa0", " ")


def test_lines_have_their_letters_and_colours_and_long_ones_go_on_below() -> None:
    drawn = picture("\x1b[1;31mdifferent\x1b[0m\nplain " + "x" * 40 + "end\n", 40)
    assert picture("\x1b[1;31mdifferent\x1b[0m\nplain " + "x" * 40 + "end\n", 40) == drawn
    assert "$ convcheck " + " ".join(COMMAND) in words(drawn)
    assert re.search(r"plain .* x{40} .* end", words(drawn), re.DOTALL)
    assert len(set(re.findall(r"fill: (#\w+);font-weight: bold", drawn))) == 2
    assert picture("plain", 40, light=True) != picture("plain", 40)


def test_the_picture_in_the_docs_is_one_of_this_command() -> None:
    shown = words(PICTURE.read_text("utf-8"))
    for word in ("$ convcheck " + " ".join(COMMAND), "channels-last", "✗ different", "paste:"):
        assert word in shown


def test_the_picture_in_the_docs_cuts_no_word_of_what_readme_shows() -> None:
    (shown,) = [
        text for page, command, text in BLOCKS if (page, command) == (README, " ".join(["convcheck", *COMMAND]))
    ]
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", PICTURE.read_text("utf-8"))
    # A word in colour ends before its comma.
    letters = {word.strip(",;") for text in drawn for word in unescape(text).replace("\xa0", " ").split()}
    whole = {word.strip(",;") for word in shown.split() if not re.search(r"\d\.\d|─", word)}
    assert "--seed" in whole
    assert whole <= letters
