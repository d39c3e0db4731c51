"""Results as one page: nothing is loaded from anywhere, and names can do nothing in it but be read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files

from convcheck.report import result_rows
from convcheck.report.page.columns import fitted
from convcheck.report.page.details import details
from convcheck.report.page.markup import text
from convcheck.report.page.pictures import embedded
from convcheck.report.page.row import kind, legend, row
from convcheck.results import Report, Result, Verdict


def render(report: Report) -> str:
    """Return the page: the sum, the versions, and a row a result with all its evidence to unfold; failures first."""
    style, script = (
        files("convcheck.report.page").joinpath(name).read_text("utf-8") for name in ("page.css", "page.js")
    )
    headers = result_rows.headers(report)
    results = sorted(report.results, key=lambda result: result.ok)
    pictures = embedded(results)
    style = fitted(style, report.results, headers)
    page = "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            # Names are escaped. Should one ever not be, it still loads nothing, runs no script, and sends no form.
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script, images=bool(pictures))}">',
            f"<title>convcheck: {text(_headline(report))}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            *_header(report),
            "<main>",
            *(legend() if any(result.error.ratio is not None for result in report.results) else ()),
            *_section("unexpected", "Not as expected", [one for one in results if not one.ok], headers, pictures),
            *_section("expected", "As expected", [one for one in results if one.ok], headers, pictures),
            "</main>",
            f"<script>{script}</script>",
            "</body>",
            "</html>",
        ]
    )
    # So it reads the same in whatever encoding it is stored.
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _policy(style: str, script: str, *, images: bool) -> str:
    allowed = (base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (style, script))
    policy = "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
    return policy.format(*allowed) + ("; img-src data:" if images else "")


def _headline(report: Report) -> str:
    unexpected = report.count()["unexpected"]
    if unexpected:
        return f"{unexpected} of {len(report.results)} not as expected"
    return result_rows.all_well(report) if report.ok else "not finished"


def _header(report: Report) -> Iterator[str]:
    counts = report.count()
    yield "<header>"
    yield f'<p class="tool">{text(result_rows.made_with(report))}</p>'
    yield f'<h1 class="{"good" if report.ok else "bad"}">{text(_headline(report))}</h1>'
    yield f"<p>{''.join(_piece(*piece) for piece in result_rows.total(report))}</p>"
    yield '<div role="search"><div class="tiles" role="group" aria-label="Show only one verdict">'
    yield _tile("", counts["total"], "all")
    for verdict in Verdict:
        if counts[verdict]:
            yield _tile(verdict, counts[verdict], verdict)
    if counts["unexpected"]:
        yield _tile("unexpected", counts["unexpected"], "not as expected")
    yield "</div>"
    yield '<input type="search" placeholder="Search names, layers, reasons" aria-label="Search" hidden>'
    # What the script does is said here, for who does not see it.
    yield '</div><p role="status"></p>'
    yield "</header>"


def _piece(words: str, verdict: str) -> str:
    return f'<b class="{verdict}">{text(words)}</b>' if verdict == Verdict.DIFFERENT else text(words)


def _tile(chosen: str, count: int, label: str) -> str:
    pressed = "false" if chosen else "true"
    # Without its script, the page only counts.
    return (
        f'<button type="button" class="tile {chosen}" data-only="{chosen}" aria-pressed="{pressed}" disabled>'
        f"<b>{count:,}</b> {label}</button>"
    )


def _section(
    name: str, title: str, results: Sequence[Result], headers: Sequence[str], pictures: Mapping[str, str]
) -> Iterator[str]:
    if not results:
        return
    heads = "".join(
        f'<th scope="col"{kind(header)}><button type="button" disabled>{header}</button></th>' for header in headers
    )
    yield f'<section aria-labelledby="{name}"><h2 id="{name}">{title} <span>{len(results):,}</span></h2>'
    # What is too wide for a window is scrolled to; the buttons of the head are reached by keys.
    yield f'<div class="table"><table aria-labelledby="{name}">'
    yield f"<thead><tr>{heads}</tr></thead>"
    for result in results:
        yield f'<tbody class="{result.verdict}{"" if result.ok else " unexpected"}">{row(result, headers)}'
        yield from details(result, len(headers), pictures)
        yield "</tbody>"
    yield "</table></div></section>"
