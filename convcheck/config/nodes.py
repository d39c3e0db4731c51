"""YAML as plain values that remember where they stood.

YAML is composed into nodes, never constructed into objects: no tag runs anything. Plain scalars follow YAML 1.2's
core schema, so `1e-6` is a number, `no` a string and `012` twelve, which PyYAML's 1.1 rules all read otherwise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml
from yaml.composer import ComposerError

from convcheck.errors import ConfigError, Fault, cut
from convcheck.sizes.limits import MAX_DEPTH, MAX_ENTRIES

Path = tuple[str | int, ...]
Place = tuple[int, int]
Problem = tuple[Path, str]
"""Where in a document something is wrong, and what; not located in the file yet."""

_TOO_DEEP = "nested too deeply; a config needs five levels"
_TOO_MUCH = f"more than {MAX_ENTRIES} entries, aliases written out; split the file up"

_TAG = "tag:yaml.org,2002:"
_PLAIN = "plain"
_TEXT = _TAG + "str"
_LIST = _TAG + "seq"
_MAP = _TAG + "map"
_READ_TAGS = (_PLAIN, _TEXT, _LIST, _MAP)

_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
# What YAML 1.2 takes in a text (YAML 1.2.2, section 5.1), turned round.
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_FIRST_OF_NUMBERS = frozenset("+-.0123456789")
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


@dataclass(slots=True, eq=False)
class Node:
    """A scalar's text, a list of nodes, or a mapping from keys to pairs of key node and value node.

    An alias is the node that it names.
    """

    value: str | list[Node] | dict[str, tuple[Node, Node]]
    tag: str
    start_mark: Any
    misplaced: tuple[Node, ...] = ()
    """Keys of a mapping that are no words, or that are there already."""

    @property
    def place(self) -> Place:
        """Line and column, from 1."""
        return _place(self.start_mark)


@dataclass
class Document:
    """A document's value. `faults` are those of the YAML itself; the values at their paths were not read."""

    root: Node
    value: object
    faults: list[Fault]

    def unread(self, path: Path) -> bool:
        """Return whether the value at `path` was not read, because of a fault that is reported already."""
        return any(write_path(path[:length]) in self._faulty for length in range(1, len(path) + 1))

    @cached_property
    def _faulty(self) -> frozenset[str]:
        return frozenset(fault.path for fault in self.faults)

    def place(self, path: Path) -> Place:
        """Return where the key or the list entry at `path` stands, or the nearest place around it."""
        node = key = self.root
        for step in path:
            if isinstance(node.value, dict) and step in node.value:
                key, node = node.value[str(step)]
            elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                key = node = node.value[step]
            else:
                break
        return key.place


# libyaml reads a file of megabytes in the time in which PyYAML's own parser reads one of kilobytes.
_Parser: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Composer:
    """PyYAML's composer with small nodes and without YAML 1.1's guesses.

    Raises ConfigError for too much of anything, and what PyYAML raises, in its words.
    """

    def __init__(self, text: str, file: str) -> None:
        self.get_event: Callable[[], Any] = _Parser(text).get_event
        self.file = file
        self.depth = self.entries = 0
        self.anchors: dict[str | None, Node] = {}
        self.sizes: dict[str | None, int] = {}
        """How many entries there are in a node that is whole, by its anchor."""

    def document(self) -> Node | None:
        """Return the root of the only document, None where there is none."""
        self.get_event()
        if isinstance(self.get_event(), yaml.StreamEndEvent):
            return None
        root = self.node(self.get_event(), 0)
        self.get_event()
        if not isinstance(event := self.get_event(), yaml.StreamEndEvent):
            one = "expected a single document in the stream"
            raise ComposerError(one, root.start_mark, "but found another document", event.start_mark)
        return root

    def node(self, event: Any, count: int) -> Node:
        """Return the node that begins with an event; it counts as so many entries, a key as none."""
        if self.depth >= MAX_DEPTH:
            raise _refusal(self.file, event.start_mark, _TOO_DEEP)
        if isinstance(event, yaml.ScalarEvent) and event.anchor is None and event.tag is None:
            # Most nodes are no more than this.
            node = Node(event.value, _PLAIN if event.implicit[0] else _TEXT, event.start_mark)
        elif isinstance(event, yaml.AliasEvent):
            # It stands for all that is in its node.
            node = self._named(event)
            count = self.sizes.get(event.anchor, 1)
        else:
            before, node = self.entries, self._new(event)
            if event.anchor is not None:
                self.sizes[event.anchor] = self.entries - before + count
        self.entries += count
        if self.entries > MAX_ENTRIES:
            raise _refusal(self.file, event.start_mark, _TOO_MUCH)
        return node

    def _named(self, alias: Any) -> Node:
        if alias.anchor not in self.anchors:
            raise ComposerError(None, None, f"found undefined alias {alias.anchor!r}", alias.start_mark)
        return self.anchors[alias.anchor]

    def _new(self, event: Any) -> Node:
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value, usual = event.value, _PLAIN if event.tag is None and event.implicit[0] else _TEXT
        else:
            value, usual = ({}, _MAP) if isinstance(event, yaml.MappingStartEvent) else ([], _LIST)
        node = Node(value, usual if event.tag in (None, "!") else event.tag, event.start_mark)
        if event.anchor is not None:
            if first := self.anchors.get(event.anchor):
                twice = f"found duplicate anchor {event.anchor!r}; first occurrence"
                raise ComposerError(twice, first.start_mark, "second occurrence", event.start_mark)
            self.anchors[event.anchor] = node
        if not isinstance(value, str):
            self.depth += 1
            self._fill(node, value)
            self.depth -= 1
        return node

    def _fill(self, node: Node, value: list[Node] | dict[str, tuple[Node, Node]]) -> None:
        """Put into a node what there is up to its end."""
        misplaced: list[Node] = []
        while not isinstance(event := self.get_event(), yaml.CollectionEndEvent):
            if isinstance(value, list):
                value.append(self.node(event, 1))
                continue
            # Keys are no entries.
            key, entry = self.node(event, 0), self.node(self.get_event(), 1)
            if isinstance(key.value, str) and key.value not in value:
                value[key.value] = (key, entry)
            else:
                misplaced.append(key)
        node.misplaced = tuple(misplaced)


