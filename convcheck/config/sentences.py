"""From pydantic's errors to sentences: what is wrong; what would be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from convcheck.config.model import CaseModel, ExpectModel, SidesModel, ToleranceModel
from convcheck.config.nodes import Path, Problem
from convcheck.errors import did_you_mean, nearest, shown
from convcheck.sizes.limits import MAX_FAULTS

# The model of every mapping in a case; its fields are the known keys.
_KEYS: Mapping[Path, type[BaseModel]] = {
    (): CaseModel,
    ("expect",): ExpectModel,
    ("expect", "params"): SidesModel,
    ("tolerance",): ToleranceModel,
}

# Values that may be of two types: pydantic adds to their paths which of them it tried.
_UNIONS: tuple[Path, ...] = (("tolerance",), ("expect", "params"))

_MUST_BE: Mapping[Path, str] = {
    ("name",): "a text of 1 to 200 characters",
    ("transplant",): "a mapping such as {weight: 'o i kh kw -> o (i kh kw)'}",
    ("map",): "a mapping such as {1.weight: 'weight: o i kh kw -> o (i kh kw)', 1.bias: bias}",
    ("weights",): "a mapping such as {file: model.safetensors, weight: KEY, bias: KEY}",
    ("tolerance",): "auto, or a mapping such as {atol: 1e-6, rtol: 0}",
    ("train",): "true or false",
    ("sizes",): "all, which asks for a proof for all sizes",
    ("expect",): "a mapping such as {verdict: equal}",
    ("expect", "verdict"): "one of equal, different, refused",
    ("expect", "sizes"): "one of proved, refuted, unknown",
    ("expect", "params"): "one whole number, or a mapping {reference: , candidate: }",
    ("expect", "params", "reference"): "a whole number of at least 0",
    ("expect", "params", "candidate"): "a whole number of at least 0",
}


def sentences(error: ValidationError) -> Iterator[Problem]:
    """Yield one (key path within the case, sentence) for everything that pydantic found, MAX_FAULTS at most."""
    errors = error.errors(include_url=False)[:MAX_FAULTS]
    unknown = [details["loc"] for details in errors if details["type"] == "extra_forbidden"]
    errors = [details for details in errors if not _is_misspelt(details, unknown)]
    problems = [problem for details in errors for problem in _sentences(details)]
    within = {path[:length] for path, _ in problems for length in range(1, len(path))}
    for path, sentence in dict.fromkeys(problems):
        # Of a union, the branch that got furthest is the one that was meant.
        if path not in within:
            yield path, sentence


def _is_misspelt(details: ErrorDetails, unknown: Sequence[Path]) -> bool:
    """Tell whether a key is missing since it is there with another letter: that is one mistake."""
    *parent, key = details["loc"]
    near = (path for path in unknown if [*path[:-1]] == parent and nearest(str(path[-1]), [str(key)]))
    return details["type"] == "missing" and next(near, None) is not None


def _sentences(details: ErrorDetails) -> Iterator[Problem]:
    path: Path = details["loc"]
    for union in _UNIONS:
        if path[: len(union)] == union:
            path = (*union, *path[len(union) + 1 :])
    kind = details["type"]
    if kind == "missing":
        yield path[:-1], f"the key '{path[-1]}' is missing"
    elif kind == "extra_forbidden":
        known = [*_KEYS[path[:-1]].model_fields, *(["matrix"] if len(path) == 1 else [])]
        yield path, f"unknown key; {did_you_mean(str(path[-1]), known, say_known='known are')}"
    elif kind == "layer" and details["ctx"]["inner"]:
        for argument, message in details["ctx"]["inner"]:
            yield (*path, argument) if argument else path, message
    elif kind in ("layer", "message"):
        yield path, details["ctx"]["message"]
    else:
        yield path, f"{shown(details['input'])} will not do; it must be {_MUST_BE.get(path, details['msg'])}"
