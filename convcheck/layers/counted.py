"""What the kinds have in common that the calculator alone knows: their shapes, parameters and multiplications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from convcheck.layers.axis_map import AxisMap, numbered
from convcheck.layers.base import Layer, Roundings
from convcheck.layers.text.notation import compact, label
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins


@dataclass(frozen=True)
class Counted(Layer):
    """A kind that is calculated with and not proved; `verify` takes it as code, such as `torch.nn:LayerNorm(8)`."""

    COUNTED_ONLY = True

    LEADING: ClassVar[tuple[str, ...]] = ()
    """Arguments that torch prints first, and bare."""

    PRINTED: ClassVar[tuple[str, ...]] = ()
    """Those that it prints by name, whatever their value; all others where they have not their usual one."""

    def parameters(self) -> dict[str, Shape]:
        return {}

    def macs(self, *shapes: Any, **_: Any) -> int:
        """Return 0, as torch's FlopCounterMode does of all but products of matrices and convolutions."""
        self.output_shape(*shapes)
        return 0

    def axes(self, rank: int, channels: str) -> tuple[str, ...]:
        return ()

    def roundings(self) -> Roundings:
        return Roundings()

    def degree(self) -> int | None:
        return None

    def __str__(self) -> str:
        usual = {argument.name: argument.default for argument in self.SIGNATURE}
        values = {name: value for name, value in self.arguments().items() if name in usual}
        first = [values.pop(name) for name in self.LEADING if values[name] is not None]
        names = dict.fromkeys(name for name in (*self.PRINTED, *values) if name in values)
        there = [name for name in names if name in self.PRINTED or values[name] != usual[name]]
        return compact(self.kind, first, {name: (_quoted(values[name]), None) for name in there})

    def label(self) -> str:
        usual = {argument.name: argument.default for argument in self.SIGNATURE}
        given = self.arguments().items()
        return label(
            [self.kind, *((name.replace("_", ""), _word(value), _word(usual.get(name))) for name, value in given)]
        )


def _quoted(value: object) -> object:
    """Return a text with its quotes, as most kinds print it."""
    return repr(value) if isinstance(value, str) else value


def _word(value: object) -> object:
    return str(value).replace(" ", "") if isinstance(value, (list, dict)) else value


@dataclass(frozen=True)
class Keeping(Counted):
    """A kind without parameters that keeps every shape, and changes every entry by itself, or by those around it."""

    DIMS = 0
    ANY_SHAPE = True

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def axis_map(self, rank: int) -> AxisMap | None:
        return AxisMap(numbered(rank), numbered(rank))

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        """Change nothing: every output reads the input at the same position."""

    def example_inputs(self) -> tuple[Shape, ...]:
        return ((2, 3, 4, 5),)
