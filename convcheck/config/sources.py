"""Where a parameter of a candidate comes from, as text.

    bias                                          the parameter of that name, as it is
    weight: o i kh kw -> o (i kh kw) | flip kh    laid out anew, by a pattern and steps
    0, 1                                          zeros and ones, for a parameter that the reference has not
    [q.weight; k.weight: o i -> i o; v.weight]    joined along the first axis
    q.weight * 0.125                              scaled
    a.weight + b.weight                           added
    einsum('o m, m i kh kw -> o i kh kw', b.weight, a.weight)    multiplied, and summed over what is left of `->` only

What stands behind a colon is about all that stands before it, up to the bracket around both: parentheses set apart
what is laid out by itself, as in `a.weight + (b.weight: o i -> o i 1 1)`. `str` writes a source as it can be read.
Only sizes are known here; `convcheck.rewriting.source_moves` moves tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from convcheck.errors import PatternError, did_you_mean
from convcheck.sizes.patterns import Group, Shape
from convcheck.sizes.relayouts import Relayout

Shapes = Mapping[str, Shape]
"""Of the reference's parameters and statistics, by name."""


@dataclass(frozen=True)
class Constant:
    """Zeros or ones."""

    number: int

    def __str__(self) -> str:
        return str(self.number)


@dataclass(frozen=True)
class Scaled:
    """A tensor times a number."""

    operand: Operand
    factor: float

    def __str__(self) -> str:
        return f"{_operand(self.operand)} * {_number(self.factor)}"


@dataclass(frozen=True)
class Joined:
    """Tensors one behind the other along their first axis."""

    parts: tuple[Source, ...]

    def __str__(self) -> str:
        return f"[{'; '.join(map(str, self.parts))}]"


@dataclass(frozen=True)
class Added:
    """The sum of tensors of one shape."""

    terms: tuple[Operand, ...]

    def __str__(self) -> str:
        return " + ".join(str(term) if isinstance(term, Scaled) else _operand(term) for term in self.terms)


@dataclass(frozen=True)
class Product:
    """Tensors multiplied along axes of the same name, and summed over those that the target has not."""

    axes: tuple[Group, ...]
    """Of every operand."""
    target: Group
    operands: tuple[Operand, ...]

    def __str__(self) -> str:
        equation = f"{', '.join(map(' '.join, self.axes))} -> {' '.join(self.target)}"
        return f"einsum('{equation}', {', '.join(map(_operand, self.operands))})"


@dataclass(frozen=True)
class Source:
    """The tensor that a parameter of the candidate is made of, as it is or laid out anew; most are one parameter."""

    operand: Operand
    relayout: Relayout | None = None

    def __str__(self) -> str:
        operand = f"({self.operand})" if isinstance(self.operand, Source) else str(self.operand)
        return operand if self.relayout is None else f"{operand}: {self.relayout}"

    def names(self) -> tuple[str, ...]:
        """Return the parameters of the reference that it is made of, each once."""
        return tuple(dict.fromkeys(_names(self.operand)))

    def shape(self, has: Shapes, axis_sizes: Mapping[str, int], wanted: Shape | None) -> Shape:
        """Return the shape that it makes; that of a constant is the one that is `wanted` where it stands.

        Raises:
            PatternError: the reference has no such parameter, or shapes do not fit.
        """
        match self.operand:
            case Constant() | Joined() | Scaled(operand=Constant()):
                made_of_nothing = False
            case _:
                made_of_nothing = not self.names()
        if made_of_nothing:
            raise PatternError(f"{self} is made of no parameter; write one number, such as 0, 1 or 1 * 0.5")
        if self.relayout is None:
            return shape_of(self.operand, has, axis_sizes, wanted)
        return self.relayout.result(shape_of(self.operand, has, axis_sizes, None), axis_sizes)


Operand = str | Constant | Scaled | Joined | Added | Product | Source


