"""YAML as plain values that remember where they stood.

YAML is composed into nodes, never constructed into objects: no tag runs anything. Plain scalars follow YAML 1.2's
core schema, so `1e-6` is a number, `no` a string and `012` twelve, which PyYAML's 1.1 rules all read otherwise.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml
from yaml.composer import Composer

from convcheck.errors import ConfigError, Fault, cut

Path = tuple[str | int, ...]
Place = tuple[int, int]

_TAG = "tag:yaml.org,2002:"

MOST_NODES = 100_000
"""Entries after aliases are written out: far above any real config, far below what a bomb of aliases makes."""

DEEPEST = 50
"""Levels of nesting."""

_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
# What YAML 1.2 takes in a text (YAML 1.2.2, section 5.1), turned round.
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


@dataclass
class Document:
    """A document's value, and line and column of every key path in it (of the key, or of the list entry).

    `faults` are those of the YAML itself, such as duplicate keys; the values at their paths were not read.
    """

    value: object
    places: dict[Path, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def unread(self, path: Path) -> bool:
        """Tell whether the value at `path` was not read, because of a fault that is told already."""
        return any(write_path(path[:length]) in self._faulty for length in range(1, len(path) + 1))

    @cached_property
    def _faulty(self) -> frozenset[str]:
        return frozenset(fault.path for fault in self.faults)

    def place(self, path: Path) -> Place:
        """Return where `path` stands, or the nearest place around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


_PLAIN = "plain"


# libyaml reads a file of megabytes in the time in which PyYAML's own parser reads one of kilobytes.
_Parser: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Composer(Composer):
    """PyYAML without its YAML 1.1 guesses: a plain scalar arrives as text, marked as plain. Too much is refused."""

    def __init__(self, text: str, file: str) -> None:
        super().__init__()
        parser = _Parser(text)
        self.check_event, self.peek_event, self.get_event = parser.check_event, parser.peek_event, parser.get_event
        self.file = file
        self.depth = self.nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        self.nodes += 1
        if self.depth > DEEPEST or self.nodes > MOST_NODES:
            mark = self.peek_event().start_mark
            raise _too_much(self.file, (mark.line + 1, mark.column + 1), deep=self.depth > DEEPEST)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:  # noqa: ARG002  (PyYAML's)
        """Return the tag of a node that has none of its own; `implicit` is (True, False) for a plain scalar."""
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _TAG + "str"
        return _TAG + ("seq" if kind is yaml.SequenceNode else "map")

    def descend_resolver(self, *_: object) -> None:
        """Do nothing: no tag depends on where a node stands."""

    def ascend_resolver(self) -> None:
        """Do nothing, either."""


def _too_much(file: str, place: Place, *, deep: bool) -> ConfigError:
    many = f"more than {MOST_NODES} entries, aliases written out; split the file up"
    return ConfigError([Fault(file, *place, "", "nested too deeply; a config needs five levels" if deep else many)])


def scalar(text: str) -> object:
    """Return what a plain YAML scalar means in YAML 1.2's core schema (YAML 1.2.2, section 10.3.2)."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        # Python converts up to 4300 digits; longer ones stay text, and are then no number where one is due.
        return int(text) if len(text) <= 4000 else text
    if _OTHER_INT.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16) if len(text) <= 4000 else text
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def read(text: str, file: str) -> Document:
    """Read one YAML document.

    Raises:
        ConfigError: no YAML, more than one document, or too many aliases. Milder faults are in the document.
    """
    if odd := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        column = odd.start() - text.rfind("\n", 0, odd.start())
        told = f"not YAML: the control character U+{ord(odd[0]):04X}; take it out, or save the file as UTF-8 text"
        raise ConfigError([Fault(file, line, column, "", told)])
    try:
        node = _Composer(text, file).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if (error.context or "").startswith("while increasing "):
            # Newer versions of libyaml count levels themselves, while they read ahead of the composer.
            raise _too_much(file, (line, column), deep=True) from None
        raise ConfigError([Fault(file, line, column, "", f"not YAML: {_say(error, text)}")]) from None
    except yaml.YAMLError as error:
        raise ConfigError([Fault(file, 1, 1, "", f"not YAML: {' '.join(str(error).split())}")]) from None
    if node is None:
        raise ConfigError([Fault(file, 1, 1, "", "the file is empty; it needs a list of cases")])
    walk = _Walk(file)
    return Document(walk.value(node, (), ()), walk.places, walk.faults)


def _say(error: yaml.MarkedYAMLError, text: str) -> str:
    problem, mark = error.problem or "it cannot be read", error.problem_mark
    lines = text.splitlines()
    if mark and mark.line < len(lines) and lines[mark.line][mark.column :].startswith("\t"):
        return "a tab stands where the indentation is; YAML wants spaces"
    return f"{error.context}, {problem}" if error.context else problem


class _Walk:
    """One pass over the nodes, which may be a graph: an alias is the very node it names."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.places: dict[Path, Place] = {}
        self.faults: list[Fault] = []
        self.seen = 0

    def value(self, node: yaml.Node, path: Path, inside: tuple[int, ...]) -> object:
        place = (node.start_mark.line + 1, node.start_mark.column + 1)
        self.places.setdefault(path, place)
        self.seen += 1
        if self.seen > MOST_NODES:
            raise _too_much(self.file, place, deep=False)
        if id(node) in inside or len(inside) > DEEPEST:
            self._fault(node, path, "an alias that contains itself" if id(node) in inside else "nested too deeply")
            return None
        if node.tag not in (_PLAIN, _TAG + "str", _TAG + "seq", _TAG + "map"):
            self._fault(node, path, f"the tag {node.tag.replace(_TAG, '!!')} is not read here; write a plain value")
            return None
        inside = (*inside, id(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(entry, (*path, index), inside) for index, entry in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, inside)
        assert isinstance(node, yaml.ScalarNode)
        return scalar(node.value) if node.tag == _PLAIN else node.value

    def _mapping(self, node: yaml.MappingNode, path: Path, inside: tuple[int, ...]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, entry in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault(key, path, "a key must be a word")
                continue
            name = key.value
            if name in found:
                first = self.places[(*path, name)][0]
                self._fault(key, (*path, name), f"this key stands twice; the first is in line {first}")
                continue
            self.places[(*path, name)] = (key.start_mark.line + 1, key.start_mark.column + 1)
            found[name] = self.value(entry, (*path, name), inside)
        return found

    def _fault(self, node: yaml.Node, path: Path, message: str) -> None:
        mark = node.start_mark
        self.faults.append(Fault(self.file, mark.line + 1, mark.column + 1, write_path(path), message))


def write_path(path: Path) -> str:
    """Write a key path as `cases[1].layer`."""
    text = ""
    for step in path:
        word = step if isinstance(step, int) else cut(step)
        text += f"[{word}]" if isinstance(word, int) else f".{word}" if text else word
    return text
