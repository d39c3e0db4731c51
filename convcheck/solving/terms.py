"""From terms to origins: words and Python for sums of products of entries."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import islpy as isl
import torch
from torch import Tensor

from convcheck.config.sources import Added, Constant, Operand, Product, Scaled, Source
from convcheck.sizes.patterns import Pattern, Shape
from convcheck.sizes.relayouts import Rearrangement, Relayout
from convcheck.solving.axes import NOWHERE
from convcheck.solving.derived import Derived
from convcheck.solving.evaluation import contained, evaluated
from convcheck.solving.origins import Origin, origin_of, origin_of_entries
from convcheck.solving.relations import Term
from convcheck.solving.words import Writer

LETTERS = "oihwklmnpqrstuvxyzabcdefgj"


class NoWords(Exception):  # noqa: N818  # it is an answer, not a fault
    """A sum of products that is not written here."""


@dataclass(frozen=True)
class Speller:
    """Writes terms down; `derived` is what the reference makes of its tensors alone."""

    writer: Writer
    derived: Mapping[str, Derived]

    def origin(self, terms: Sequence[Term], shape: Shape) -> Origin:
        """Return the origin of a tensor that is the sum of terms; zeros where there is none.

        Raises:
            NoWords: a product is none that is written here.
        """
        entries: list[tuple[float, Tensor]] = []
        others: list[Origin] = []
        for term in terms:
            scale = float(term.coefficient)
            index = self._entries(term, shape)
            if index is None:
                others.append(self._other(term, scale, shape))
                continue
            home = next((n for n, (s, one) in enumerate(entries) if s == scale and _disjoint(one, index)), None)
            if home is None:
                entries.append((scale, index))
            else:
                entries[home] = (scale, torch.maximum(entries[home][1], index))
        origins = [origin_of_entries(index, scale, self.writer) for scale, index in entries] + others
        if not origins:
            return origin_of(Source(Constant(0)), self.writer.has, shape)
        return origins[0] if len(origins) == 1 else self._sum(origins, shape)

    def _sum(self, origins: Sequence[Origin], shape: Shape) -> Origin:
        names = tuple(dict.fromkeys(name for one in origins for name in one.sources))
        sources = [one.source for one in origins]
        if None not in sources:
            operands = tuple(_operand(source) for source in sources if source is not None)
            return origin_of(Source(Added(operands)), self.writer.has, shape)
        return Origin(
            names,
            " + ".join(f"({one.text})" if " " in one.text else one.text for one in origins),
            f"({' + '.join(one.expression for one in origins)})",
        )

    def _entries(self, term: Term, shape: Shape) -> Tensor | None:
        """Return the numbers of entries of the reference, where a term has one factor that only moves them."""
        if len(term.factors) != 1 or not term.relation.is_single_valued():
            return None
        (name,) = term.factors
        title, moved = self._plain(name)
        if title is None:
            return None
        (index,) = evaluated(term.relation, shape, [self._shape(name)])
        first = sum(math.prod(self.writer.has[other]) for other in self._before(title))
        local = index if moved is None else torch.where(index >= 0, moved.flatten()[index.clamp(min=0)], NOWHERE)
        return torch.where(local >= 0, local + first, NOWHERE)

    def _before(self, title: str) -> list[str]:
        return list(itertools.takewhile(lambda name: name != title, self.writer.has))

    def _plain(self, name: str) -> tuple[str | None, Tensor | None]:
        """Return the tensor whose entries a factor has, and which ones, None for all in order."""
        if name not in self.derived:
            return name, None
        return self.derived[name].moved()

    def _shape(self, name: str) -> Shape:
        return self.derived[name].shape if name in self.derived else self.writer.has[name]

    def _other(self, term: Term, scale: float, shape: Shape) -> Origin:
        if not term.factors:
            return self._constant(term, scale, shape)
        return self._product(term, scale, shape)

    def _constant(self, term: Term, scale: float, shape: Shape) -> Origin:
        inside = contained(term.relation.domain(), shape)
        if bool(inside.all()):
            source = Source(Constant(1) if scale == 1 else Scaled(Constant(1), scale))
            return Origin((), str(source), f"torch.full({list(shape)}, {scale!r})", source)
        places = inside.flatten().nonzero().flatten().tolist()
        if len(shape) > 1 and torch.equal(inside.flatten(1), torch.eye(shape[0], math.prod(shape[1:])) > 0):
            text = f"torch.eye({shape[0]}, {math.prod(shape[1:])}).reshape({list(shape)})"
        else:
            text = f"torch.zeros({math.prod(shape)}).index_fill(0, torch.tensor({places}), 1).reshape({list(shape)})"
        text = text if scale == 1 else f"{text} * {scale!r}"
        return Origin((), f"{scale:g} at {len(places)} places", text)

    def _product(self, term: Term, scale: float, shape: Shape) -> Origin:
        """Return the origin of a product, as a sum over axes that only factors have."""
        shapes = [self._shape(name) for name in term.factors]
        groups = [[f"w{axis}" for axis in range(len(shape))]]
        groups += [[f"f{number}_{axis}" for axis in range(len(one))] for number, one in enumerate(shapes)]
        lengths = dict(zip(itertools.chain(*groups), itertools.chain(shape, *shapes), strict=True))
        long = [[axis for axis in group if lengths[axis] > 1] for group in groups]
        inside, outside = long[0], [axis for group in long[1:] for axis in group]
        alike = _alike(term.relation, inside, outside, lengths)
        if not _is(term.relation, inside, outside, alike, lengths):
            return self._listed_product(term, scale, shape)
        names: dict[str, str] = {}
        for axis in itertools.chain(*groups):
            root = alike.get(axis, axis)
            names[axis] = names.setdefault(root, LETTERS[len(set(names.values()))])
        if not {names[axis] for axis in inside} <= {names[axis] for axis in outside}:
            raise NoWords("a product that is repeated")
        target = tuple(names[axis] for axis in inside)
        axes = tuple(tuple(names[axis] for axis in group) for group in groups[1:])
        equation = f"{','.join(map(''.join, axes))}->{''.join(target)}"
        operands = [self._expression(name) for name in term.factors]
        expression = f'torch.einsum("{equation}", {", ".join(operands)})'
        if len(inside) < len(shape):
            expression += f".reshape({list(shape)})"
        expression = expression if scale == 1 else f"({expression} * {scale!r})"
        used = tuple(dict.fromkeys(n for name in term.factors for n in self._sources(name)))
        if not any(name in self.derived for name in term.factors):
            written: Operand = Product(axes, target, term.factors)
            written = written if scale == 1 else Scaled(written, scale)
            source = Source(written, _with_units(target, groups[0], inside, names))
            return Origin(used, str(source), expression, source)
        words = [" ".join(group) for group in axes]
        titles = [self.derived[name].text if name in self.derived else name for name in term.factors]
        text = f"einsum('{', '.join(words)} -> {' '.join(target)}', {', '.join(titles)})"
        return Origin(used, text if scale == 1 else f"{text} * {scale:g}", expression)

    def _listed_product(self, term: Term, scale: float, shape: Shape) -> Origin:
        """Return the origin of a product of one entry of every factor, entry by entry."""
        if not term.relation.is_single_valued():
            raise NoWords("a product of entries that is no sum over whole axes")
        numbers = evaluated(term.relation, shape, [self._shape(name) for name in term.factors])
        parts = []
        for name, index in zip(term.factors, numbers, strict=True):
            flat = f"{self._expression(name)}.flatten()"
            places = torch.where(index >= 0, index, math.prod(self._shape(name))).flatten().tolist()
            parts.append(f"torch.cat([{flat}, {flat}.new_zeros(1)])[torch.tensor({places})].reshape({list(shape)})")
        expression = f"({' * '.join(parts)} * {scale!r})"
        used = tuple(dict.fromkeys(n for name in term.factors for n in self._sources(name)))
        return Origin(used, f"products of entries of {' and '.join(term.factors)}", expression)

    def _expression(self, name: str) -> str:
        return self.derived[name].expression if name in self.derived else f'state_dict["{name}"]'

    def _sources(self, name: str) -> Sequence[str]:
        return self.derived[name].sources if name in self.derived else (name,)


def _operand(source: Source) -> Operand:
    return source.operand if source.relayout is None else source


def _disjoint(one: Tensor, other: Tensor) -> bool:
    return not bool(((one >= 0) & (other >= 0)).any())


def _with_units(
    target: Sequence[str], group: Sequence[str], inside: Sequence[str], names: Mapping[str, str]
) -> Relayout | None:
    """Return the pattern that puts back axes of length 1; None where there is none."""
    if len(inside) == len(group):
        return None
    wide = tuple((names[axis],) if axis in inside else () for axis in group)
    return Relayout((Rearrangement(Pattern(tuple((name,) for name in target), wide)),))


def _alike(relation: Any, inside: Sequence[str], outside: Sequence[str], lengths: Mapping[str, int]) -> dict[str, str]:
    """Return, for every axis that always equals an earlier one, the first such."""
    everything = [*inside, *outside]
    alike: dict[str, str] = {}
    for number, axis in enumerate(everything):
        for other in everything[:number]:
            if other in alike or lengths[other] != lengths[axis]:
                continue
            if relation.is_subset(isl.Map(_text(inside, outside, [f"{other} = {axis}"]))):
                alike[axis] = other
                break
    return alike


def _is(
    relation: Any, inside: Sequence[str], outside: Sequence[str], alike: Mapping[str, str], lengths: Mapping[str, int]
) -> bool:
    """Tell whether a relation is what equal axes, and nothing else, make it."""
    bounds = [f"0 <= {axis} < {lengths[axis]}" for axis in (*inside, *outside)]
    equal = [f"{axis} = {other}" for axis, other in alike.items()]
    return bool(relation.is_equal(isl.Map(_text(inside, outside, [*bounds, *equal]))))


def _text(inside: Sequence[str], outside: Sequence[str], conditions: Sequence[str]) -> str:
    return f"{{ [{', '.join(inside)}] -> [{', '.join(outside)}] : {' and '.join(conditions) or 'true'} }}"
