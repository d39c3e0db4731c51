"""The certificates of proofs for all sizes, a file each."""

from __future__ import annotations

import re

from convcheck.results import Report, SizesStatus

_LONGEST = 150
"""Bytes of a file's name; every file system takes so many, and what tells names apart behind them."""


def certificates(report: Report) -> dict[str, str | None]:
    """Return the texts by the names of their files; None for a proof that was asked for and has none.

    A name is that of case and rewrite, without what a file system or a shell could take for something else.
    """
    files: dict[str, str | None] = {}
    for result in report.results:
        if result.sizes.status is SizesStatus.NOT_ASKED:
            continue
        plain = re.sub(r"[^\w.+=-]+", "-", result.title).strip(".-") or "case"
        stem = plain.encode()[:_LONGEST].decode(errors="ignore")
        name, number, taken = f"{stem}.txt", 1, {name.lower() for name in files}
        # Two configs may hold cases of one name, and not every file system tells small letters from large ones.
        while name.lower() in taken:
            number += 1
            name = f"{stem}-{number}.txt"
        files[name] = result.sizes.certificate
    return files
