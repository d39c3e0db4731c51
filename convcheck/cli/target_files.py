"""Words of the command line that name files: configs, folders of them, and prints that were saved."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from convcheck.cli import console
from convcheck.config.config_files import ENDINGS, configs_in
from convcheck.errors import UsageError, cut, shown

if TYPE_CHECKING:
    from convcheck.layers.text.pasted import Pasted

# A name, a bracket: no path that exists looks like a call, and a path that does not exist is better called a layer.
_CALL = re.compile(r"\s*(\([^()]*\):\s*)?([A-Za-z_][\w.]*\s*=\s*)?[A-Za-z_][\w.]*\s*\(")


def saved_layers(word: str) -> Pasted | None:
    """Return the layers of a file that is no config by its name, where it shows or makes any."""
    if word.endswith((*ENDINGS, "/")) or _CALL.match(word) or not Path(word).suffix:
        return None
    from convcheck.cli.stdin import read_saved

    return read_saved(Path(word), word)


def config_files(word: str) -> dict[Path, str]:
    """Return the configs that a word of the command line names; none if it is to be read as a layer."""
    if not word.strip():
        raise UsageError("a target is empty; name a config, a folder or a layer")
    path = Path(word)
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError):
        # Too long or with a NUL byte for a path; it may still be a layer.
        return {}
    if is_folder:
        return {file: str(file) for file in _configs_of(path, word)}
    if exists:
        from convcheck.cli.no_target import refuse_other_file

        refuse_other_file(path, word)
        return {path: word}
    if path.is_symlink():
        raise UsageError(f"{shown(word)} is a link that leads nowhere, or to itself; name the file")
    if not _CALL.match(word):
        from convcheck.cli.no_target import refuse_missing

        refuse_missing(path, word)
    return {}


def _configs_of(folder: Path, word: str) -> list[Path]:
    """Return the configs in a folder; say which YAML is passed over, since it is another program's."""
    from convcheck.config.foreign import is_foreign

    files = configs_in(folder)
    foreign = set(filter(is_foreign, files))
    if foreign:
        names = ", ".join(str(file) for file in files if file in foreign)
        console.hint(f"passed over, since there is no key 'cases': {cut(names, 500)}")
    configs = [file for file in files if file not in foreign]
    if not configs:
        raise UsageError(
            f"the folder {shown(word)} holds no config; one ends in {' or '.join(ENDINGS)}, and has the key 'cases'"
        )
    return configs
