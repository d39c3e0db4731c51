"""What the row of a result unfolds: first why it is as it is and what to do, then all evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter

from convcheck.report import result_rows
from convcheck.report.page import markup
from convcheck.report.page.documentation import page_of
from convcheck.report.page.pictures import described
from convcheck.results import Result

_FIRST = ("because", "paste", "again", "figure")
"""Why, what to do about it, and how it looks; before everything else."""

_COPIED = {"paste": "the lines to paste", "again": "the command"}
_AGREEMENTS = frozenset({"exact", "gradients"})


def details(result: Result, headers: int, pictures: Mapping[str, str]) -> Iterator[str]:
    """Yield what stands below a row of so many cells; it is open where the result is not as expected.

    `pictures` are the addresses of pictures, by their files.
    """
    yield f'<tr class="more"><td colspan="{headers}">'
    yield f"<details{'' if result.ok else ' open'}><summary><code>{markup.prose(result.layer)}</code></summary>"
    yield "<dl>"
    evidence = list(result_rows.evidence(result))
    first = [pair for subject in _FIRST for pair in evidence if pair[0] == subject]
    yield from _described(first, _image(result, pictures))
    yield from _described(_context(result))
    yield from _described(pair for pair in evidence if pair[0] not in _FIRST)
    yield "</dl></details></td></tr>"


def _context(result: Result) -> Iterator[tuple[str, str]]:
    if result.source and result.source != result.place:
        yield "source", result.source
    if result.rewrite:
        yield "rewrite", result.rewrite


def _image(result: Result, pictures: Mapping[str, str]) -> str:
    address = pictures.get(result.figure or "")
    return f'<img alt="{markup.text(described(result))}" src="{address}">' if address else ""


def _described(pairs: Iterable[tuple[str, str]], image: str = "") -> Iterator[str]:
    for subject, group in groupby(pairs, itemgetter(0)):
        yield f"<dt>{subject}</dt>"
        before = image if subject == "figure" else ""
        yield from (f'<dd class="{subject}">{before}{_description(subject, text)}</dd>' for _, text in group)


def _description(subject: str, text: str) -> str:
    if subject == "rewrite":
        command = f"<code>convcheck rewrites {markup.text(text)}</code> explains it"
        address = page_of(text)
        return f'<a href="{markup.text(address)}">{markup.text(text)}</a>; {command}' if address else command
    if subject in _COPIED:
        # What is copied is the element before the button, as it stands.
        label = f'aria-label="Copy {_COPIED[subject]}"'
        return f'<code>{markup.prose(text)}</code><button type="button" class="copy" {label} hidden>Copy</button>'
    return markup.agreements(text) if subject in _AGREEMENTS else markup.prose(text)
