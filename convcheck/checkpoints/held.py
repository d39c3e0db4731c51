"""Both sides of a case hold what stands in two checkpoints, of which one was made of the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import SequenceMatcher
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from convcheck.catalogue.claims import claims_of
from convcheck.checkpoints.checkpoint import TORCH_ENDINGS, Checkpoint, open_checkpoint
from convcheck.checkpoints.dtypes import to_tensor
from convcheck.checkpoints.index import ENDING as INDEX
from convcheck.checkpoints.names import COUNTER, missing
from convcheck.checkpoints.plan import FLOATS
from convcheck.checkpoints.stored import CheckpointError, quoted
from convcheck.config.case import Case
from convcheck.config.replacement import tensors_of
from convcheck.config.stored_tensors import ENDING
from convcheck.errors import CannotRunError, ConvcheckError, UsageError
from convcheck.layers import Layer
from convcheck.proof.held_file import HeldFile
from convcheck.results import Sides
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor

FEW = 3
"""Places that a message lists."""


def with_checkpoints(case: Case, weights: Sides[str], folder: Path = Path()) -> Case:
    """Return the case, whose sides hold what stands in two checkpoints, each written as FILE or FILE:PREFIX.

    Code gets the constants of its file as well, since it computes with them.

    Raises:
        UsageError: a file cannot be read, or lacks what its side needs; with a line for every fault.
    """
    other = None if case.candidate is None else case.candidate.layer
    wanted = _names_of_candidate(case)
    if wanted is None:
        return case
    files, faults = list[HeldFile](), list[str]()
    for side, text, layer, shapes in (
        ("reference", weights.reference, case.layer, tensors_of(case.layer)),
        ("candidate", weights.candidate, other, wanted),
    ):
        try:
            path, prefix = _place(text, folder)
            checkpoint = open_checkpoint(path)
            side_text = str(layer or "the candidate")
            files.append(_held(checkpoint, prefix, shapes, _known(layer), side_text, whole=side == "reference"))
        except ConvcheckError as error:
            faults += str(error).splitlines()
    if faults:
        raise UsageError("\n".join(dict.fromkeys(faults)))
    ours, theirs = files
    case = replace(case, layer=_with_constants(case.layer, ours))
    if case.candidate is not None:
        case = replace(case, candidate=replace(case.candidate, layer=_with_constants(case.candidate.layer, theirs)))
    places = (_place(text, folder) for text in (weights.reference, weights.candidate))
    written = Sides(*(f"{path}:{prefix}" if prefix else path for path, prefix in places))
    return replace(case, held=Sides(ours, theirs), held_in=written)


def _names_of_candidate(case: Case) -> Mapping[str, Shape] | None:
    """Return the candidate's tensors; None for a rewrite that does not hold, which is told in another place."""
    if case.candidate is not None:
        return tensors_of(case.candidate.layer)
    if case.rewrites is None or len(case.rewrites) != 1:
        raise UsageError("checkpoints of two sides are compared; name the other side: a candidate, or one rewrite")
    (claim,) = claims_of([case])
    if claim.fault is not None:
        raise claim.fault
    return None if claim.refusals else claim.transplant().shapes()


def _place(text: str, folder: Path) -> tuple[str, str]:
    """Return the path of FILE:PREFIX, as seen from a folder, and the prefix without dots at its ends."""

    def seen(path: str) -> str:
        return path if folder == Path() or not path.strip() else str(folder / path)

    path, sign, prefix = text.rpartition(":")
    endings = (ENDING, INDEX, *TORCH_ENDINGS)
    try:
        is_path = Path(seen(text)).exists() or not sign
        names_file = path.lower().endswith(endings) or Path(seen(path)).exists()
    except (OSError, ValueError):
        is_path, names_file = True, False
    return (seen(text), "") if is_path or not names_file or not path else (seen(path), prefix.strip(" ."))


def _known(layer: Layer | None) -> Mapping[str, tuple[str, ...]]:
    """Return by every tensor that code may load the other names that it has there, as a tied one has."""
    if layer is None or not layer.IS_USER_CODE:
        return {}
    module = getattr(layer, "module")  # noqa: B009  (of code alone)
    named = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    by_tensor: dict[int, list[str]] = {}
    for name, tensor in named:
        by_tensor.setdefault(id(tensor), []).append(name)
    return {name: tuple(other for other in by_tensor[id(tensor)] if other != name) for name, tensor in named}


