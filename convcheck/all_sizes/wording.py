"""Linear expressions and conditions of isl in the notation that people use, such as `4h + p` and `h mod 2 = 0`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import islpy as isl
import sympy

from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.sizes import Sizes

Terms = dict[str, Fraction]
"""A coefficient for every name; the constant has none."""
CONSTANT = ""
MOST_REMAINDERS = 64


@dataclass(frozen=True)
class Words:
    """What indices and lengths are called: `indices` in the order of a set, `lengths` by their symbols."""

    sizes: Sizes
    indices: Sequence[str] = ()
    lengths: Mapping[str, str] = field(default_factory=dict)

    def expression(self, aff: Any, inside: Any) -> str:
        """Return an isl.Aff of the indices in a set of them, without roundings where nothing is rounded there."""
        for place in range(aff.dim(isl.dim_type.div)):
            if (number := aff.get_coefficient_val(isl.dim_type.div, place)).is_zero():
                continue
            inner = aff.get_div(place)
            rest = _remainder(inner, inside)
            if rest is not None:
                exact = inner.sub(isl.Aff.val_on_domain(inner.get_domain_local_space(), rest))
                aff = aff.set_coefficient_val(isl.dim_type.div, place, isl.Val(0)).add(exact.scale_val(number))
                return self.expression(aff, inside)
        return written(self._terms(aff))

    def size(self, size: Size) -> str:
        """Return a size."""
        return written(self._size(size))

    def conditions(self, basic: Any, negated: bool = False) -> Iterator[str]:
        """Yield what holds of the indices in an isl.BasicSet, or what denies each."""
        for one in basic.get_constraints():
            aff = one.get_aff()
            holds = isl.Set.from_basic_set(isl.BasicSet.from_constraint(one))
            if isl.Set.universe(holds.get_space()).is_subset(holds):
                # It only says what a rounded quotient is.
                continue
            if one.is_equality() and (quotient := _quotient(aff)) is not None:
                yield self._modulo(aff, quotient, negated)
            else:
                yield self._comparison(aff, one.is_equality(), negated)

    def _terms(self, aff: Any) -> Terms:
        terms: Terms = {CONSTANT: _fraction(aff.get_constant_val())}
        for place, name in enumerate(self.indices):
            _add(terms, name, _fraction(aff.get_coefficient_val(isl.dim_type.in_, place)))
        for place in range(aff.dim(isl.dim_type.param)):
            number = _fraction(aff.get_coefficient_val(isl.dim_type.param, place))
            if number:
                for name, often in self._size(aff.get_dim_name(isl.dim_type.param, place)).items():
                    _add(terms, name, number * often)
        for place in range(aff.dim(isl.dim_type.div)):
            number = _fraction(aff.get_coefficient_val(isl.dim_type.div, place))
            if number:
                self._add_rounded(terms, aff.get_div(place), number)
        return {name: number for name, number in terms.items() if number}

    def _add_rounded(self, terms: Terms, quotient: Any, number: Fraction) -> None:
        """Add a rounded quotient, with what it is taken from as a remainder."""
        step = int(quotient.get_denominator_val().to_python())
        inner, often = self._terms(quotient.scale_val(isl.Val(step))), -number / step
        variable = [name for name in inner if name != CONSTANT]
        if variable and all(terms.get(name) == often * inner[name] for name in variable):
            for name, one in inner.items():
                _add(terms, name, -often * one)
            _add(terms, f"({_bracketed(written(inner))} mod {step})", often)
        else:
            _add(terms, f"floor({written(self._terms(quotient))})", number)

    def _size(self, size: Any) -> Terms:
        """Return the terms of a size, or of the one that a symbol has."""
        if isinstance(size, str):
            size = (
                sympy.Symbol(size, integer=True, positive=True)
                if size in self._positive
                else sympy.Symbol(size, integer=True)
            )
        return self._plain(self.sizes.size(size))

    def _plain(self, size: Size) -> Terms:
        """Return the terms of a size, in the symbols that it is written in."""
        terms: Terms = {}
        for term in sympy.Add.make_args(size):
            number, rest = term.as_coeff_Mul()
            name = CONSTANT if rest == 1 else " ".join(self._length(one) for one in sympy.Mul.make_args(rest))
            _add(terms, name, Fraction(int(number.p), int(number.q)))
        return terms

    @property
    def _positive(self) -> frozenset[str]:
        return frozenset(str(symbol) for symbol in self.sizes.lowest)

    def _length(self, symbol: Any) -> str:
        if str(symbol) in self.lengths:
            return self.lengths[str(symbol)]
        for (value, step), quotient in self.sizes.quotients.items():
            if quotient == symbol:
                # In the lengths that users know, whatever stands for these.
                return f"floor({_over(written(self._plain(value)), step)})"
        return str(symbol)

    def _modulo(self, aff: Any, quotient: tuple[int, int, int], negated: bool) -> str:
        """Return an equation of an expression and a multiple of its rounded quotient."""
        place, step, sign = quotient
        terms = self._terms(aff.get_div(place).scale_val(isl.Val(step)))
        over = sign * _fraction(aff.get_constant_val())
        terms.pop(CONSTANT, None)
        if next(iter(terms.values()), 1) < 0:
            terms, over = {name: -one for name, one in terms.items()}, -over
        remainder = int(-over) % step
        if negated and not remainder:
            return f"{written(terms)} is no multiple of {step}"
        return f"{_bracketed(written(terms))} mod {step} {'!=' if negated else '='} {remainder}"

    def _comparison(self, aff: Any, equal: bool, negated: bool) -> str:
        terms = self._terms(aff)
        common = math.lcm(*(one.denominator for one in terms.values()))
        divisor = math.gcd(*(int(one * common) for one in terms.values())) or 1
        terms = {name: one * common / divisor for name, one in terms.items()}
        constant = terms.pop(CONSTANT, Fraction(0))
        more = {name: one for name, one in terms.items() if one > 0}
        less = {name: -one for name, one in terms.items() if one < 0}
        if not more or (less and not equal):
            sign = ("!=" if negated else "=") if equal else (">" if negated else "<=")
            if constant == -1 and more and sign == "<=":
                sign, constant = "<", Fraction(0)
            return f"{written(less)} {sign} {written({**more, CONSTANT: constant})}"
        sign = ("!=" if negated else "=") if equal else ("<" if negated else ">=")
        return f"{written(more)} {sign} {written({**less, CONSTANT: -constant})}"


def written(terms: Mapping[str, Fraction]) -> str:
    """Return a sum as it is written by hand."""
    common = math.lcm(*(one.denominator for one in terms.values())) if terms else 1
    text = ""
    for name, number in sorted(terms.items(), key=lambda it: (it[0] == CONSTANT, it[1] < 0)):
        number = number * common
        if not number:
            continue
        if text:
            text += " - " if number < 0 else " + "
        elif number < 0:
            text += "-"
        text += _product(abs(int(number)), name)
    return _over(text or "0", common)


def _product(number: int, name: str) -> str:
    if name == CONSTANT:
        return str(number)
    if number == 1:
        return name
    return f"{number}{name}" if len(name) == 1 else f"{number} {name}"


def _over(text: str, number: int) -> str:
    return text if number == 1 else f"{_bracketed(text)}/{number}"


def _bracketed(text: str) -> str:
    return f"({text})" if " " in text and not text.startswith("floor(") else text


def _add(terms: Terms, name: str, number: Fraction) -> None:
    if number:
        terms[name] = terms.get(name, Fraction(0)) + number


def _fraction(value: Any) -> Fraction:
    return Fraction(int(value.get_num_si()), int(value.get_den_val().to_python()))


def _quotient(aff: Any) -> tuple[int, int, int] | None:
    """Return the quotient that an expression is rounded to a multiple of: its place, number and sign; None if none."""
    numbers = [_fraction(aff.get_coefficient_val(isl.dim_type.div, n)) for n in range(aff.dim(isl.dim_type.div))]
    used = [place for place, number in enumerate(numbers) if number]
    if len(used) != 1:
        return None
    (place,) = used
    step = int(aff.get_div(place).get_denominator_val().to_python())
    if abs(numbers[place]) != step:
        return None
    sign = -1 if numbers[place] > 0 else 1
    rest = aff.set_coefficient_val(isl.dim_type.div, place, isl.Val(0)).scale_val(isl.Val(sign))
    difference = rest.sub(aff.get_div(place).scale_val(isl.Val(step)))
    return (place, step, sign) if difference.is_cst() else None


def _remainder(quotient: Any, inside: Any) -> Any:
    """Return by how much rounding an isl.Aff changes it at all places of a set; None if that varies."""
    lost = quotient.sub(quotient.floor())
    denominator = int(quotient.get_denominator_val().to_python())
    for number in range(min(denominator, MOST_REMAINDERS)):
        value = isl.Val(number).div(isl.Val(denominator))
        same = lost.eq_set(isl.Aff.val_on_domain(lost.get_domain_local_space(), value))
        if inside.is_subset(same):
            return value
    return None
