"""Sizes that may vary, and where a claim holds: symbols, what is known of them, and how isl writes them down.

A size is a polynomial in symbols, whose quotients by numbers, such as `(h - 3) // 2`, are symbols of their own. An
index relation takes sizes that are linear in them; products such as `b * h * w` never are, and tell how to cut an axis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import islpy as isl
import sympy
from torch.utils._sympy.functions import CeilToInt, CleanDiv, FloorDiv, FloorToInt, Mod, PythonMod, ToFloat

from convcheck.all_sizes.floats import is_decided
from convcheck.all_sizes.polynomials import Size, is_linear, is_whole


class CannotProve(Exception):  # noqa: N818  # it is an answer, not a fault
    """Something has no reading; `why` says what, in a few words.

    `undecided` is a linear condition that it hangs on, as isl writes it: there is one where it holds, and where not.
    """

    def __init__(self, why: str, undecided: str | None = None) -> None:
        self.why, self.undecided = why, undecided
        super().__init__(why)


@dataclass
class Sizes:
    """The symbols of a trace. Quotients are added as they are met."""

    lowest: dict[sympy.Symbol, int] = field(default_factory=dict)
    """The lowest value of every symbol that came from a tensor."""
    names_of: Mapping[sympy.Symbol, sympy.Symbol] = field(default_factory=dict)
    """The symbols that stand for those of torch's tracer."""
    replaced: dict[sympy.Symbol, Size] = field(default_factory=dict)
    """What stands for a symbol that is determined by others."""
    known: list[str] = field(default_factory=list)
    """What holds of the symbols, as isl writes it."""
    unread: list[Any] = field(default_factory=list)
    """Conditions that are no linear ones, and do not follow from the others."""
    _quotients: dict[tuple[Size, int], sympy.Symbol] = field(default_factory=dict)
    _memory: dict[Hashable, Any] = field(default_factory=dict)
    _stamp: tuple[int, ...] = ()

    def copy(self) -> Sizes:
        """Return the same, to be added to."""
        return replace(
            self,
            lowest=dict(self.lowest),
            replaced=dict(self.replaced),
            known=list(self.known),
            unread=list(self.unread),
            _quotients=dict(self._quotients),
            _memory=dict(self._memory),
        )

    def size(self, value: Any) -> Size:
        """Return a size in lowest terms: of a number, an expression, or a size that torch traced."""
        node = getattr(value, "node", None)
        expression = sympy.sympify(node.expr if node is not None else value)
        if expression.is_Integer:
            return expression
        return self.remembered(("size", expression), lambda: self.plain(expression.xreplace(self.names_of)))

    def plain(self, expression: Any) -> Any:
        """Return an expression without quotients and without symbols that others determine."""
        if expression.is_Number:
            return sympy.Rational(expression) if expression.is_Float else expression
        if expression.is_Symbol:
            other = self.replaced.get(expression)
            return expression if other is None else self.plain(other)
        arguments = [self.plain(one) for one in expression.args]
        if isinstance(expression, (FloorDiv, CleanDiv)):
            return self._quotient(*arguments)
        if isinstance(expression, (Mod, PythonMod, sympy.Mod)):
            value, by = arguments
            return sympy.expand(value - by * self._quotient(value, by))
        if isinstance(expression, sympy.floor):
            numerator, denominator = sympy.fraction(sympy.together(arguments[0]))
            return self._quotient(sympy.expand(numerator), denominator)
        if isinstance(expression, ToFloat):
            return arguments[0]
        if isinstance(expression, (FloorToInt, CeilToInt)):
            # Of a quotient of whole numbers, as `ceil(h / 2)` is.
            if not is_decided(expression.args[0]):
                raise CannotProve(f"a size is {expression}, which floats round")
            numerator, denominator = sympy.fraction(sympy.together(arguments[0]))
            if denominator.is_Integer and denominator > 0:
                up = denominator - 1 if isinstance(expression, CeilToInt) else 0
                return self._quotient(sympy.expand(numerator + up), denominator)
            raise CannotProve(f"a size is {expression}")
        if type(expression).__name__ in ("FloatPow", "PowByNatural"):
            return sympy.Pow(*arguments)
        if type(expression).__name__ in ("FloatTrueDiv", "IntTrueDiv"):
            return arguments[0] / arguments[1]
        if type(expression).__name__ in ("Max", "Min"):
            return self._extreme(type(expression).__name__ == "Max", arguments)
        if not arguments:
            return expression
        return sympy.expand(expression.func(*arguments))

    def _extreme(self, largest: bool, arguments: list[Size]) -> Size:
        """Return the largest or smallest of some sizes, where it is the same one for all sizes."""
        for one in arguments:
            if all(self.implies(">=", one - other if largest else other - one) for other in arguments):
                return one
        first, second, *_ = arguments
        why = f"the {'larger' if largest else 'smaller'} of {' and '.join(map(str, arguments))}"
        raise CannotProve(why, f"{self.spelled(first)} <= {self.spelled(second)}")

    def _quotient(self, value: Size, by: Size) -> Size:
        """Return `value // by`: a polynomial where it divides evenly, else a symbol."""
        ratio = sympy.cancel(value / by)
        if sympy.fraction(ratio)[1] == 1 and is_whole(ratio):
            return sympy.expand(ratio)
        if not by.is_Integer or by <= 0:
            raise CannotProve(f"a size is {value} // {by}")
        step = int(by)
        whole, rest = _split(sympy.expand(value), step)
        if rest.is_Integer:
            return whole + int(rest) // step
        if (rest, step) not in self._quotients:
            symbol = sympy.Symbol(f"q{len(self._quotients)}", integer=True)
            text = self.text(rest)
            self._quotients[rest, step] = symbol
            self.learn(f"{step}*{symbol} <= {text} < {step}*{symbol} + {step}")
        return sympy.expand(whole + self.plain(self._quotients[rest, step]))

    @property
    def quotients(self) -> Mapping[tuple[Size, int], sympy.Symbol]:
        """The symbols of quotients, by what is divided by what."""
        return self._quotients

    def learn(self, condition: str) -> None:
        """Take a linear condition to hold."""
        self.known.append(condition)
        self.__dict__.pop("context", None)

    def replace(self, symbol: sympy.Symbol, by: Size) -> None:
        """Take a symbol to be determined by others."""
        by = self.plain(by)
        if symbol in by.free_symbols:
            raise CannotProve(f"{symbol} is {by}")
        self.replaced[symbol] = by
        if is_linear(by):
            self.learn(f"{symbol} = {self.text(by)}")

    def remembered(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what was made before, as long as nothing more is known of sizes."""
        stamp = (len(self.lowest), len(self.replaced), len(self.known), len(self._quotients))
        if stamp != self._stamp:
            self._stamp = stamp
            self._memory.clear()
        if key not in self._memory:
            made = make()
            if stamp != (len(self.lowest), len(self.replaced), len(self.known), len(self._quotients)):
                return made
            self._memory[key] = made
        return self._memory[key]

    def text(self, size: Size) -> str:
        """Return a linear size as isl writes it. Raises CannotProve for any other."""
        result: str = self.remembered(("text", size), lambda: self._text(size))
        return result

    def _text(self, size: Size) -> str:
        size = self.plain(sympy.sympify(size))
        if not is_linear(size):
            raise CannotProve(f"the size {size} is no linear one")
        return f"({size})"

    def spelled(self, size: Size) -> str:
        """Return a linear size as isl writes it where quotients are not known as symbols."""
        text = self.text(size)
        for (whole, step), symbol in reversed(self._quotients.items()):
            text = re.sub(rf"\b{symbol}\b", f"floor({self.text(whole)}/{step})", text)
        return text

    @property
    def names(self) -> str:
        """All symbols, as isl lists parameters."""
        result: str = self.remembered("names", self._names)
        return result

    def _names(self) -> str:
        return ", ".join(sorted(map(str, {*self.lowest, *self._quotients.values()})))

    def set(self, text: str) -> Any:
        """Return the set of sizes at which a condition holds."""
        return isl.Set(f"[{self.names}] -> {{ : {text} }}")

    @cached_property
    def context(self) -> Any:
        """The set of all sizes that are spoken of."""
        bounds = [f"{symbol} >= {low}" for symbol, low in self.lowest.items()]
        return self.set(" and ".join((*bounds, *self.known)) or "true")

    @property
    def region(self) -> Any:
        """The set of all sizes of tensors that are spoken of, without the quotients."""
        region = self.context
        for symbol in self._quotients.values():
            place = region.find_dim_by_name(isl.dim_type.param, str(symbol))
            if place >= 0:
                region = region.project_out(isl.dim_type.param, place, 1)
        return region

    def implies(self, relation: str, size: Size) -> bool:
        """Tell whether `size >= 0`, `= 0`, `> 0` or `!= 0` holds for all sizes that are spoken of."""
        size = self.plain(sympy.sympify(size))
        if size.is_positive:
            return relation != "="
        if size.is_Integer:
            return bool({">=": size >= 0, "=": size == 0, ">": size > 0, "!=": size != 0}[relation])
        if is_linear(size):
            holds = self.set(f"{self.text(size)} {relation} 0")
            return bool(self.context.is_subset(holds))
        low = self.lowest_of(size)
        if relation == ">=":
            return low is not None and low >= 0
        if relation in (">", "!="):
            high = self.lowest_of(-size) if relation == "!=" else None
            return (low is not None and low > 0) or (high is not None and high > 0)
        return False

    def lowest_of(self, size: Size) -> int | None:
        """Return a lower bound of a polynomial: with all symbols at their lowest, where it grows in each."""
        if not is_whole(size):
            return None
        lifted = size
        for symbol in size.free_symbols:
            low, _ = self.bounds(symbol)
            if low is None:
                return None
            lifted = lifted.subs(symbol, symbol + low)
        terms = sympy.Poly(sympy.expand(lifted), *size.free_symbols).terms()
        if any(coefficient < 0 for powers, coefficient in terms if any(powers)):
            return None
        return int(sum(coefficient for powers, coefficient in terms if not any(powers)))

    def bounds(self, symbol: sympy.Symbol) -> tuple[int | None, int | None]:
        """Return the lowest and highest value of a symbol; None where there is no end."""
        ends: tuple[int | None, int | None] = self.remembered(("bounds", symbol), lambda: self._bounds(symbol))
        return ends

    def _bounds(self, symbol: sympy.Symbol) -> tuple[int | None, int | None]:
        values = isl.Set(f"[{self.names}] -> {{ [v] : v = {symbol} }}").intersect_params(self.context)
        values = values.project_out(isl.dim_type.param, 0, values.dim(isl.dim_type.param))
        if values.is_empty():
            return None, None
        low, high = (int(v.to_python()) if v.is_int() else None for v in (values.dim_min_val(0), values.dim_max_val(0)))
        return low, high

    def same(self, one: Size, other: Size) -> bool:
        """Tell whether two sizes are equal for all sizes that are spoken of."""
        return one == other or bool(self.remembered(("same", one, other), lambda: self._same(one, other)))

    def _same(self, one: Size, other: Size) -> bool:
        difference = sympy.expand(self.plain(sympy.sympify(one)) - self.plain(sympy.sympify(other)))
        return difference == 0 or self.implies("=", difference)

    def ratio(self, size: Size, by: Size) -> Size | None:
        """Return how many times one size is another, if it is a whole number of times for all sizes."""
        if by == 0:
            return None
        ratio = sympy.cancel(size / by)
        if sympy.fraction(ratio)[1] == 1 and is_whole(ratio):
            return sympy.expand(ratio)
        return None

    def settle(self) -> None:
        """Have numbers stand for symbols that can have one value only, and multiples for what has to be one."""
        for (whole, step), quotient in list(self._quotients.items()):
            known = whole.is_Symbol and whole in self.lowest and whole not in self.replaced
            if known and self.implies("=", whole - step * quotient):
                self.replace(whole, step * quotient)
        for symbol in [*self.lowest, *self._quotients.values()]:
            if symbol not in self.replaced:
                low, high = self.bounds(symbol)
                if low is not None and low == high:
                    self.replaced[symbol] = sympy.Integer(low)


def _split(size: Size, step: int) -> tuple[Size, Size]:
    """Return `whole` and `rest` with `size = step * whole + rest`, the rest as small as it goes."""
    whole, rest = sympy.Integer(0), sympy.Integer(0)
    for term in sympy.Add.make_args(size):
        number, symbols = term.as_coeff_Mul()
        if not number.is_Integer:
            raise CannotProve(f"a size is {size} // {step}")
        more, less = divmod(int(number), step)
        whole += more * symbols
        rest += less * symbols
    return whole, rest
