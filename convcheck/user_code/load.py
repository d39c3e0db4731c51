"""From the user's code as text to the module of torch that it makes. Whoever calls this was told to trust it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from convcheck.errors import ConvcheckError, did_you_mean, shown
from convcheck.layers.user_code import ENDING, Arguments, UserCode
from convcheck.user_code.failures import describe, is_library, short_path
from convcheck.user_code.imports import forget_changed, user_code_runs
from convcheck.user_code.settings import seed_all, settings_restored


def load(code: UserCode) -> nn.Module:
    """Import the user's module, and return what `code` names in it: a module, or what is made by calling it.

    Random weights are the same in every run, from whatever folder a config is run, and others for other code.

    Raises:
        ConvcheckError: it is not there, raises, or makes no module of torch; with the line in the user's file.
    """
    forget_changed()
    # A file may be younger than what Python remembers of its folder.
    importlib.invalidate_caches()
    written = code.in_config or code.module
    with settings_restored(), _failing(code), user_code_runs(code):
        _seed(written)
        home = _import_file(code) if code.is_file else _import_dotted(code)
        value = _attribute(home, code)
        if not isinstance(value, nn.Module):
            _seed(str(replace(code, module=written)))
            value = _called(value, code)
        elif code.arguments is not None:
            raise ConvcheckError(f"{code}: {code.name} is a module already; write it without parentheses")
    if not isinstance(value, nn.Module):
        raise ConvcheckError(f"{code} is {_kind(value)}, and no torch.nn.Module")
    return value


def load_function(code: UserCode) -> Callable[..., Any]:
    """Import the user's module, and return the function that `code` names. Raises ConvcheckError as `load` does."""
    forget_changed()
    importlib.invalidate_caches()
    with settings_restored(), _failing(code), user_code_runs(code):
        value = _attribute(_import_file(code) if code.is_file else _import_dotted(code), code)
    if code.arguments is not None or not callable(value) or isinstance(value, type | nn.Module):
        raise ConvcheckError(f"{code} is no function; write its name alone, as path/to/file.py:function")
    function: Callable[..., Any] = value
    return function


def _seed(text: str) -> None:
    """Seed by a text: two sides that are drawn alike would look as if one had been given the weights of the other."""
    seed_all(zlib.crc32(text.encode()))


@contextmanager
def _failing(code: UserCode) -> Iterator[None]:
    """Turn what user code raises, an exit included, into a line for users; an interrupt passes through."""
    try:
        yield
    except (KeyboardInterrupt, ConvcheckError):
        raise
    except BaseException as error:
        raise ConvcheckError(f"{code}: {describe(error)}{_hint(error)}") from None


def _hint(error: BaseException) -> str:
    relative = isinstance(error, ImportError) and error.name is None and "relative import" in str(error)
    return "; write its dotted name, package.module:name, from the folder above the package" if relative else ""


def _import_file(code: UserCode) -> ModuleType:
    path = Path(code.module)
    if path.is_dir():
        raise ConvcheckError(f"{code}: {code.module} is a folder; name a file in it")
    if not path.is_file():
        # Two endings that are alike say nothing about what is near.
        names = sorted(entry.stem for entry in _entries(path.parent) if entry.suffix == ENDING)
        near = f"; {did_you_mean(path.stem, names)}" if names else ""
        raise ConvcheckError(f"{code}: there is no file {code.module}{near}")
    name = _module_name(path)
    there, path = sys.modules.get(name), path.resolve()
    if there is not None and getattr(there, "__file__", None) == str(path):
        return there
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    # A module may put another object in its own place.
    return sys.modules.get(name, module)


def _module_name(path: Path) -> str:
    """Return the name under which a file is imported: that by which its neighbours know it, unless a library has it."""
    taken = path.stem in sys.stdlib_module_names or (
        path.stem in sys.modules and is_library(getattr(sys.modules[path.stem], "__file__", None))
    )
    return f"_convcheck_{path.stem.replace('.', '_')}" if taken or "." in path.stem else path.stem


def _import_dotted(code: UserCode) -> ModuleType:
    parts = code.module.split(".")
    for number in range(1, len(parts) + 1):
        name = ".".join(parts[:number])
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            above = ".".join(parts[: number - 1])
            paths = getattr(sys.modules.get(above), "__path__", []) if above else [str(Path.cwd())]
            there = f"in {above}" if above else "here or installed"
            hint = did_you_mean(parts[number - 1], (entry.name for entry in pkgutil.iter_modules(paths)), most=10)
            raise ConvcheckError(f"{code}: there is no module {name} {there}; {hint}") from None
    return module


def _attribute(home: ModuleType, code: UserCode) -> Any:
    value: Any = home
    for word in code.name.split("."):
        try:
            value = getattr(value, word)
        except AttributeError:
            hint = did_you_mean(word, _public_names(value), most=10)
            raise ConvcheckError(f"{code}: {shown(word)[1:-1]} is not there; {hint}") from None
    return value


def _public_names(value: Any) -> Iterable[str]:
    """Return the names of what could be loaded from a module or class, those that it defines itself."""
    home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    for name, entry in vars(value).items():
        by_itself = getattr(entry, "__module__", None) == home and callable(entry)
        if not name.startswith("_") and (by_itself or isinstance(entry, nn.Module)):
            yield name


def _called(value: Any, code: UserCode) -> Any:
    if not callable(value):
        raise ConvcheckError(f"{code}: {code.name} is {_kind(value)}, and no class, function or torch.nn.Module")
    if code.arguments is None and not isinstance(value, type):
        raise ConvcheckError(
            f"{code}: {code.name} is a function, which is called where parentheses say so; write {code}()"
        )
    positional, keywords = code.arguments or Arguments((), {})
    if problem := _binding_problem(value, positional, keywords):
        raise ConvcheckError(f"{code}: {problem}")
    return value(*positional, **keywords)


def _binding_problem(value: Callable[..., Any], positional: tuple[object, ...], keywords: Any) -> str | None:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*positional, **keywords)
    except TypeError as error:
        name, place = getattr(value, "__name__", "it"), _place_of_definition(value)
        return f"{error}; {place}it is {name}{_plain(signature)}"
    return None


def _plain(signature: inspect.Signature) -> str:
    """Return a signature without annotations, which may be long."""
    plain = [entry.replace(annotation=inspect.Parameter.empty) for entry in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))


def _place_of_definition(value: Any) -> str:
    function = inspect.getattr_static(value, "__init__", value) if isinstance(value, type) else value
    code = getattr(inspect.unwrap(function), "__code__", None)
    return (
        ""
        if code is None or is_library(code.co_filename)
        else f"{short_path(code.co_filename)}:{code.co_firstlineno}: "
    )


def _kind(value: Any) -> str:
    if isinstance(value, ModuleType | type):
        return f"the {'module' if isinstance(value, ModuleType) else 'class'} {value.__name__}"
    return f"of type {type(value).__name__}"


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return
