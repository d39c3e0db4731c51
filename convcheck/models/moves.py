"""Remembers which operator made which tensor while a model runs, and says which were only moved."""

from __future__ import annotations

import math
import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map_only

from convcheck.models.ways import Constant, Operator, Record, Way, moved
from convcheck.tracing.places import is_of_a_user

Steps = dict[Record, tuple[Tensor, Mapping[Constant, Tensor]]]
"""By what an operator made, which entries of its sources are where, and whole numbers that it took."""

REMEMBERED = 32
"""Of how many operators it is remembered what they move."""

KEPT = 2**14
"""How many whole numbers are kept that stand beside the numbers in a call."""


class Moves:
    """Remembers which operator made which tensor while a model runs.

    Whole numbers and truth values, such as an index, are known where they come from `constants` or from no tensor:
    what depends on an input may move its entries otherwise the next time.
    """

    def __init__(self, constants: Iterable[Tensor] = ()) -> None:
        self.paused = False
        self._constants = {id(tensor): weakref.ref(tensor) for tensor in constants if not _has_numbers(tensor)}
        self._count = 0
        self._known: dict[tuple[str, int], Tensor | None] = {}
        self._records: dict[int, Record] = {}
        self._memory: dict[int, weakref.WeakSet[Record]] = {}

    def note(self, function: Any, args: tuple[Any, ...], keywords: Mapping[str, Any], output: Any) -> None:
        """Note a call of an operator of torch."""
        if self.paused:
            return
        with torch._C.DisableTorchFunction():
            self._note(function, args, keywords, output)

    def _note(self, function: Any, args: tuple[Any, ...], keywords: Mapping[str, Any], output: Any) -> None:
        given_to, made = ([value for value in tree_flatten(values)[0] if isinstance(value, Tensor)]
                          for values in ((args, dict(keywords)), output))  # fmt: skip
        if not hasattr(function, "_schema") or not all(map(_is_plain, (*given_to, *made))):
            return
        sources = [record for tensor in given_to if (record := self._records.get(id(tensor))) is not None
                   and record.tensor() is tensor]  # fmt: skip
        written = list(_written(function, args, keywords))
        for tensor in written:
            for record in self._memory.get(tensor.untyped_storage()._cdata, ()):
                record.stale = True
        outputs = [output] if isinstance(output, Tensor) else list(output) if isinstance(output, list | tuple) else []
        if not any(isinstance(value, Tensor) and _has_numbers(value) for value in outputs):
            is_drawn = torch.Tag.nondeterministic_seeded in function.tags
            if function is torch.ops.aten.lift_fresh.default or (
                all(map(self._is_constant, given_to)) and not is_drawn
            ):
                self._constants |= {id(value): weakref.ref(value) for value in outputs if isinstance(value, Tensor)}
            for source in sources:
                source.users.append(None)
            return
        maker = None
        if not written:
            arguments, named = tree_map_only(Tensor, self._argument, (args, dict(keywords)))
            self._count += 1
            maker = Operator(function, arguments, named, _caller(), self._count)
        for source in sources:
            source.users.append(maker)
        for number, value in enumerate(outputs):
            if isinstance(value, Tensor):
                record = self._keep(value, maker, number)
                if maker is not None:
                    maker.made.append(record)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Compute something that is no part of the run."""
        self.paused = True
        try:
            with torch._C.DisableTorchFunction():
                yield
        finally:
            self.paused = False

    def ways_to(self, tensor: Tensor) -> Iterator[tuple[Way, Tensor]]:
        """Yield how a tensor was moved from others of its size, the earliest first, and which entry of it is where.

        The index is `[*shape of the tensor]`: by 1 more than the place in the flat one; 0 where a zero was filled in.
        """
        result = self._record(tensor)
        steps: Steps = {}
        for start in list(self._behind(result, steps)):
            if start is result or math.prod(start.shape) != math.prod(result.shape):
                continue
            index = _index(start, result, steps)
            if index is not None and _is_true(start, index, tensor):
                yield Way(start, result, _constants(steps)), index

    def record(self, tensor: Tensor) -> Record:
        """Return what is known of a tensor of the run."""
        with self.aside():
            return self._record(tensor)

    def ways_from(self, start: Record) -> Iterator[tuple[Way, Tensor]]:
        """Yield how all of a tensor was moved into others, the nearest first, and which entry of it is where there.

        Nothing else takes what is between, nor writes into it.
        """
        steps: Steps = {}
        within, run = [start], set[Operator]()
        while True:
            users = {user for record in within for user in record.users} - run
            following = min((user for user in users if user is not None), key=lambda user: user.number, default=None)
            if following is None or any(source not in within for source in following.sources):
                return
            if any(self._step(record, steps) is None for record in following.made):
                return
            run.add(following)
            within += following.made
            for result in following.made:
                others = [record for record in within if record is not result]
                if all(run.issuperset(record.users) and record.is_over for record in others):
                    same_size = math.prod(start.shape) == math.prod(result.shape)
                    if same_size and (index := _index(start, result, steps)) is not None:
                        yield Way(start, result, _constants(steps)), index

    def _behind(self, record: Record, steps: Steps) -> dict[Record, None]:
        """Return the tensors of which a record has entries, the earliest first; `steps` gets how each is made."""
        behind: dict[Record, None] = {}
        if record.maker is not None and self._step(record, steps) is not None:
            for source in dict.fromkeys(record.maker.sources):
                behind |= {} if source in steps else self._behind(source, steps)
        return behind | {record: None}

    def _step(self, record: Record, steps: Steps) -> Tensor | None:
        """Return which entry of its operator's sources is where in a record, and note it; None where it is no move."""
        maker = record.maker
        if maker is None or not maker.sources or any(one.stale for one in (record, *maker.sources)):
            return None
        constants = {constant: constant.value() for constant in maker.constants}
        present = {constant: value for constant, value in constants.items() if value is not None}
        if len(present) < len(constants) or (index := self._index_of(maker, record.number, present)) is None:
            return None
        steps[record] = index, present
        return index

    def _index_of(self, maker: Operator, number: int, held: Mapping[Constant, Tensor]) -> Tensor | None:
        """Return what `moved` does, from memory where the same was asked of late: blocks of a model are alike."""
        if held:
            return moved(maker, number, held)
        key = maker.signature, number
        index = self._known.pop(key) if key in self._known else moved(maker, number, held)
        self._known[key] = index
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return index

    def _argument(self, tensor: Tensor) -> Record | Constant:
        if _has_numbers(tensor):
            return self._record(tensor)
        if not self._is_constant(tensor) or tensor.is_inference():
            return Constant(lambda: None, 0)
        # An index is often made for one line alone; what is large is looked up where it is.
        kept = (lambda: tensor) if tensor.numel() <= KEPT else weakref.ref(tensor)
        return Constant(kept, tensor._version)

    def _is_constant(self, tensor: Tensor) -> bool:
        known = self._constants.get(id(tensor))
        return known is not None and known() is tensor

    def _record(self, tensor: Tensor) -> Record:
        record = self._records.get(id(tensor))
        if record is not None and record.tensor() is tensor and not record.stale:
            return record
        return self._keep(tensor, None, 0)

    def _keep(self, tensor: Tensor, maker: Operator | None, number: int) -> Record:
        storage = tensor.untyped_storage()._cdata
        record = Record(
            weakref.ref(tensor),
            tuple(tensor.shape),
            tensor.stride(),
            int(tensor.storage_offset()),
            storage,
            maker,
            number,
        )
        self._records[id(tensor)] = record
        self._memory.setdefault(storage, weakref.WeakSet()).add(record)
        return record


