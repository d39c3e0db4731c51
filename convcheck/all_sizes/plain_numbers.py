"""Lengths as a user's Python sees them: whole numbers, and no objects of torch that stand for them in a trace.

What code makes of a length's text, or of its type, no graph would hold. Its text fixes the length, as `int` of it does;
its type is that of a number; and what compares two is true or false.
"""

from __future__ import annotations

import abc
import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

import sympy
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from convcheck.tracing.places import is_of_a_user

_STANDING_FOR: dict[type, type] = {torch.SymInt: int, torch.SymFloat: float, torch.SymBool: bool}
_COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_ON_BEHALF = frozenset(one.__code__.co_filename for one in (abc.ABCMeta.__instancecheck__, functools.singledispatch))
"""The files of Python's own code that asks for a class on behalf of its caller, as `numbers.Integral` does."""
_TYPED = ("<ipython", "<stdin>", "<string>", "<console>")
"""What the names of files begin with that code is said to be in which a user types."""
_SYMPY = f"{Path(str(sympy.__file__)).parent}/"


@functools.cache
def _is_of_a_user(file: str) -> bool:
    return file.startswith(_TYPED) or (is_of_a_user(file) and not file.startswith(_SYMPY))


@contextmanager
def plain_numbers(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Have lengths be plain numbers for the code of a user's that runs, and that of modules."""
    undo: list[Callable[[], None]] = []
    try:
        for symbolic, plain in _STANDING_FOR.items():
            _set(symbolic, "__repr__", _text(vars(symbolic)["__repr__"], plain), undo)
            _set(symbolic, "__getattribute__", _attribute(plain), undo)
            for name in _COMPARISONS:
                if name in vars(symbolic):
                    _set(symbolic, name, _compared(vars(symbolic)[name]), undo)
        for names in _reachable(modules):
            if "type" not in names:
                names["type"] = _Type
                undo.append(lambda names=names: names.pop("type", None))  # type: ignore[misc]
        yield
    finally:
        for step in reversed(undo):
            step()


def _set(owner: type, name: str, value: Any, undo: list[Callable[[], None]]) -> None:
    if name in vars(owner):
        before = vars(owner)[name]
        undo.append(lambda: setattr(owner, name, before))
    else:
        undo.append(lambda: delattr(owner, name))
    setattr(owner, name, value)


def _text(original: Callable[[Any], str], plain: type) -> Callable[[Any], str]:
    def text(self: Any) -> str:
        return repr(plain(self)) if _is_asked_by_a_user() else original(self)

    return text


def _attribute(plain: type) -> Callable[[Any, str], Any]:
    def attribute(self: Any, name: str) -> Any:
        # Python's own `isinstance` asks for it, as matching by a class does.
        if name == "__class__":
            return plain if _is_asked_by_a_user() else object.__getattribute__(self, name)
        try:
            return object.__getattribute__(self, name)
        except AttributeError:
            if not hasattr(plain, name) or not _is_asked_by_a_user():
                raise
            return getattr(plain(self), name)

    return attribute


def _compared(original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def compared(self: Any, other: Any) -> Any:
        result = original(self, other)
        return bool(result) if type(result) is torch.SymBool and _is_asked_by_a_user() else result

    return compared


def _is_asked_by_a_user() -> bool:
    """Tell whether the code that led to the function that calls this is a user's."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename in _ON_BEHALF:
        frame = frame.f_back
    return frame is not None and _is_of_a_user(frame.f_code.co_filename)


class _AsType(type):
    """Makes a class that stands for `type` among the names of a user's module."""

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        made = type(*arguments, **options)
        if len(arguments) > 1:
            return made
        return Tensor if made is FakeTensor else _STANDING_FOR.get(made, made)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, type)


class _Type(metaclass=_AsType):
    """Stands for `type`."""


def _reachable(modules: Iterable[nn.Module]) -> list[dict[str, Any]]:
    """Return the names of all files of a user's that the code of torch's modules can reach: not those of packages."""
    inner = [one for module in modules for one in module.modules()]
    holders = [*inner, *{one for module in inner for one in type(module).__mro__}]
    todo = [function.__globals__ for one in holders for function in vars(one).values() if _is_function(function)]
    found: dict[int, dict[str, Any]] = {}
    while todo:
        names = todo.pop()
        file = _TYPED[0] if names.get("__name__") == "__main__" else names.get("__file__")
        if id(names) in found or not isinstance(file, str) or not _is_of_a_user(file):
            continue
        found[id(names)] = names
        if "/site-packages/" not in file:
            todo += [vars(one) if isinstance(one, ModuleType) else _names_of(one) for one in list(names.values())]
    return list(found.values())


def _names_of(value: Any) -> dict[str, Any]:
    """Return the names of the file that a function or a class is written in; none for anything else."""
    if _is_function(value):
        names: dict[str, Any] = value.__globals__
        return names
    functions = vars(value).values() if isinstance(value, type) else ()
    return next((one.__globals__ for one in functions if _is_function(one)), {})


def _is_function(value: Any) -> bool:
    return isinstance(value, FunctionType)
