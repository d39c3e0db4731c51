"""Where user code can import from while it runs, and how the modules of one folder stay apart from another's."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from convcheck.layers.user_code import UserCode
from convcheck.user_code.failures import is_library


class _Imported(NamedTuple):
    module: ModuleType
    version: tuple[int, int] | None


_imported: dict[Path, dict[str, _Imported]] = {}
"""What user code has imported from its own folders, by the folder in which Python looked, then by name."""


@contextmanager
def user_code_runs(code: UserCode | None = None) -> Iterator[None]:
    """Run user code: it can import from the current folder and from that of `code`; its prints go to standard error.

    What it imports from these folders is taken out of `sys.modules` behind it, and put back when it runs again: two
    folders may have modules of one name. `sys.path`, `sys.argv` and the current folder are as before behind it.
    """
    here = Path.cwd()
    folders = tuple(dict.fromkeys((*([(here / code.module).resolve().parent] if code and code.is_file else []), here)))
    path, arguments = list(sys.path), list(sys.argv)
    hidden = _take_out(folders)
    before = dict(sys.modules)
    try:
        for folder in folders:
            for name, (module, _) in _imported.get(folder, {}).items():
                if not _is_hidden(name.partition(".")[0], folder, folders):
                    sys.modules[name] = module
        sys.path[:0] = map(str, folders)
        # Code that reads its command line must not read ours.
        sys.argv[:] = [code.module if code else ""]
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.chdir(here)
        sys.path[:], sys.argv[:] = path, arguments
        _put_away(folders, before)
        sys.modules.update(hidden)


def forget_changed() -> None:
    """Forget all that was imported, if one of its files has changed since."""
    modules = [imported for by_name in _imported.values() for imported in by_name.values()]
    if any(_version(module) != version for module, version in modules):
        _imported.clear()


def _take_out(folders: tuple[Path, ...]) -> dict[str, ModuleType]:
    """Take the user's modules that would hide a module of these folders out of `sys.modules`; return them."""
    tops = [(name, module) for name, module in list(sys.modules.items()) if "." not in name and name != "__main__"]
    homes = [(name, home) for name, module in tops if (home := _home(module)) is not None]
    hiding = {name for name, home in homes if _is_hidden(name, home, folders)}
    # There are thousands of modules, and a forward is run often.
    if not hiding:
        return {}
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in hiding}


def _is_hidden(name: str, home: Path, folders: tuple[Path, ...]) -> bool:
    """Tell whether a folder before `home` has a module of this name, so that Python would find that."""
    earlier = folders[: folders.index(home)] if home in folders else folders
    return any((folder / name).is_dir() or (folder / f"{name}.py").is_file() for folder in earlier)


def _put_away(folders: tuple[Path, ...], before: Mapping[str, ModuleType]) -> None:
    """Move what came from these folders out of `sys.modules`; what was there, and is within what was there, stays."""
    new = [(name, module) for name, module in list(sys.modules.items()) if before.get(name) is not module]
    homes = {name: home for name, module in new if "." not in name and (home := _home(module)) in folders and home}
    for name, module in new:
        if home := homes.get(name.partition(".")[0]):
            del sys.modules[name]
            _imported.setdefault(home, {})[name] = _Imported(module, _version(module))


def _home(module: ModuleType) -> Path | None:
    """Return the folder in which Python found a module of the user's at the top of its name; None for a library's."""
    # A lazy module imports others when it is asked for what it has not got.
    attributes = getattr(module, "__dict__", {})
    file, paths = attributes.get("__file__"), list(attributes.get("__path__") or ())
    entry = file or (str(paths[0]) if paths else None)
    if is_library(entry) or entry is None:
        return None
    parents = Path(entry).resolve().parents
    return parents[1] if file and paths else parents[0]


def _version(module: ModuleType) -> tuple[int, int] | None:
    try:
        stat = Path(vars(module)["__file__"]).stat()
    except (OSError, KeyError, TypeError):
        return None
    return stat.st_mtime_ns, stat.st_size
