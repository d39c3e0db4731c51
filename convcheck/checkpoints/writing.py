"""A checkpoint written in a stream, and read back before it gets its name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from convcheck.checkpoints.checkpoint import Checkpoint, total_size
from convcheck.checkpoints.destination import Destination
from convcheck.checkpoints.safetensors_file import header_bytes, in_order, read_safetensors
from convcheck.checkpoints.staging import Staging
from convcheck.checkpoints.stored import Buffer, CheckpointError, Stored, StoredFile, quoted

Tick = Callable[[str, int], None]
"""Gets the name of what is at work, and how many bytes of it are done since the last call."""

Check = Callable[[Mapping[str, Stored]], None]
"""Gets tensors as they were read back, and raises where they are not what they should be."""


def write_checkpoint(
    source: Checkpoint,
    place: Destination,
    contents: Sequence[Mapping[str, Stored]],
    listed: Iterable[str],
    check: Check,
    tick: Tick,
    *,
    overwrite: bool,
) -> None:
    """Write a checkpoint with these tensors in its files, and compare all bytes with those that they came from.

    It has its name once it is whole and `check` found nothing: whatever ends this sooner leaves what was there before.
    `listed` has all names in the order of an index.

    Raises:
        CheckpointError: it cannot be written, or is not on the disk what it should be.
    """
    files = [in_order(tensors) for tensors in contents]
    total = total_size(chain.from_iterable(tensors.values() for tensors in files))
    with Staging() as staging:
        if place.new_folder:
            staging.make_folder(place.path.parent)
        _check_room(place, total)
        for target, tensors, like in zip(place.files, files, source.files, strict=True):
            with staging.create(target) as file:
                file.write(header_bytes(tensors, like.metadata))
                for name, stored in tensors.items():
                    for chunk in stored.chunks():
                        file.write(chunk)
                        tick(f"writing {name}", len(chunk))
        back: dict[str, Stored] = {}
        for target, tensors, like in zip(place.files, files, source.files, strict=True):
            written = read_safetensors(staging.part(target), str(target))
            _compare(written, tensors, like, tick)
            back.update(written.tensors)
        check(back)
        if source.index is not None:
            homes = {name: target.name for target, tensors in zip(place.files, files, strict=True) for name in tensors}
            with staging.create(place.path) as file:
                file.write(source.index.text({name: homes[name] for name in listed}, total).encode())
        staging.commit(overwrite=overwrite)
    for old in place.replaced:
        old.unlink(missing_ok=True)


def _check_room(place: Destination, total: int) -> None:
    """Raise CheckpointError where the disk cannot hold what is to be written."""
    # A system that knows of no disk has none there.
    disk = shutil.disk_usage(place.path.parent)
    free = disk.free
    if disk.total and total > free:
        raise CheckpointError(
            f"{quoted(str(place.path))} cannot be written: it takes {total:,} bytes, and {free:,} are free; the old "
            "and the new checkpoint stand side by side until the new one is whole"
        )


def _compare(written: StoredFile, tensors: Mapping[str, Stored], like: StoredFile, tick: Tick) -> None:
    """Raise CheckpointError where what was read back is not what it came from."""
    if list(written.tensors) != list(tensors) or (written.metadata or None) != (like.metadata or None):
        raise CheckpointError(f"{quoted(str(written.path))} has other tensors or metadata than were written")
    for name, stored in tensors.items():
        back = written.tensors[name]
        same = (back.dtype, back.shape) == (stored.dtype, stored.shape) and _equal(back, stored, name, tick)
        if not same:
            raise CheckpointError(f"{quoted(name)} was read back otherwise than it was written; is the disk at fault?")


def _equal(back: Stored, stored: Stored, name: str, tick: Tick) -> bool:
    """Tell whether two tensors have the same bytes."""
    ours, theirs = back.chunks(), stored.chunks()
    left, right = memoryview(b""), memoryview(b"")
    while True:
        left, right = left or _next(ours), right or _next(theirs)
        count = min(len(left), len(right))
        if not count:
            return len(left) == len(right)
        # Python compares views entry by entry, and bytes at once.
        if left[:count].tobytes() != right[:count].tobytes():
            return False
        tick(f"checking {name}", count)
        left, right = left[count:], right[count:]


def _next(chunks: Iterable[Buffer]) -> memoryview:
    return memoryview(next(iter(chunks), b""))