def shape_of(operand: Operand, has: Shapes, axis_sizes: Mapping[str, int], wanted: Shape | None) -> Shape:
    """Return the shape of an operand; raises as `Source.shape` does."""
    match operand:
        case str():
            if operand not in has:
                hint = did_you_mean(operand, has) if has else "the reference has none"
                raise PatternError(f"the reference has no parameter {operand!r}; {hint}")
            return has[operand]
        case Source():
            return operand.shape(has, axis_sizes, wanted)
        case Constant():
            if wanted is None:
                raise PatternError(f"the shape of {operand} is not known here; let it stand alone, or beside others")
            return wanted
        case Scaled():
            return shape_of(operand.operand, has, axis_sizes, wanted)
        case Joined():
            shapes = part_shapes(operand, has, axis_sizes, wanted)
            return (sum(shape[0] for shape in shapes), *shapes[0][1:])
        case Added():
            return _added(operand, has, axis_sizes, wanted)
        case Product():
            lengths = _lengths(operand, has, axis_sizes)
            return tuple(lengths[axis] for axis in operand.target)


def part_shapes(joined: Joined, has: Shapes, axis_sizes: Mapping[str, int], wanted: Shape | None) -> tuple[Shape, ...]:
    """Return the shapes of all parts; constants share what others leave of the length that is `wanted`.

    Raises:
        PatternError: parts differ in another axis than the first, or the length of a constant is not known.
    """
    constant = [isinstance(part.operand, Constant) for part in joined.parts]
    shapes = {
        part: part.shape(has, axis_sizes, None)
        for part, is_constant in zip(joined.parts, constant, strict=True)
        if not is_constant
    }
    if not all(shapes.values()):
        raise PatternError(f"{joined}: a part has no axis along which it could be joined")
    if len({shape[1:] for shape in shapes.values()}) > 1:
        written = " and ".join(str(list(shape)) for shape in dict.fromkeys(shapes.values()))
        raise PatternError(f"{joined}: the parts are {written}; all axes but the first must agree")
    if not any(constant):
        return tuple(shapes[part] for part in joined.parts)
    if not wanted:
        raise PatternError(f"{joined}: how long the constants are is not known, as something is done with the whole")
    left = wanted[0] - sum(shapes[part][0] for part in joined.parts if part in shapes)
    if left <= 0 or left % sum(constant):
        raise PatternError(f"{joined}: for the constants {max(0, left)} places are left, of {wanted[0]}")
    filled = (left // sum(constant), *next(iter(shapes.values()), wanted)[1:])
    return tuple(shapes.get(part, filled) for part in joined.parts)


def _added(added: Added, has: Shapes, axis_sizes: Mapping[str, int], wanted: Shape | None) -> Shape:
    terms = [term for term in added.terms if not isinstance(term, Constant)]
    shapes = dict.fromkeys(shape_of(term, has, axis_sizes, wanted) for term in terms)
    if len(shapes) > 1:
        raise PatternError(f"{added}: the terms are {' and '.join(str(list(shape)) for shape in shapes)}")
    return next(iter(shapes))


def _lengths(product: Product, has: Shapes, axis_sizes: Mapping[str, int]) -> dict[str, int]:
    lengths: dict[str, int] = {}
    for axes, operand in zip(product.axes, product.operands, strict=True):
        shape = shape_of(operand, has, axis_sizes, None)
        if len(shape) != len(axes):
            raise PatternError(f"{product}: '{' '.join(axes)}' has {len(axes)} axes, and {operand} is {list(shape)}")
        for axis, length in zip(axes, shape, strict=True):
            if lengths.setdefault(axis, length) != length:
                raise PatternError(f"{product}: {axis} is {lengths[axis]} long, and {length} in {operand}")
    return lengths


def _names(operand: Operand) -> Iterator[str]:
    match operand:
        case str():
            yield operand
        case Source() | Scaled():
            yield from _names(operand.operand)
        case Joined(parts=inner) | Added(terms=inner) | Product(operands=inner):
            for part in inner:
                yield from _names(part)


def _operand(operand: Operand) -> str:
    """Write an operand of another one: in parentheses where it would be read otherwise."""
    return f"({operand})" if isinstance(operand, Source | Scaled | Added) else str(operand)


def _number(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
