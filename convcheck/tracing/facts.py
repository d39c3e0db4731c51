"""What a graph says of its module: whether it is a polynomial, of which degree, and with how fine constants."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx

from convcheck.tracing.constants import constants_of
from convcheck.tracing.operators import name_of, operators
from convcheck.tracing.reading import Call, Known, NotPolynomial, bind, constant, inexact
from convcheck.tracing.statistics import index_limits_of, statistics_of
from convcheck.tracing.trace import Note, NoteKind, Trace

SIGNIFICANT_BITS = {torch.float64: 53, torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}
"""How many bits a number of a dtype has; whole numbers up to 2 to this power are exact."""


@dataclass(frozen=True)
class Obstacle:
    """The first operator that is in the way of exact evidence: its name, its line, and why."""

    operator: str
    place: str | None
    why: str

    def __str__(self) -> str:
        return f"{self.operator}{f' at {self.place}' if self.place else ''} {self.why}"


@dataclass(frozen=True)
class Facts:
    """What is read off a trace.

    `degree` is that of the output as a polynomial in inputs, parameters and statistics; None if it is none. At whole
    numbers outputs, gradients and all between are multiples of 2^-bits; None where they are rounded. `obstacle` says
    why one of them is None. `statistics` are buffers with the eps that is added to them before a root is taken, None
    for those that go with one. `index_limits` say below what an integer input has to stay, by its number.
    `significant_bits` are those of the narrowest dtype on the way.
    """

    degree: int | None
    obstacle: Obstacle | None
    bits: int | None
    statistics: Mapping[str, float | None] = field(default_factory=dict)
    index_limits: Mapping[int, int] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    significant_bits: int = 53

    @property
    def exact(self) -> bool:
        """Whether whole numbers are computed with exactly, as long as they are small enough."""
        return self.degree is not None and self.bits is not None


def facts_of(trace: Trace, variables: Collection[str] = ()) -> Facts:
    """Read a trace. The buffers `variables` take any values, besides those that are running statistics."""
    statistics = statistics_of(trace)
    free = {*statistics, *variables}
    walk = _Walk(trace, statistics, constants_of(trace, free))
    output = trace.graph.graph.output_node().args[0]
    assert isinstance(output, fx.Node)
    known = walk.known(output)
    obstacle = walk.no_polynomial or walk.rounded
    if obstacle is None and known.bits is None:
        obstacle = Obstacle(name_of(output), trace.place_of(output), "makes a constant of many digits")
    return Facts(
        degree=known.degree,
        obstacle=obstacle,
        bits=None if known.degree is None else known.bits,
        statistics=statistics,
        index_limits=index_limits_of(trace),
        notes=(*trace.notes, *walk.casts),
        significant_bits=walk.significant_bits,
    )


class _Walk:
    """Reads a graph from top to bottom."""

    def __init__(self, trace: Trace, statistics: Mapping[str, float | None], constants: Mapping[fx.Node, Any]) -> None:
        self.no_polynomial: Obstacle | None = None
        self.rounded: Obstacle | None = None
        self.casts: list[Note] = []
        self.significant_bits = 53
        self._constants = constants
        self._known: dict[fx.Node, Any] = {}
        self._place_of = trace.place_of
        placeholders = iter(trace.placeholders)
        for node in trace.graph.graph.nodes:
            if node.op == "placeholder":
                one = next(placeholders)
                if node not in constants:
                    variance = one.name if statistics.get(one.name) is not None else None
                    self._known[node] = Known(1, 0, variance=None if variance is None else (variance, None))
            elif node.op == "call_function" and node not in constants:
                self._known[node] = self._read(node)

    def known(self, node: fx.Node) -> Any:
        """Return what is known of a node; of a constant, its value is asked for once."""
        if node not in self._known:
            value = self._constants[node]
            if isinstance(value, Tensor) and value.layout != torch.strided:
                why = "makes a sparse tensor"
                self.no_polynomial = self.no_polynomial or Obstacle(name_of(node), self._place_of(node), why)
                self._known[node] = Known(degree=None, bits=None)
            else:
                self._known[node] = _constants(value)
        return self._known[node]

    def _read(self, node: fx.Node) -> Known:
        name = name_of(node)
        if name == "getitem":
            source, place = node.args
            assert isinstance(source, fx.Node)
            known = self.known(source)
            return known[place] if isinstance(known, tuple) else known  # type: ignore[index, no-any-return]
        nodes = bind(node, lambda one: one)
        call = Call(node, bind(node, self.known), nodes)
        self._measure(node, name)
        arguments = list(self._arguments(node))
        if any(one.degree is None for one, _ in arguments):
            return Known(degree=None, bits=None)
        if not _is_float(node.meta.get("val")):
            return self._whole(node, name, call, [one for one, is_float in arguments if is_float])
        operator = operators().get(name)
        try:
            if operator is None:
                raise NotPolynomial("is an operator that is not known here")
            if _is_tiny(node.meta["val"]):
                raise NotPolynomial("computes in so few bits that hardly a whole number is exact")
            result = operator.read(call)
        except NotPolynomial as error:
            self.no_polynomial = self.no_polynomial or Obstacle(name, self._place_of(node), str(error))
            return Known(degree=None, bits=None)
        if call.output.is_complex() and result.bits is not None:
            result = inexact(result, "makes complex numbers")
        if result.bits is None and self.rounded is None:
            self.rounded = Obstacle(name, self._place_of(node), result.inexact)
        return result

    def _arguments(self, node: fx.Node) -> Iterator[tuple[Known, bool]]:
        """Yield what is known of all tensors that go in, and whether they hold floats."""
        for one in node.all_input_nodes:
            known = self.known(one)
            for item in known if isinstance(known, tuple) else (known,):
                yield item, _is_float(one.meta.get("val"))

    def _whole(self, node: fx.Node, name: str, call: Call, floats: list[Known]) -> Known:
        """Return what is known of whole numbers or a mask: data, unless they are made of floats that vary."""
        if any(one.constant is None for one in floats):
            if self.no_polynomial is None:
                self.no_polynomial = Obstacle(name, self._place_of(node), "compares or rounds what depends on inputs")
            return Known(degree=None, bits=None)
        operator = operators().get(name)
        try:
            return Known() if operator is None else operator.read(call)
        except NotPolynomial:
            return Known()

    def _measure(self, node: fx.Node, name: str) -> None:
        """Take down the narrowest dtype of floats."""
        value = node.meta.get("val")
        if isinstance(value, Tensor) and value.dtype in SIGNIFICANT_BITS:
            bits = SIGNIFICANT_BITS[value.dtype]
            if bits < self.significant_bits:
                self.significant_bits = bits
                dtype = str(value.dtype).removeprefix("torch.")
                self.casts.append(Note(NoteKind.CAST, f"computes in {dtype} ({name})", self._place_of(node)))


def _is_tiny(value: object) -> bool:
    """Tell whether floats are narrower than all that are known here, as float8."""
    return isinstance(value, Tensor) and value.is_floating_point() and value.dtype not in SIGNIFICANT_BITS


def _is_float(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return any(_is_float(item) for item in value)
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def _constants(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(_constants(item) for item in value)
    return constant(value) if isinstance(value, Tensor) else value