def _constants(steps: Steps) -> dict[Constant, Tensor]:
    return {constant: value for _, constants in steps.values() for constant, value in constants.items()}


def _index(start: Record, record: Record, steps: Steps) -> Tensor | None:
    """Return which entry of `start` is where in a record; None where some are of another tensor."""
    if record is start:
        return torch.arange(1, torch.Size(record.shape).numel() + 1).reshape(record.shape)
    if record not in steps or record.maker is None:
        return None
    parts = [torch.zeros(1, dtype=torch.int64)]
    for source in dict.fromkeys(record.maker.sources):
        if (part := _index(start, source, steps)) is None:
            return None
        parts.append(part.flatten())
    return torch.cat(parts)[steps[record][0]]


def _written(function: Any, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Iterator[Tensor]:
    """Yield the tensors that an operator writes into."""
    schema = function._schema
    if not schema.is_mutable:
        return
    for number, argument in enumerate(schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = keywords.get(argument.name, args[number] if number < len(args) else None)
            yield from (one for one in tree_flatten(value)[0] if isinstance(one, Tensor))


def _is_true(start: Record, index: Tensor, tensor: Tensor) -> bool:
    """Tell whether a tensor of the run has the numbers that an index says, where there are still those of `start`."""
    before = start.tensor()
    if before is None:
        return True
    due = torch.cat([before.new_zeros(1), before.flatten()])[index.to(before.device)]
    return bool(((due == tensor) | (due.isnan() & tensor.isnan())).all())


def _has_numbers(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_nested


@lru_cache(maxsize=4096)
def _is_of_a_user(file: str) -> bool:
    return is_of_a_user(file)


def _caller() -> tuple[str, int] | None:
    """Return the file and line of the user's code that is running."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if _is_of_a_user(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None
