"""The page of results, as it is written."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from importlib.resources import files
from pathlib import Path

import pytest

from convcheck.report import result_rows
from convcheck.report.page import documentation, pictures
from convcheck.results import Finding, Kind, Report, Result, Sides, Verdict
from tests.report.sample_reports import MIXED, PNG, TOOL, Page, result, written

STYLE = files("convcheck.report.page").joinpath("page.css").read_text()


def page(*results: Result) -> Page:
    return Page(written("html", Report(TOOL, results)))


def between(text: str, begin: str, end: str) -> str:
    return text.partition(begin)[2].partition(end)[0]


def test_the_page_has_a_row_a_result_with_all_its_evidence() -> None:
    found = Page(written("html", MIXED))
    assert found.rows() == len(MIXED.results)
    texts = set(found.texts) | set(found.blocks)
    for each in MIXED.results:
        assert {*result_rows.cells(each)[:-1], each.layer, each.source, each.reproduce} <= texts
        assert {text for _, text in result_rows.evidence(each)} <= texts
    assert result_rows.made_with(MIXED) in texts
    assert result_rows.total_text(MIXED) in texts


def test_what_is_not_as_expected_comes_first_and_is_open() -> None:
    text = written("html", MIXED)
    first = between(text, '<h2 id="unexpected">', '<h2 id="expected">')
    second = text.partition('<h2 id="expected">')[2]
    for part, ok in ((first, False), (second, True)):
        rows = part.split("<tbody")[1:]
        assert len(rows) == sum(each.ok is ok for each in MIXED.results)
        assert all(("<details open>" in row) is not ok for row in rows)
        assert all(("<h3>" in row) is not ok for row in rows)


@pytest.mark.parametrize("ok", [True, False])
def test_a_report_of_one_kind_has_no_empty_section(ok: bool) -> None:
    titles = [block for block in page(result(ok=ok)).blocks if "s expected " in block]
    assert titles == ["As expected 1" if ok else "Not as expected 1"]


def test_reasons_come_before_everything_else_of_a_result_and_what_can_be_copied_next() -> None:
    odd = dataclasses.replace(
        result(verdict=Verdict.DIFFERENT, ok=False), suggestions={"weight": "o i kh kw -> o (i kh kw)"}
    )
    terms = re.findall("<dt>(.*?)</dt>", written("html", Report(TOOL, (odd,))))
    assert terms[:3] == ["because", "paste", "again"]
    assert {"source", "layer", "input", "MACs", "exact", "error", "note"} <= set(terms[3:])
    assert len(terms) == len(set(terms))


def test_sides_maps_and_layouts_of_a_candidate_have_rows_of_their_own() -> None:
    own = dataclasses.replace(
        result(), rewrite=None, candidate="Linear(3, 4)", map={"weight": "w: o i -> i o"}, layout="b n o -> b o n"
    )
    text = re.sub("</?span[^>]*>", "", written("html", Report(TOOL, (own,))))
    rows = dict(re.findall("<dt>(.*?)</dt>\n?<dd[^>]*>(.*?)</dd>", text))
    assert (rows["reference"], rows["candidate"]) == (own.layer, "Linear(3, 4)")
    assert (rows["map"], rows["layout"]) == ("weight = w: o i -&gt; i o", "b n o -&gt; b o n")
    assert "layer" not in rows


def test_what_is_different_is_red_wherever_it_stands() -> None:
    text = written("html", Report(TOOL, (result("x", Verdict.DIFFERENT), result("different", Verdict.EQUAL))))
    different, equal = text.split("<tbody")[1:]
    # Two cells and four words of evidence; the badge has the colour of its verdict.
    assert different.count('<b class="different">different</b>') == 6
    assert 'class="badge different"' in different
    assert "unexpected" not in different
    assert '<b class="different">' not in equal  # a name is only a name
    assert '<b class="different">1 different</b>' in text
    assert "b.different { color: var(--different)" in STYLE


def test_a_bar_is_explained_where_there_is_one() -> None:
    assert any("The bar is the largest error / bound" in block for block in page(result()).blocks)
    assert not any("The bar" in block for block in page(result(verdict=Verdict.REFUSED)).blocks)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("at [0, 55, 6, 7]: 0.6", ["[0, 55, 6, 7]"]),
        ("Conv2d(3, 4, kernel_size=(2, 2))", ["(2, 2)"]),
        ("[1, 3, 8, 8], [4]", ["[1, 3, 8, 8]"]),
        ("'o i -> i o' is - > 3", ["-&gt;"]),
        ("[a, b] (1,) [1,2] [<b>, 2]", []),
    ],
)
def test_no_line_ends_within_a_shape(text: str, shapes: list[str]) -> None:
    odd = dataclasses.replace(result(ok=False), reasons=(Finding(Kind.EXACT, text),))
    because = between(written("html", Report(TOOL, (odd,))), '<dd class="because">', "</dd>")
    assert re.findall('<span class="shape">(.*?)</span>', because) == shapes


def test_a_column_is_as_wide_as_its_longest_shape() -> None:
    long = dataclasses.replace(result(), output_shape=Sides((16, 1024, 16, 112, 112), (16, 1024, 16, 112, 112)))
    narrow, wide = (
        re.findall(r"minmax\(16ch, 1fr\) \d+ch (\d+)ch", written("html", Report(TOOL, (each,))))
        for each in (result(), long)
    )
    assert narrow == [str(len("[1, 4, 4, 4]"))]
    assert wide == [str(len("[16, 1024, 16, 112, 112]"))]


def test_what_can_be_copied_stands_before_its_button_which_only_a_script_shows() -> None:
    one = result(ok=False)
    again = between(written("html", Report(TOOL, (one,))), '<dd class="again">', "</dd>")
    assert Page(again).texts == [one.reproduce, "Copy"]
    (_, (tag, values)) = Page(again).tags
    assert tag == "button"
    assert values == {"type": "button", "class": "copy", "aria-label": "Copy the command", "hidden": None}


def pictured(folder: Path, name: str, *, ok: bool = True, content: bytes = PNG) -> Result:
    (folder / name).write_bytes(content)
    return dataclasses.replace(result(Path(name).stem, ok=ok), figure=str(folder / name))


def test_a_picture_is_a_part_of_the_page_and_says_what_it_shows(tmp_path: Path) -> None:
    text = written("html", Report(TOOL, (pictured(tmp_path, "a.png"), result("b"))))
    ((_, values),) = [(tag, values) for tag, values in Page(text).tags if tag == "img"]
    kind, _, content = str(values["src"]).partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(content) == PNG
    assert "a[patchify-linear]" in str(values["alt"])
    assert "outputs of the reference and of the candidate" in str(values["alt"])
    assert "img-src data:" in text
    assert "img-src" not in written("html", Report(TOOL, (result("b"),)))


@pytest.mark.parametrize("name", ["a.txt", "gone.png", "", "\0.png"])
def test_what_is_no_picture_is_a_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(PNG)
    found = page(dataclasses.replace(result(), figure=str(tmp_path / name)))
    assert not [tag for tag, _ in found.tags if tag == "img"]
    assert any(block.startswith(str(tmp_path)) for block in found.blocks)


def test_pictures_of_what_failed_come_first_where_not_all_have_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_BYTES", 2 * len(PNG))
    results = [pictured(tmp_path, f"{number}.png", ok=number != 2) for number in range(3)]
    assert [values["alt"] for tag, values in page(*results).tags if tag == "img"] == [
        pictures.described(results[2]),
        pictures.described(results[0]),
    ]


@pytest.mark.parametrize(
    ("urls", "link"),
    [
        (None, None),
        (["Homepage, https://host.invalid/home"], None),
        (["Documentation, javascript:alert(1)"], None),
        (
            ["Homepage, https://host.invalid", "Documentation, https://host.invalid/docs/"],
            "https://host.invalid/docs/rewrites/patchify-linear/",
        ),
    ],
)
def test_the_page_of_a_rewrite_is_linked_where_the_package_says_where_it_lies(
    urls: list[str] | None, link: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Metadata:
        def get_all(self, name: str) -> list[str] | None:
            return {"Project-URL": urls}[name]

    monkeypatch.setattr(documentation, "metadata", lambda _: Metadata())
    documentation.address.cache_clear()
    found = page(result())
    documentation.address.cache_clear()
    assert [values["href"] for tag, values in found.tags if tag == "a"] == ([link] if link else [])
    assert any("convcheck rewrites patchify-linear explains it" in block for block in found.blocks)


def test_the_page_loads_nothing() -> None:
    text = written("html", MIXED)
    loading = {"src", "href", "srcset", "action", "formaction", "data", "poster", "background", "style"}
    assert not [(tag, values) for tag, values in Page(text).tags if tag != "a" and loading & values.keys()]
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_allows_its_own_script_and_style_and_no_other() -> None:
    text = written("html", MIXED)
    for tag in ("style", "script"):
        (inner,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text
    for kind in ("default-src", "base-uri", "form-action"):
        assert f"{kind} 'none'" in text


@pytest.mark.parametrize("name", ["page.css", "page.js"])
def test_what_the_page_is_made_of_is_ascii_so_that_its_digest_is_that_of_what_is_written(name: str) -> None:
    assert files("convcheck.report.page").joinpath(name).read_bytes().isascii()


def test_the_page_says_in_words_what_was_not_as_expected_of_a_verdict_that_was() -> None:
    missed = dataclasses.replace(result("weak"), ok=False)
    rows = {
        name: page(each).texts
        for name, each in {"as expected": result(), "another verdict": result(ok=False), "missed": missed}.items()
    }
    assert "not as expected" in rows["missed"]
    assert f"expected {result(ok=False).expected}" in rows["another verdict"]
    assert not {"not as expected", f"expected {Verdict.EQUAL}"} & set(rows["as expected"])


def _luminance(colour: str) -> float:
    digits = colour * 2 if len(colour) == 3 else colour
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", range(2), ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(colours: int) -> None:
    """By the ratio of 4.5 that WCAG 2 asks of text at level AA."""
    palette = [
        dict(re.findall(r"--([\w-]+): #(\w+);", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    ]
    colour = palette[colours]
    verdicts = list(Verdict)
    pairs = [(text, behind) for text in ("ink", "soft", *verdicts) for behind in ("paper", "card", "hover")]
    for text, behind in [*pairs, *((verdict, f"{verdict}-bg") for verdict in verdicts)]:
        darker, lighter = sorted((_luminance(colour[text]), _luminance(colour[behind])))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, behind)


def test_nothing_moves_for_readers_to_wait_for() -> None:
    assert not re.search("transition|animation|scroll-behavior|@keyframes", STYLE)
