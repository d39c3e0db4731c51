"""What a swap file has in place of einops, so that it imports torch only. Its source is copied; it is tested here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

Groups = list[list[str]]


@cache
def _groups(side: str) -> Groups:
    """Take one side of a pattern apart: `b (h kh)` is [[b], [h, kh]]."""
    groups: Groups = []
    inside = False
    for word in side.replace("(", " ( ").replace(")", " ) ").split():
        if word in "()":
            inside = word == "("
            if inside:
                groups.append([])
        elif inside:
            groups[-1] += [] if word == "1" else [word]
        else:
            groups.append([] if word == "1" else [word])
    return groups


def repeat(x: Tensor, pattern: str, **sizes: int) -> Tensor:
    """Move axes as einops.repeat does: an axis that only the right side has gets copies."""
    source, target = (_groups(side) for side in pattern.split("->"))
    lead = x.dim() - len(source) + 1 if ["..."] in source else 0
    if lead:
        # The ellipsis is so many axes, which get names of their own.
        names = [[f"_{number}"] for number in range(lead)]
        source, target = (
            [group for old in side for group in (names if old == ["..."] else [old])] for side in (source, target)
        )
    known, shape = dict(sizes), list[int]()
    for group, length in zip(source, x.shape, strict=True):
        rest = [name for name in group if name not in known]
        taken = 1
        for name in group:
            taken *= known.get(name, 1)
        if rest:
            known[rest[0]] = length // taken
        shape += [known[name] for name in group]
    axes = [name for group in source for name in group]
    order = [name for group in target for name in group]
    new = [name for name in order if name not in axes]
    x = x.reshape(shape + [1] * len(new)).permute([(axes + new).index(name) for name in order])
    if new:
        x = x.expand([known[name] for name in order])
    lengths = []
    for group in target:
        length = 1
        for name in group:
            length = length * known[name]
        lengths.append(length)
    return x.reshape(lengths)


rearrange = repeat


def unrepeat(x: Tensor, pattern: str, **sizes: int) -> Tensor:
    """Undo `repeat` of this pattern. Raises ValueError where copies differ, as after a step of training."""
    source, target = pattern.split("->")
    has = [name for group in _groups(source) for name in group]
    copies = [name for group in _groups(target) for name in group if name not in has]
    apart = repeat(x, f"{target} -> ({' '.join(copies)}) {source}", **sizes)
    if not bool(((apart == apart[:1]) | (apart.isnan() & apart[:1].isnan())).all()):
        raise ValueError(f"copies of {pattern} are no longer the same, so there is no way back")
    return apart[0]


def einsum(*arguments: Tensor | str) -> Tensor:
    """Sum products as einops.einsum does, whose pattern has names in place of letters."""
    *tensors, pattern = arguments
    letters: dict[str, str] = {}

    def spelt(words: Sequence[str]) -> str:
        return "".join(w if w == "..." else letters.setdefault(w, chr(ord("a") + len(letters))) for w in words)

    sources, target = str(pattern).split("->")
    equation = ",".join(spelt(side.split()) for side in sources.split(",")) + "->" + spelt(target.split())
    return torch.einsum(equation, *tensors)
