"""The command line that repeats one result."""

from __future__ import annotations

import shlex

from convcheck.claims import NONE_APPLIES, Claim


def command(claim: Claim) -> str:
    """Return a command that proves this claim alone.

    A claim that options can express is written with them, so it runs from any folder; one that brings its own order,
    transplant or tolerance names its config.
    """
    case = claim.case
    words = ["convcheck", "verify"]
    if case.order or case.transplant or case.tolerance:
        words += [case.config] if case.config else []
        words += ["-k", _exactly(case.name)]
    else:
        words += [str(case.layer), "-i", ",".join(str(length) for length in case.input)]
    if claim.name != NONE_APPLIES:
        words += ["-r", claim.name]
    words += ["--dtype", case.dtype, "--seed", str(case.seed)]
    if case.device != "cpu":
        words += ["--device", case.device]
    return shlex.join(words)


def _exactly(name: str) -> str:
    # -k reads words; what stands between them in a name cannot be written in one.
    return " and ".join(word for word in name.replace("(", " ").replace(")", " ").split() if word)
