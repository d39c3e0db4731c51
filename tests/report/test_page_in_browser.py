"""The page as its readers have it: in a browser, at the width of a telephone and of a desk, by keys, and read aloud."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convcheck.results import Report, Sides
from tests.report.browser import ALOUD, NAMES, PROGRAM, Tab, opened_browser
from tests.report.sample_reports import MIXED, PNG, TOOL, result, written

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=f"no browser is on the PATH: {', '.join(NAMES)}")

WIDE = dataclasses.replace(
    result("a-name-that-somebody-made-as-long-as-they-liked", ok=False),
    output_shape=Sides((16, 1024, 16, 112, 112), (16, 1024, 16, 112, 112)),
    params=Sides(102_764_544, 102_764_544),
)
REPORT = Report(TOOL, (*MIXED.results, WIDE))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with opened_browser(tmp_path_factory.mktemp("browser"), ALOUD) as tab:
        yield tab


@pytest.fixture
def page(browser: Tab, tmp_path: Path) -> Tab:
    file = tmp_path / "page.html"
    file.write_text(written("html", REPORT))
    browser.show(1280)
    browser.open(file)
    return browser


def count(page: Tab, selector: str) -> int:
    found = page.run(f"[...document.querySelectorAll('{selector}')].filter(e => e.checkVisibility()).length")
    assert isinstance(found, int)
    return found


def focused(page: Tab) -> str:
    return str(page.run("document.activeElement.ariaLabel || document.activeElement.textContent"))


def test_the_script_and_the_style_run_under_the_policy_and_nothing_is_loaded(page: Tab) -> None:
    assert count(page, "input") == 1
    assert count(page, "button:disabled") == 0
    assert page.run("getComputedStyle(document.querySelector('.badge.different')).color") == "rgb(179, 32, 44)"
    wrong = [event for event in page.events if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert not wrong
    asked = [
        event["params"]["request"]["url"] for event in page.events if event.get("method") == "Network.requestWillBeSent"
    ]
    assert [address.partition(":")[0] for address in asked] == ["file"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 400, 768, 1280, 1920])
def test_nothing_is_cut_off_at_any_width(page: Tab, width: int, dark: bool) -> None:
    page.show(width, height=8000, dark=dark)
    beyond = "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
    assert page.run(f"{beyond}.map(e => e.outerHTML.slice(0, 80))") == []
    assert page.run("document.documentElement.scrollWidth") <= width
    paper = page.run("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(17, 20, 23)" if dark else "rgb(251, 251, 250)")


def test_cells_stand_below_their_heads(page: Tab) -> None:
    page.show(1920)
    lefts = "[...document.querySelector('{}').children].map(e => Math.round(e.getBoundingClientRect().left))"
    assert page.run(lefts.format("thead tr")) == page.run(lefts.format("tbody .row"))


@pytest.mark.parametrize("width", [400, 1280])
def test_a_shape_stands_on_one_line(page: Tab, width: int) -> None:
    page.show(width, height=8000)
    lines = page.run(
        "[...document.querySelectorAll('.shape')].map(e => Math.round(e.getBoundingClientRect().height / 20))"
        ".filter(lines => lines)"
    )
    assert len(lines) > 10
    assert set(lines) == {1}


@pytest.mark.parametrize("width", [400, 1280])
def test_a_picture_is_shown_under_the_policy_within_the_page(browser: Tab, tmp_path: Path, width: int) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    file = tmp_path / "page.html"
    shown = dataclasses.replace(result(ok=False), figure=str(tmp_path / "a.png"))
    file.write_text(written("html", Report(TOOL, (shown,))))
    browser.show(width)
    browser.open(file)
    assert browser.run("document.images[0].decode().then(() => document.images[0].naturalWidth)") == 1
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_all_is_reached_and_worked_by_keys(page: Tab) -> None:
    page.press("Tab")
    assert focused(page) == "8 all"
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for name in ("3 equal", "2 different"):
        page.press("Tab")
        assert focused(page) == name
    page.press(" ")
    assert count(page, "tbody") == 2
    assert page.run("document.querySelector('[role=status]').textContent") == "2 of 8 shown"
    while focused(page) != "Search":
        page.press("Tab")
    while page.run("document.activeElement.localName") != "summary":
        page.press("Tab")
    before = count(page, "details[open]")
    page.press("Enter")
    assert count(page, "details[open]") == before - 1


def test_a_search_leaves_what_has_every_word_and_sections_that_are_not_empty(page: Tab) -> None:
    page.run("document.querySelector('input').focus()")
    page.call("Input.insertText", text="REFUSED conv2d")
    assert count(page, "tbody") == 2
    assert count(page, "section") == 2
    page.call("Input.insertText", text=" as-expected")
    assert count(page, "tbody") == 1
    assert count(page, "section") == 1


def test_columns_are_sorted_by_keys_both_ways(page: Tab) -> None:
    names = "[...document.querySelectorAll('section:last-child tbody th')].map(e => e.textContent)"
    page.show(1920)
    unsorted = page.run(names)
    page.run("document.querySelector('section:last-child thead button').focus()")
    page.press("Enter")
    assert page.run(names) == sorted(unsorted)
    page.press(" ")
    assert page.run(names) == sorted(unsorted, reverse=True)
    assert page.run("document.querySelector('section:last-child thead th').ariaSort") == "descending"


def test_a_line_is_copied_by_keys_and_the_page_says_so(page: Tab) -> None:
    page.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    page.run("document.querySelector('.again .copy').focus()")
    page.press("Enter")
    page.run("new Promise(done => setTimeout(done, 50))")
    assert page.run("navigator.clipboard.readText()") == next(each for each in REPORT.results if not each.ok).reproduce
    assert page.run("document.activeElement.textContent") == "Copied"
    assert page.run("document.querySelector('[role=status]').textContent") == "Copied the command"


def test_a_line_that_cannot_be_copied_is_selected(page: Tab) -> None:
    page.run("navigator.clipboard.writeText = () => Promise.reject(); document.execCommand = () => false; 0")
    page.run("document.querySelector('.again .copy').click()")
    page.run("new Promise(done => setTimeout(done, 50))")
    assert page.run("getSelection().toString()") == page.run("document.querySelector('.again code').textContent")
    assert "Selected the command" in page.run("document.querySelector('[role=status]').textContent")


@pytest.mark.parametrize("width", [400, 1920])
def test_it_is_read_aloud_as_a_page_with_landmarks_headings_and_tables(page: Tab, width: int) -> None:
    page.show(width)
    nodes: list[dict[str, Any]] = page.call("Accessibility.getFullAXTree")["nodes"]
    read = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    roles = {role for role, _ in read}
    assert {"banner", "main", "search", "status", "searchbox", "table", "row", "rowheader", "cell"} <= roles
    assert [name for role, name in read if role == "region"] == ["Not as expected 5", "As expected 3"]
    titles = {"5 of 8 not as expected", "Not as expected 5", "As expected 3"}
    assert {name for role, name in read if role == "heading"} == titles | {
        each.case for each in REPORT.results if not each.ok
    }
    assert ("button", "Copy the command") in read
    assert not [role for role, name in read if role in ("button", "searchbox", "image", "link") and not name]


def test_it_reads_without_a_script_and_on_paper(page: Tab) -> None:
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.call("Page.reload")
    page.run("0")
    page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert count(page, ".copy") == count(page, "input") == 0
    assert count(page, "tbody") == len(REPORT.results)
    page.show(800, dark=True, media="print")
    assert count(page, ".tile") == 0
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(251, 251, 250)"
