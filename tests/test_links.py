"""Where the links of all pages lead: to files that there are, and to headings in them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

import pytest
import yaml

from docs.site_files import LINK, TOP, pieces, repository_path, site_path, with_links

PAGES = sorted(str(path.relative_to(TOP).as_posix()) for path in (*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")))
SAME_PAGE = re.compile(r"\]\(#([^)\s]*)\)")


def prose(page: str) -> str:
    return "".join(text for text, is_code in pieces((TOP / page).read_text("utf-8")) if not is_code)


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def links(page: str) -> Iterator[tuple[str, str]]:
    """Yield the files that a page links to, seen from the top, and the anchors, which may be empty."""
    text = prose(page)
    for link in LINK.finditer(text):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(page), link[1])), (link[2] or "")[1:]
    yield from ((page, anchor) for anchor in SAME_PAGE.findall(text))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    broken = [
        (target, anchor)
        for target, anchor in links(page)
        if not (TOP / target).is_file() or (anchor and anchor not in anchors(target))
    ]
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, new = set(), {"README.md"}
    while new:
        reached |= new
        new = {target for page in new for target, _ in links(page) if target.endswith(".md")} - reached
    assert reached == set(PAGES)
    direct = {target for target, _ in links("README.md")}
    assert {page for page in PAGES if "rewrites/" not in page} - {"README.md"} <= direct


def test_every_page_has_its_place_in_the_site() -> None:
    def places(node: object) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from places(part)

    listed = list(places(yaml.safe_load((TOP / "mkdocs.yml").read_text("utf-8"))["nav"]))
    assert sorted(listed) == sorted(map(site_path, PAGES))
    assert sorted(map(repository_path, listed)) == PAGES


MOVED = {
    ("README.md", "[a](docs/trust.md#b)"): "[a](trust.md#b)",
    ("README.md", "[a](CHANGELOG.md)"): "[a](CHANGELOG.md)",
    ("docs/trust.md", "[a](../convcheck/api.py)"): "[a](convcheck/api.py)",
    ("docs/trust.md", "[a](../README.md), [b](#here)"): "[a](index.md), [b](#here)",
    ("docs/rewrites/fft.md", "[a](../../configs/b.yaml), [c](../d.md)"): "[a](../configs/b.yaml), [c](../d.md)",
    ("docs/trust.md", "```\n[a](../b.md)\n```"): "```\n[a](../b.md)\n```",
    ("README.md", "[a](https://a.org/docs/b.md)"): "[a](https://a.org/docs/b.md)",
}  # fmt: skip


@pytest.mark.parametrize(("page", "text"), MOVED)
def test_links_are_those_of_the_site(page: str, text: str) -> None:
    assert with_links(text, page) == MOVED[page, text]
