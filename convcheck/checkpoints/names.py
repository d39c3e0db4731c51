"""What the parameters of both sides of a claim are called in a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from convcheck.checkpoints.stored import METADATA, quoted
from convcheck.errors import UsageError, did_you_mean

FEW = 6
"""How many names are listed where none is near."""

COUNTER = "num_batches_tracked"
"""The tensor of a batch norm that no eval mode reads, and that stands in its state dict all the same."""


@dataclass(frozen=True)
class Rename:
    """A tensor, or all of a module that a rewrite makes, under another name."""

    old: str
    new: str

    def __str__(self) -> str:
        return f"--rename {self.old}={self.new}"

    def of(self, key: str) -> str | None:
        """Return the new name of a tensor of the candidate; None if it is not meant."""
        if key == self.old:
            return self.new
        return self.new + key[len(self.old) :] if key.startswith(f"{self.old}.") else None


def parse_renames(texts: Iterable[str]) -> tuple[Rename, ...]:
    """Read OLD=NEW, once for every OLD and NEW. Raises UsageError."""
    renames: list[Rename] = []
    for text in texts:
        old, sign, new = (part.strip().removesuffix(".") for part in text.partition("="))
        if not sign or not old or not new or METADATA in (old, new):
            raise UsageError(f"--rename {quoted(text)}: write OLD=NEW, names of tensors or of modules")
        if any(old == other.old or new == other.new for other in renames):
            raise UsageError(f"--rename {quoted(text)}: one of the names stands in another --rename, too")
        renames.append(Rename(old, new))
    return tuple(renames)


@dataclass(frozen=True)
class Names:
    """Keys by parameter, in the checkpoint before a rewrite and in the one after it."""

    reference: Mapping[str, str]
    candidate: Mapping[str, str]
    counters: tuple[str, ...]
    """Keys that go with the reference if they are there, and of which nothing is made."""
    others: tuple[Rename, ...]
    """Of tensors that are copied, from the checkpoint before to the one after."""
    prefixes: tuple[str, ...]

    def is_within(self, key: str) -> bool:
        """Tell whether a key stands where the rewritten module does."""
        return any(key.startswith(prefix) for prefix in self.prefixes)

    @cached_property
    def moved(self) -> frozenset[str]:
        """All keys of parameters, before and after."""
        return frozenset((*self.reference.values(), *self.candidate.values()))


def names_of(
    reference: Iterable[str],
    candidate: Iterable[str],
    statistics: Iterable[str],
    at: Sequence[str],
    renames: Sequence[Rename],
) -> Names:
    """Return the keys of parameters at a prefix, or, where there are several, at that of every layer of a chain.

    Raises:
        UsageError: there are other layers than prefixes, or two parameters get one key.
    """
    prefixes = tuple(f"{place.strip().removesuffix('.')}." if place.strip(" .") else "" for place in at or ("",))
    reference, candidate = list(reference), list(candidate)
    before = {name: _key(name, prefixes) for name in reference}
    after, used = {}, set()
    for name in candidate:
        key = prefixes[0] + name
        fitting = [(rename, new) for rename in renames if (new := rename.of(key)) is not None]
        rename, new = max(fitting, key=lambda pair: len(pair[0].old), default=(None, key))
        used.add(rename)
        after[name] = new
    for side in (before, after):
        keys = list(side.values())
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise UsageError(f"two parameters would be called {quoted(twice[0])}")
    owners = dict.fromkeys(name.rpartition(".")[0] for name in statistics)
    counters = tuple(_key(f"{owner}.{COUNTER}" if owner else COUNTER, prefixes) for owner in owners)
    return Names(before, after, counters, tuple(rename for rename in renames if rename not in used), prefixes)


def _key(name: str, prefixes: Sequence[str]) -> str:
    if len(prefixes) == 1:
        return prefixes[0] + name
    number, _, rest = name.partition(".")
    if not number.isdigit() or int(number) >= len(prefixes):
        raise UsageError(f"--at is given {len(prefixes)} times, and {quoted(name)} is in no layer of such a chain")
    return prefixes[int(number)] + rest


def missing(names: Mapping[str, str], has: Iterable[str], where: str) -> Iterator[str]:
    """Yield a sentence on every parameter whose key is not in a checkpoint."""
    keys = list(has)
    known = frozenset(keys)
    for name, key in names.items():
        if key not in known:
            yield f"there is no {quoted(key)} in {quoted(where)}, for {name}; {_near(key, keys)}"


def _near(key: str, keys: Sequence[str]) -> str:
    # A prefix that is left out, or too many, is likelier than another last word.
    last = key.rpartition(".")[2]
    ends = [other for other in keys if other.rpartition(".")[2] == last and (other in key or key in other)]
    return did_you_mean(key, ends or keys, most=FEW)
