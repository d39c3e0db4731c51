"""Inputs of the user's own code as text: `1,3,8,8`, `int 2,7`, `mask=bool 4,4` or `inputs.safetensors:x`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from convcheck.config.stored_tensors import read_header
from convcheck.errors import ShapeError, did_you_mean, shown
from convcheck.layers import parse_shape
from convcheck.sizes.limits import MAX_SHORT_TEXT
from convcheck.sizes.patterns import Shape

InputKind = Literal["float", "int", "bool"]
KINDS: tuple[InputKind, ...] = get_args(InputKind)

_KEYWORD = re.compile(r"\s*(?P<keyword>[^\W\d]\w*)\s*=(?P<rest>.*)", re.DOTALL)
_STORED = re.compile(r"\s*(?P<file>.*\.safetensors):(?P<key>.+?)\s*", re.DOTALL | re.IGNORECASE)
_TYPED = re.compile(r"\s*(?P<kind>[^\W\d]\w*)\s+(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True)
class InputSpec:
    """One input: its shape, what its numbers are, and by which name it is handed over, if by one.

    Real values are the tensor `key` of a safetensors `file`.
    """

    shape: Shape
    kind: InputKind = "float"
    keyword: str | None = None
    file: str | None = None
    key: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but a shape, as a layer takes it."""
        return self.kind == "float" and self.keyword is None and self.file is None

    def __str__(self) -> str:
        name = f"{self.keyword}=" if self.keyword else ""
        if self.file is not None:
            return f"{name}{self.file}:{self.key}"
        kind = "" if self.kind == "float" else f"{self.kind} "
        return f"{name}{kind}{','.join(map(str, self.shape))}"


def parse_specs(value: object, folder: Path = Path()) -> tuple[InputSpec, ...]:
    """Read one input, or a list of them; paths of files start in `folder`.

    Raises:
        ShapeError: for the first that cannot be read, or where two have one name.
    """
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    several = listed and all(isinstance(entry, Sequence) for entry in listed)
    specs = tuple(_parse(entry, folder) for entry in (listed if several else [value]))
    names = [spec.keyword for spec in specs if spec.keyword]
    for name in names:
        if names.count(name) > 1:
            raise ShapeError(f"two inputs are called {name!r}; a name is for one of them")
    return specs


def _parse(value: object, folder: Path) -> InputSpec:
    if not isinstance(value, str) or len(value) > MAX_SHORT_TEXT:
        return InputSpec(parse_shape(value))
    match = _KEYWORD.fullmatch(value)
    keyword, rest = (match["keyword"], match["rest"]) if match else (None, value)
    if stored := _STORED.fullmatch(rest):
        shape, kind = _stored(stored["file"], stored["key"], folder)
        return InputSpec(shape, kind, keyword, str(folder / stored["file"]), stored["key"])
    if typed := _TYPED.fullmatch(rest):
        return InputSpec(parse_shape(typed["rest"]), _kind(typed["kind"]), keyword)
    return InputSpec(parse_shape(rest), "float", keyword)


def _kind(word: str) -> InputKind:
    for kind in KINDS:
        if kind == word:
            return kind
    raise ShapeError(f"{shown(word)} is no type of an input; {did_you_mean(word, KINDS)}")


def _stored(file: str, key: str, folder: Path) -> tuple[Shape, InputKind]:
    """Return the shape and kind of a stored tensor, from the header of its file."""
    tensors = read_header(file, folder)
    if key not in tensors:
        raise ShapeError(f"there is no {shown(key)} in {file}; {did_you_mean(key, tensors, most=8)}")
    shape, dtype = tensors[key].shape, tensors[key].dtype
    kind: InputKind = "bool" if dtype == "BOOL" else "int" if dtype[0] in "IU" else "float"
    # Files of eight bits and less hold numbers to be scaled by others that stand elsewhere.
    if kind == "float" and dtype not in ("F64", "F32", "F16", "BF16"):
        raise ShapeError(f"{shown(key)} in {file} is {dtype}, which no input is")
    return parse_shape(list(shape)), kind


def needless(specs: Sequence[InputSpec], select: object, *, train: bool) -> Iterator[tuple[str, str]]:
    """Yield, by key, what is asked where both sides are layers and only code of the user's own could do it."""
    for spec in specs:
        if not spec.is_plain:
            yield "input", f"{shown(str(spec))} is for code of your own; a layer takes a shape, such as 1,3,224,224"
    if select is not None:
        yield "select", "a layer has one output; select is for code of your own"
    if train:
        yield "train", "layers are compared as they are in eval mode; train is for code of your own"
