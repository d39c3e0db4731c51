"""A case: one layer, one input, and what is claimed about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from convcheck.config.checks import PROOF_SECONDS, DType
from convcheck.config.input_specs import InputSpec
from convcheck.config.replacement import MapFunction, Replacement
from convcheck.errors import ConvcheckError
from convcheck.layers import Layer, parse_layer
from convcheck.layers.user_code import WAY_OF_TRUST, UserCode, parse_user_code, untrusted
from convcheck.results import Sides, SizesStatus, Verdict
from convcheck.results.pictures import Detail
from convcheck.sizes.patterns import Group, Shape, Shapes
from convcheck.sizes.relayouts import Relayout


@dataclass(frozen=True)
class Tolerance:
    """A tolerance of the user's own: `|error| <= atol + rtol * |reference|`."""

    atol: float
    rtol: float


@dataclass(frozen=True)
class WeightFile:
    """Real tensors for the numeric part: a safetensors file, and its key for every parameter that is taken from it."""

    path: str
    written: str
    """The path as the config has it."""
    keys: Mapping[str, str]


class WeightSource(Protocol):
    """Where the weights of a run come from, if they are not drawn."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the result."""
        ...

    def replace(self, sample: Any) -> Any:
        """Return a sample of the layer's inputs and parameters with these weights in it."""
        ...


@dataclass(frozen=True)
class Expect:
    """What must come out for a case to count as fulfilled."""

    verdict: Verdict = Verdict.EQUAL
    output: Shape | None = None
    params: Sides[int | None] = Sides(None, None)
    sizes: SizesStatus | None = None
    """What must come of a proof for all sizes, where it is asked for; None for `proved`, or, where no rewrite is named,
    anything but `refuted`."""


class KeyPlace(NamedTuple):
    """Where the value of a key stands: the config's name in messages, line and column from 1, and the path of keys."""

    file: str
    line: int
    column: int
    path: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Case:
    """One validated case. `rewrites` is None where all that apply are asked for."""

    name: str
    layer: Layer
    inputs: Shapes
    rewrites: tuple[str, ...] | None = None
    order: Group | None = None
    transplant: Mapping[str, Relayout] = field(default_factory=dict)
    weights: WeightFile | WeightSource | None = None
    dtype: DType = "float32"
    device: str = "cpu"
    seed: int = 0
    tolerance: Tolerance | None = None
    expect: Expect = Expect()
    source: str | None = None
    """`file:line` of the case, None for a layer on the command line."""
    strict: bool = False
    """Whether a weak case, which could not tell a wrong rewrite, is not fulfilled."""
    all_sizes: bool = False
    """Whether a proof for all sizes is asked for."""
    proof_seconds: float = PROOF_SECONDS
    """How long that may take."""
    max_memory: int | None = None
    """How many bytes a proof may take; as many as are free where it is None."""
    detail: Detail = Detail.NONE
    """How much of a picture is asked for."""
    config: str | None = None
    """The file that `source` names, as a target of another command line; empty for the one that ships."""
    candidate: Replacement | None = None
    """A layer of the user's own that is claimed to compute the same, in place of a rewrite."""
    input_specs: tuple[InputSpec, ...] = ()
    """What the inputs are, one by one, where a side is code of the user's own; empty where both are layers."""
    select: str | int | None = None
    """Which output of a tuple or dict of outputs is compared, where a side is code."""
    train: bool = False
    """Whether sides that are code are compared in training mode."""
    in_python: bool = False
    """Whether it was made by a call in Python."""
    objects: frozenset[str] = frozenset()
    """Which of `reference`, `candidate` and `map_by` are objects of the user's program, which no text names."""
    held: Sides[Mapping[str, Any]] | None = None
    """The tensors that both sides hold, by name, where they are to be compared: the candidate's with the mapped ones
    of the reference."""
    held_in: Sides[str] | None = None
    """The checkpoints that these tensors stand in, as FILE:PREFIX; None where they are those of the sides' code."""
    places: Mapping[tuple[str, ...], KeyPlace] = field(default_factory=dict)
    """Where the config has the keys that a result may point at, those of a transplant among them."""

    @property
    def has_code(self) -> bool:
        """Whether a side is code of the user's own."""
        return bool(self.input_specs)

    def place(self, *keys: tuple[str, ...]) -> str | None:
        """Return `file:line` of the first of these keys that the config has; of the case, if it has none."""
        return next((str(self.places[key]) for key in keys if key in self.places), self.source)


CodeLoader = Callable[[UserCode], Layer]
MapLoader = Callable[[UserCode], MapFunction]
WeightsLoader = Callable[[Case, Sides[str], Path], Case]
"""Returns a case whose sides hold what stands in two checkpoints, written as FILE:PREFIX, as seen from a folder."""


def parse_side(value: object, load_code: CodeLoader, folder: Path = Path()) -> Layer:
    """Return a side: a layer as text or as a mapping, or code, which is loaded; paths of files start in `folder`.

    Raises:
        ConvcheckError: it can be read as neither, or code is not trusted or cannot be loaded.
    """
    code = parse_user_code(value)
    return parse_layer(value) if code is None else load_code(code.within(folder))


UNTRUSTED: CodeLoader = untrusted(WAY_OF_TRUST)
UNTRUSTED_MAP: MapLoader = untrusted(WAY_OF_TRUST)


def _unread(_case: Case, weights: Sides[str], _folder: Path) -> Case:
    raise ConvcheckError(f"{weights.reference} is a checkpoint, and this program reads none")


@dataclass(frozen=True)
class Vocabulary:
    """The rewrites a config may name. It is handed in, so that the config knows no rewrite itself."""

    rewrites: tuple[str, ...]
    orders: Mapping[str, str]
    """The axes of a patch, as a template, for those whose patches may be laid out in any order."""
    load_code: CodeLoader = UNTRUSTED
    """What makes a layer of the user's own code. It is handed in where that is trusted, and refuses all of it here."""
    load_map: MapLoader = UNTRUSTED_MAP
    """What loads a function that is a map, likewise."""
    load_weights: WeightsLoader = _unread
    """What lets both sides hold the tensors of checkpoints; handed in, since reading them is for a higher floor."""
    folder: Path = Path()
    """Where the paths of a config start."""
