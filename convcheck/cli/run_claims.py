"""From the claims that were chosen to the report: their order, what is said beforehand, the run, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from convcheck.cli import console
from convcheck.cli.progress import watching

if TYPE_CHECKING:
    from convcheck.catalogue.claims import Claim
    from convcheck.cli.sharding import Shard
    from convcheck.config.case import Case
    from convcheck.results import Report


def arranged(claims: Sequence[Claim], shard: Shard | None, *, failed_first: bool, quiet: bool) -> Sequence[Claim]:
    """Return the claims of this run in the order in which they are tried, and say what is not to be seen from them."""
    said = []
    if shard:
        from convcheck.cli.sharding import of_shard

        whole = len(claims)
        claims = of_shard(claims, shard)
        said += [] if claims else [f"shard {shard} is empty; {whole} in all are shared out"]
    if failed_first:
        from convcheck.cli import last_run

        claims, failed = last_run.failed_first(claims)
        said += [f"{failed} of {len(claims)} were not as expected when last tried, and come first"]
    for text in said if not quiet else ():
        console.hint(text)
    return claims


def hint(cases: Iterable[Case], *, made_up: bool) -> None:
    """Say what was chosen for the user: an input that was not given, and rewrites that were left out."""
    from convcheck.catalogue.claims import too_costly
    from convcheck.layers import write_shapes

    for case in cases:
        if case.source is None and made_up:
            console.hint(f"no -i given for {case.name}, so this is taken: {write_shapes(case.inputs)}")
        left_out = too_costly(case) if case.rewrites is None else {}
        if left_out:
            times = " to ".join(map(str, sorted({min(left_out.values()), max(left_out.values())})))
            console.hint(
                f"left out for {case.name}, since they take about {times} times as long: {', '.join(left_out)}; "
                "try them with -r"
            )


def tried(
    claims: Sequence[Claim],
    *,
    max_failures: int | None,
    failed_first: bool,
    quiet: bool,
    save: Callable[[Report], object],
) -> Report:
    """Return the report of the claims, and note for the next time which were not as expected.

    Where something goes wrong, what was finished is noted, too, and saved, since nobody is left to whom to return it.
    """
    from convcheck.cli.last_run import OWN_FOLDER, remember

    def note(report: Report) -> None:
        seen = zip(claims, (result.ok for result in report.results), strict=False)
        if not remember(seen) and failed_first and not quiet:
            console.hint(
                f"what was not as expected cannot be kept for the next time; {OWN_FOLDER} names a folder for it"
            )

    def rescue(report: Report) -> None:
        save(report)
        note(report)

    with watching(len(claims), shown=not quiet) as begin:
        try:
            # This imports torch, which takes its time.
            from convcheck.proof.run import run
        except KeyboardInterrupt:
            return _untried(claims)
        found = run(claims, max_failures=max_failures, begin=begin, rescue=rescue)
    note(found)
    return found


def _untried(claims: Sequence[Claim]) -> Report:
    """Return the report of a run that was interrupted before it began."""
    import platform

    from convcheck.results import Report, Tool
    from convcheck.version import __version__, torch_version

    devices = ", ".join(dict.fromkeys(claim.case.device for claim in claims))
    tool = Tool(__version__, torch_version(), platform.python_version(), devices, threads=0)
    return Report(tool, (), interrupted=True, untried=len(claims))