def _held(
    checkpoint: Checkpoint,
    prefix: str,
    wanted: Mapping[str, Shape],
    known: Mapping[str, tuple[str, ...]],
    side: str,
    *,
    whole: bool,
) -> HeldFile:
    """Return the tensors of a side; `whole` says that all that are `wanted` have to be there, and none beside them.

    Raises:
        UsageError: with a line for every fault.
    """
    start = f"{prefix}." if prefix else ""
    keys = {}
    for name in (*wanted, *(name for name in known if name not in wanted)):
        names = (name, *known.get(name, ()))
        key = next((start + one for one in names if start + one in checkpoint.tensors), None)
        if key is not None:
            keys[name] = key
    lacking = [name for name in wanted if name not in keys]
    if lacking and (whole or len(lacking) == len(wanted)):
        raise UsageError("\n".join(_lacking(checkpoint, prefix, wanted, lacking)))
    faults = []
    for name, key in keys.items():
        stored = checkpoint.tensors[key]
        if whole and name in wanted and stored.shape != wanted[name]:
            faults.append(
                f"{quoted(key)} in {quoted(checkpoint.written)} is {list(stored.shape)}, and {name} of {side} is "
                f"{list(wanted[name])}"
            )
        elif name in wanted and stored.dtype not in FLOATS:
            what = f"{quoted(key)} in {quoted(checkpoint.written)} is {stored.dtype}"
            faults.append(f"{what}; what is compared must be one of {', '.join(FLOATS)}")
        twins = (start + other for other in known.get(name, ()) if start + other in checkpoint.tensors)
        for twin in (twin for twin in twins if twin > key):
            other = checkpoint.tensors[twin]
            if (stored.dtype, stored.shape) != (other.dtype, other.shape) or stored.read() != other.read():
                what = f"{quoted(key)} and {quoted(twin)} in {quoted(checkpoint.written)} differ"
                faults.append(f"{what}, and {side} has one tensor for both")
    used = {other for name in (*wanted, *known) for other in (name, *known.get(name, ()))}
    there = {key.removeprefix(start): key for key in checkpoint.tensors if key.startswith(start)}
    unknown = {name: key for name, key in there.items() if name not in used and name.rpartition(".")[2] != COUNTER}
    # Of a module that the side has not, it is no part; in one that it has, it would change what is computed.
    modules = {name.rpartition(".")[0] for name in used}
    if whole and (beside := [key for name, key in unknown.items() if name.rpartition(".")[0] in modules]):
        listed = _listed(map(quoted, beside))
        faults.append(f"{quoted(checkpoint.written)} holds {listed}, and {side} has no such tensor")
    if faults:
        raise UsageError("\n".join(faults))
    return held_in(checkpoint, keys, unknown)


def held_in(
    checkpoint: Checkpoint, keys: Mapping[str, str], unknown: Mapping[str, str] = MappingProxyType({})
) -> HeldFile:
    """Return tensors of a checkpoint by other names than their keys; they are read when they are asked for."""
    shapes = {key: stored.shape for key, stored in checkpoint.tensors.items()}
    return HeldFile(checkpoint.written, keys, unknown, shapes, partial(_read, checkpoint))


def _lacking(checkpoint: Checkpoint, prefix: str, wanted: Mapping[str, Shape], lacking: list[str]) -> Iterator[str]:
    """Yield a sentence on what is not there: the places at which all of it is, or a name for each."""
    if len(lacking) == len(wanted):
        first = next(iter(wanted))
        ends = (key.removesuffix(first) for key in checkpoint.tensors if f".{key}".endswith(f".{first}"))
        places = [place for place in ends if all(f"{place}{name}" in checkpoint.tensors for name in wanted)]
        if places:
            places.sort(key=lambda place: -SequenceMatcher(a=place, b=prefix).ratio())
            more = f" and {len(places) - FEW} more" if len(places) > FEW else ""
            ways = (f":{place.removesuffix('.')}" if place else "" for place in places[:FEW])
            texts = ", ".join(quoted(checkpoint.written + way) for way in ways)
            where = f" at {quoted(prefix)}" if prefix else ""
            yield f"there is no {_listed(wanted)} in {quoted(checkpoint.written)}{where}; write {texts}{more}"
            return
    start = f"{prefix}." if prefix else ""
    first_ones = {name: start + name for name in lacking[:FEW]}
    yield from missing(first_ones, checkpoint.tensors, checkpoint.written)
    if len(lacking) > FEW:
        yield f"{len(lacking) - FEW} more tensors of {len(wanted)} are not in {quoted(checkpoint.written)}"


def _listed(names: Iterable[str]) -> str:
    """Return the first of some names, and how many others there are."""
    every = list(names)
    return ", ".join(every[:FEW]) + (f" and {len(every) - FEW} more" if len(every) > FEW else "")


def _read(checkpoint: Checkpoint, key: str) -> Tensor:
    try:
        return to_tensor(key, checkpoint.tensors[key])
    except CheckpointError as error:
        raise CannotRunError(str(error)) from None


def _with_constants(layer: Layer, file: HeldFile) -> Layer:
    """Return a layer of code with the file's buffers in a copy of its module; others as they are.

    Raises:
        UsageError: one has another shape there.
    """
    if not layer.IS_USER_CODE:
        return layer
    import copy

    given: Any = layer
    names = [name for name in given.constants() if name in file]
    if not names:
        return layer
    module = copy.deepcopy(given.module)
    buffers = dict(module.named_buffers())
    for name in names:
        stored = file[name]
        if stored.shape != buffers[name].shape:
            key, shapes = file.key_of[name], (list(stored.shape), list(buffers[name].shape))
            raise UsageError(
                f"{quoted(key)} in {quoted(file.written)} is {shapes[0]}, and {name} of {layer} is {shapes[1]}"
            )
        path, _, last = name.rpartition(".")
        module.get_submodule(path)._buffers[last] = stored.to(buffers[name].dtype)
    copied: Layer = replace(given, module=module)
    return copied
