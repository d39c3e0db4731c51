"""Words of the command line that are no target: what they are, and what to do."""

from __future__ import annotations

import difflib
import re
import shlex
from pathlib import Path

from convcheck.cli.completion import rewrite_names
from convcheck.config.config_files import ENDINGS
from convcheck.errors import ShapeError, UsageError, shown
from convcheck.layers import kind_names, parse_shape

_ENDS = " or ".join(ENDINGS)
_WEIGHTS = frozenset({".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".onnx", ".npz", ".npy"})
_FILE = re.compile(r"[^()]*\.(?P<ending>[A-Za-z]\w{0,11})", re.ASCII)


def refuse_other_file(path: Path, word: str) -> None:
    """Refuse a file that is there and, by its name and by what is in it, no config.

    Raises:
        UsageError: it is none.
    """
    ending = path.suffix.lower()
    if ending in (*ENDINGS, "") or not path.is_file():
        return
    if ending == ".py":
        raise UsageError(
            f"{shown(word)} is Python, which is not run; name what is in it, as {word}:name(arguments), for verify "
            "with --candidate and --trust, or let it print the model, and pipe that: "
            f"python {shlex.quote(word)} | convcheck shape -"
        )
    if ending in _WEIGHTS:
        raise UsageError(f"{shown(word)} holds weights; a config names such a file under 'weights', beside a layer")
    from convcheck.config.foreign import has_cases

    if not has_cases(path):
        raise UsageError(
            f"{shown(word)} is no config, which ends in {_ENDS} and has the key 'cases'; "
            f"if it is what print(model) prints, pipe it: convcheck shape - < {shlex.quote(word)}"
        )


def refuse_missing(path: Path, word: str) -> None:
    """Refuse a word that is no call, and names no file or folder, where it is clear what was meant.

    Raises:
        UsageError: it is a shape, a rewrite, the name of a file, or a word that is no layer's.
    """
    if word in kind_names():
        return
    if _is_shape(word):
        raise UsageError("a shape is no target; it goes behind -i as one word, such as -i 1,3,224,224")
    if word in rewrite_names(""):
        raise UsageError(f"{shown(word)} is a rewrite; name it behind -r, as in: convcheck verify LAYER -r {word}")
    near = _beside(path)
    match = _FILE.fullmatch(word)
    if near or "/" in word or (match and match["ending"] not in kind_names()):
        like = f"did you mean {near!r}?" if near else "" if word.endswith(ENDINGS) else f"a config ends in {_ENDS}"
        raise UsageError(f"there is no file {shown(word)}" + (f"; {like}" if like else ""))
    if "(" not in word and word.rpartition(".")[2] not in kind_names():
        like = "which is a call, such as Conv2d(3, 8, kernel_size=2)"
        raise UsageError(f"there is no file or folder {shown(word)}, and it is no layer, {like}")


def _is_shape(word: str) -> bool:
    try:
        parse_shape(word)
    except ShapeError:
        return False
    return True


def _beside(path: Path) -> str:
    """Return the name of a config or folder beside a path that is not there, if one is nearly called so."""
    try:
        # Stems are compared, since all endings are alike.
        names = {
            entry.stem if entry.suffix in ENDINGS else entry.name: entry.name
            for entry in sorted(path.parent.iterdir())
            if entry.suffix in ENDINGS or entry.is_dir()
        }
    except (OSError, ValueError):
        return ""
    near = difflib.get_close_matches(path.stem, names)
    return names[near[0]] if near else ""
