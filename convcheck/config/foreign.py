"""Files that are no configs by what is in them, such as a docker-compose.yml in the folder. Imports no torch."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

import yaml

from convcheck.config.file_text import read_text
from convcheck.errors import ConfigError

_NEAR = 0.85
"""How like `cases` a key is that differs by one letter, or by case; `bases`, which is kustomize's, is less so."""


def is_foreign(path: Path) -> bool:
    """Tell whether a YAML file is another program's: no key at its top is nearly one of a config's.

    A file that is empty or cannot be read may be a config, as may one that is no YAML and has the word `cases` in it.
    """
    try:
        text = read_text(path, str(path))
    except ConfigError:
        return False
    if all(line.isspace() or line.lstrip().startswith("#") for line in text.splitlines(keepends=True)):
        return False
    try:
        return not _of_config(text)
    except yaml.YAMLError:
        return "cases" not in text


def has_cases(path: Path) -> bool:
    """Tell whether a file whose name is no config's is one all the same; also where it cannot be read as a text."""
    try:
        return _of_config(read_text(path, str(path)))
    except ConfigError:
        return True
    except yaml.YAMLError:
        return False


def _of_config(text: str) -> bool:
    """Tell whether some key is, nearly, `cases`, or is `layer`, as in a list of cases without the key above it."""
    return any(
        key == "layer" or difflib.get_close_matches(key.lower()[:100], ["cases"], cutoff=_NEAR)
        for key in _top_keys(text)
    )


def _top_keys(text: str) -> Iterator[str]:
    """Yield the keys of a mapping at the top, or of the mappings in a list there. Nothing is built of them.

    Raises:
        yaml.YAMLError: from here on it is no YAML.
    """
    # Of every list and mapping around: whether it is a mapping, and how many keys and values it has so far.
    around: list[tuple[bool, int]] = []
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionEndEvent):
            around.pop()
        elif isinstance(event, yaml.NodeEvent):
            if around:
                is_mapping, count = around[-1]
                around[-1] = is_mapping, count + 1
                at_top = len(around) == 1 or (len(around) == 2 and not around[0][0])
                if at_top and is_mapping and count % 2 == 0 and isinstance(event, yaml.ScalarEvent):
                    yield event.value
            if isinstance(event, yaml.CollectionStartEvent):
                around.append((isinstance(event, yaml.MappingStartEvent), 0))
