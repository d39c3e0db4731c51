"""The site's files that stand outside of docs/: README is its first page, and what pages link to comes along.

mkdocs calls the functions that begin with `on_`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
FIRST = {"README.md": "index.md"}
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
LINK = re.compile(r"\]\(((?!\w+:|#)[^)\s#]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^(`{3,}).*?^\1$", re.MULTILINE | re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages at the top, and all files that pages link to."""
    from mkdocs.structure.files import File

    for name in PAGES:
        files.append(File.generated(config, site_path(name), content=(TOP / name).read_text("utf-8")))
    known = {file.src_uri for file in files}
    sources = {repository_path(file.src_uri) for file in files if file.src_uri.endswith(".md")}
    for target in sorted({target for source in sources for target in targets(source)}):
        if site_path(target) not in known and (TOP / target).is_file():
            files.append(File.generated(config, site_path(target), abs_src_path=str(TOP / target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_more: Any) -> str:
    """Return a page whose links are those of the site."""
    return with_links(markdown, repository_path(page.file.src_uri))


def with_links(markdown: str, source: str) -> str:
    """Return the text of a file of the repository with the links that it has as a page of the site."""
    here = posixpath.dirname(site_path(source))

    def moved(link: re.Match[str]) -> str:
        target = site_path(posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1])))
        return f"]({posixpath.relpath(target, here or '.')}{link[2] or ''})"

    return "".join(text if is_code else LINK.sub(moved, text) for text, is_code in pieces(markdown))


def pieces(markdown: str) -> Iterator[tuple[str, bool]]:
    """Yield a text piece by piece, and whether it is a block of code."""
    end = 0
    for fence in FENCE.finditer(markdown):
        yield markdown[end : fence.start()], False
        yield fence[0], True
        end = fence.end()
    yield markdown[end:], False


def targets(source: str) -> Iterator[str]:
    """Yield the files that a page of the repository links to, seen from the top."""
    for text, is_code in pieces((TOP / source).read_text("utf-8")):
        for link in () if is_code else LINK.finditer(text):
            yield posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))


def site_path(path: str) -> str:
    """Return where a file of the repository stands in the site."""
    return FIRST.get(path, path.removeprefix("docs/"))


def repository_path(path: str) -> str:
    """Return where a page of the site stands in the repository."""
    top = {site_path(name): name for name in PAGES}
    return top.get(path, f"docs/{path}")
