"""The folder of pictures, and the pictures of results in it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from convcheck.cli import console
from convcheck.errors import ConvcheckError, UsageError, shown
from convcheck.results.pictures import Detail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convcheck.catalogue.claims import Claim
    from convcheck.results import Result

LONGEST = 100
"""Letters that the name of a file has at most, without its ending and the number that tells it from others."""

MOST_NAMED = 5
"""How many results are named of which there is no picture."""


def folder_of(name: str | None) -> Path | None:
    """Return the folder that `--figure` names, which is made; None where it is not given.

    Raises:
        UsageError: nothing can be drawn into it, or matplotlib is missing.
    """
    if name is None:
        return None
    from convcheck.report.drawing import check_library

    check_library()
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"--figure {shown(name)}: {getattr(error, 'strerror', None) or error}") from None
    return folder


def with_detail(claims: Sequence[Claim], figures: bool, spread: bool) -> Sequence[Claim]:
    """Return claims of which a proof takes as much of a picture as is shown."""
    detail = Detail.MAPS if figures else Detail.SPREAD if spread else Detail.NONE
    if detail is Detail.NONE:
        return claims
    return [replace(claim, case=replace(claim.case, detail=detail)) for claim in claims]


class Figures:
    """Draws results into files of one folder; `failed` is whether one could not be written."""

    def __init__(self, folder: Path, *, keep_spread: bool) -> None:
        self._folder, self._keep_spread = folder, keep_spread
        self._taken: set[str] = set()
        self._drawn, self._without = 0, list[str]()
        self.failed = False

    def draw(self, result: Result) -> Result:
        """Return a result with the file of its picture; as it is where there is nothing to draw, or it is not written.

        If writing fails, say so, and let the run go on.
        """
        from convcheck.report.case_figure import draw, has_picture

        shown_in_text = result.picture.without_maps() if result.picture and self._keep_spread else None
        if not has_picture(result):
            self._without.append(f"{result.title} ({result.verdict})")
            return replace(result, picture=shown_in_text)
        path = self._folder / f"{self.name(result)}.png"
        try:
            draw(result, path)
        except ConvcheckError as error:
            if not self.failed:
                console.complain(error)
            self.failed = True
            return replace(result, picture=shown_in_text)
        self._drawn += 1
        return replace(result, figure=str(path), picture=shown_in_text)

    def tell(self) -> None:
        """Say how many pictures there are, and of which results there are none."""
        count = f"{self._drawn} picture{'' if self._drawn == 1 else 's'}"
        without = f"; none of {', '.join(self._without[:MOST_NAMED])}" if self._without else ""
        more = f" and {len(self._without) - MOST_NAMED} more" if len(self._without) > MOST_NAMED else ""
        console.hint(f"{count} in {shown(str(self._folder))}{without}{more}")

    def name(self, result: Result) -> str:
        """Return a file's name for a result that is safe everywhere, and that no other result has."""
        safe = re.sub(r"[^A-Za-z0-9._-]+", "-", result.title).strip("-.")[:LONGEST] or "case"
        name, number = safe, 1
        # Some file systems take upper and lower case for the same.
        while name.lower() in self._taken:
            number += 1
            name = f"{safe}-{number}"
        self._taken.add(name.lower())
        return name
