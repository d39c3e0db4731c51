"""What becomes of every tensor of a checkpoint: seen from headers alone, before anything is read or written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from convcheck.catalogue.claims import Claim
from convcheck.checkpoints.checkpoint import Checkpoint
from convcheck.checkpoints.names import Names, Rename, missing, names_of
from convcheck.checkpoints.stored import CheckpointError, Stored, quoted
from convcheck.config.replacement import tensors_of
from convcheck.errors import UsageError, cut
from convcheck.rewriting.transplant import Transplant
from convcheck.sizes.patterns import Shape

FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""The dtypes in which a claim can be verified, by safetensors' names for them."""


@dataclass(frozen=True)
class Request:
    """What is asked for besides the claim."""

    at: tuple[str, ...] = ()
    renames: tuple[Rename, ...] = ()
    inverse: bool = False
    """Whether the checkpoint is that of the candidate."""
    whole: bool = True
    """Whether all tensors at the prefix have to belong to the layer."""


@dataclass(frozen=True)
class Plan:
    """Keys of all tensors on the way from one checkpoint to the other."""

    claim: Claim
    mapping: Transplant
    names: Names
    inverse: bool
    sources: Mapping[str, str]
    """The keys that are read, by parameter of the side that the checkpoint has."""
    targets: Mapping[str, str]
    """The keys that are made, by parameter of the other side."""
    dropped: tuple[str, ...]
    """Keys of which nothing is made."""
    copied: Mapping[str, str]
    """The new key of every other tensor, by its old one."""
    dtype: str
    """In which the claim is verified."""
    order: tuple[str, ...]
    """All old keys, as they stand in the checkpoint."""

    @property
    def renamed(self) -> dict[str, str]:
        """The tensors that are copied under another key, by the new one."""
        return {new: old for old, new in self.copied.items() if new != old}

    def origins(self) -> dict[str, tuple[tuple[str, ...], str]]:
        """Return the keys from which every new tensor is made, and the patterns of the way there."""
        if not self.inverse:
            return {
                self.targets[move.target]: (tuple(self.sources[name] for name in move.sources), str(move))
                for move in self.mapping.moves
            }
        made = {}
        for name, key in self.targets.items():
            moves = [move for move in self.mapping.moves if name in move.sources]
            made[key] = tuple(self.sources[move.target] for move in moves), "; ".join(map(str, moves))
        return made

    def successors(self) -> dict[str, list[str]]:
        """Return by every old key the new ones that stand in its place: what is made, at the first of its sources."""
        places: dict[str, list[str]] = {key: [] for key in (*self.sources.values(), *self.dropped)}
        places |= {old: [new] for old, new in self.copied.items()}
        for key, (origins, _) in self.origins().items():
            # What is made of nothing, as zeros are, stands with the others.
            places[min(origins or self.sources.values(), key=self.order.index)].append(key)
        return places


def plan(source: Checkpoint, claim: Claim, request: Request) -> Plan:
    """Return what becomes of all tensors.

    Raises:
        UsageError: tensors are missing, or have other shapes than the layer says; with a line for each.
        CheckpointError: tensors have a dtype in which nothing is verified.
    """
    mapping = claim.transplant()
    if request.inverse and mapping.merges():
        merged = next(move for move in mapping.moves if move.merges)
        raise UsageError(f"there is no way back: {merged.target} is {merged}, and cannot be taken apart again")
    shapes = tensors_of(claim.case.layer), mapping.shapes()
    names = names_of(*shapes, claim.case.layer.statistics(), request.at, request.renames)
    sides = (names.reference, names.candidate)
    sources, targets = sides[::-1] if request.inverse else sides
    wanted = shapes[int(request.inverse)]
    faults = list(_faults(source, claim, names, sources, wanted, request))
    if faults:
        raise UsageError("\n".join(faults))
    dropped = () if request.inverse else tuple(key for key in names.counters if key in source.tensors)
    gone = {*sources.values(), *dropped}
    renames = {rename.new: rename.old for rename in names.others}
    renames = renames if request.inverse else {old: new for new, old in renames.items()}
    copied = {key: renames.get(key, key) for key in source.tensors if key not in gone}
    _check_collisions(copied, targets, source)
    dtype = _dtype(source, sources)
    return Plan(claim, mapping, names, request.inverse, sources, targets, dropped, copied, dtype, tuple(source.tensors))


def _faults(
    source: Checkpoint,
    claim: Claim,
    names: Names,
    sources: Mapping[str, str],
    wanted: Mapping[str, Shape],
    request: Request,
) -> Iterator[str]:
    gone = list(missing(sources, source.tensors, source.written))
    yield from gone
    side = "the candidate" if request.inverse else str(claim.case.layer)
    for name, key in sources.items():
        if key in source.tensors and source.tensors[key].shape != wanted[name]:
            has = list(source.tensors[key].shape)
            yield f"{quoted(key)} in {quoted(source.written)} is {has}, and {name} of {side} is {list(wanted[name])}"
    for rename in names.others:
        old = rename.new if request.inverse else rename.old
        if old in names.moved:
            yield f"{rename}: {quoted(old)} is a parameter before the rewrite; its names after it can be changed"
        else:
            yield from (f"{rename}: {text}" for text in missing({"this name": old}, source.tensors, source.written))
    known = {*sources.values(), *names.counters}
    others = [key for key in source.tensors if names.is_within(key) and key not in known]
    if request.whole and others and not gone:
        listed = cut(", ".join(others), 200)
        yield f"{listed} in {quoted(source.written)} would be left there, and {side} has no such tensor"


def _check_collisions(copied: Mapping[str, str], targets: Mapping[str, str], source: Checkpoint) -> None:
    made = set[str]()
    for key in (*targets.values(), *copied.values()):
        if key in made:
            what = f"two tensors would be called {quoted(key)}, one of which {quoted(source.written)} has"
            raise UsageError(f"{what}; --rename gives one of them another name")
        made.add(key)


def _dtype(source: Checkpoint, sources: Mapping[str, str]) -> str:
    stored: list[tuple[str, Stored]] = [(key, source.tensors[key]) for key in sources.values()]
    for key, tensor in stored:
        if tensor.dtype not in FLOATS:
            what = f"{quoted(key)} in {quoted(source.written)} is {tensor.dtype}"
            raise CheckpointError(f"{what}; what is moved must be one of {', '.join(FLOATS)}")
    if not stored:
        raise UsageError("there is nothing to move: the layer has no parameters")
    return FLOATS[stored[0][1].dtype]
