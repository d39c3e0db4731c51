"""Frozen records that cost next to nothing to define.

`dataclasses` writes and compiles the methods of every frozen class when it is defined, which takes nearly a
millisecond; a command that is to answer at once would wait longer for dozens of classes than for all else. These share
methods that look at the fields instead. In all else they are dataclasses: `fields` and `replace` know them.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass, with equality, hash and text by its fields."""
    made: Any = dataclass(init=False, repr=False, eq=False, match_args=False)(cls)
    made._own_fields = fields(made)
    for method in (_init, _equal, _hash, _text, _set, _delete):
        name = _NAMES[method.__name__]
        # What a class defines itself stays, as with dataclasses.
        if name not in cls.__dict__:
            setattr(made, name, method)
    return cls


def _init(self: Any, *given: Any, **named: Any) -> None:
    own = self._own_fields
    if len(given) > len(own):
        raise TypeError(f"{type(self).__name__} takes {len(own)} values, and {len(given)} were given")
    values = {each.name: value for each, value in zip(own, given, strict=False)}
    if twice := values.keys() & named.keys():
        raise TypeError(f"{type(self).__name__} got {', '.join(sorted(twice))} twice")
    values |= named
    for each in own:
        if each.name not in values:
            if each.default is not MISSING:
                values[each.name] = each.default
            elif each.default_factory is not MISSING:
                values[each.name] = each.default_factory()
            else:
                raise TypeError(f"{type(self).__name__} needs {each.name}")
    if len(values) > len(own):
        unknown = values.keys() - {each.name for each in own}
        raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
    self.__dict__.update(values)


def _values(record: Any) -> tuple[Any, ...]:
    return tuple(getattr(record, each.name) for each in record._own_fields if each.compare)


def _equal(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _text(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in self._own_fields if each.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _set(self: Any, name: str, _value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r} of {type(self).__name__}")


def _delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r} of {type(self).__name__}")


_NAMES = {
    "_init": "__init__",
    "_equal": "__eq__",
    "_hash": "__hash__",
    "_text": "__repr__",
    "_set": "__setattr__",
    "_delete": "__delattr__",
}