def _place(mark: yaml.Mark) -> Place:
    return mark.line + 1, mark.column + 1


def _refusal(file: str, mark: yaml.Mark | None, message: str) -> ConfigError:
    return ConfigError([Fault(file, *(_place(mark) if mark else (1, 1)), "", message)])


def scalar(text: str) -> object:
    """Return what a plain YAML scalar means in YAML 1.2's core schema (YAML 1.2.2, section 10.3.2)."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST_OF_NUMBERS:
        return text
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
        message = f"not YAML: the control character U+{ord(odd[0]):04X}; take it out, or save the file as UTF-8 text"
        raise ConfigError([Fault(file, line, column, "", message)])
    try:
        root = _Composer(text, file).document()
    except yaml.MarkedYAMLError as error:
        # Newer versions of libyaml count levels themselves, while they read ahead of the composer.
        deep = (error.context or "").startswith("while increasing ")
        message = _TOO_DEEP if deep else f"not YAML: {_say(error, text)}"
        raise _refusal(file, error.problem_mark or error.context_mark, message) from None
    except yaml.YAMLError as error:
        raise _refusal(file, None, f"not YAML: {' '.join(str(error).split())}") from None
    if root is None:
        raise _refusal(file, None, "the file is empty; it needs a list of cases")
    faults: list[Fault] = []

    def report(node: Node, path: Path, message: str) -> None:
        faults.append(Fault(file, *node.place, write_path(path), message))

    return Document(root, _value(root, (), (), report), faults)


def _say(error: yaml.MarkedYAMLError, text: str) -> str:
    problem, mark = error.problem or "it cannot be read", error.problem_mark
    lines = text.splitlines()
    if mark and mark.line < len(lines) and lines[mark.line][mark.column :].startswith("\t"):
        return "a tab stands where the indentation is; YAML wants spaces"
    return f"{error.context}, {problem}" if error.context else problem


def _value(node: Node, path: Path, inside: tuple[int, ...], report: Callable[[Node, Path, str], None]) -> object:
    """Return a node as a plain value, None where it cannot be read; `inside` are the ids of the nodes around it."""
    if id(node) in inside or len(inside) > MAX_DEPTH:
        report(node, path, "an alias that contains itself" if id(node) in inside else "nested too deeply")
        return None
    if node.tag not in _READ_TAGS:
        report(node, path, f"the tag {node.tag.replace(_TAG, '!!')} is not read here; write a plain value")
        return None
    if isinstance(node.value, str):
        return scalar(node.value) if node.tag == _PLAIN else node.value
    inside = (*inside, id(node))
    if isinstance(node.value, list):
        return [_value(entry, (*path, index), inside, report) for index, entry in enumerate(node.value)]
    for key in node.misplaced:
        if isinstance(key.value, str):
            first, _ = node.value[key.value][0].place
            report(key, (*path, key.value), f"this key stands twice; the first is in line {first}")
        else:
            report(key, path, "a key must be a word")
    return {name: _value(entry, (*path, name), inside, report) for name, (_, entry) in node.value.items()}


def write_path(path: Path) -> str:
    """Write a key path as `cases[1].layer`."""
    text = ""
    for step in path:
        word = step if isinstance(step, int) else cut(step)
        text += f"[{word}]" if isinstance(word, int) else f".{word}" if text else word
    return text
