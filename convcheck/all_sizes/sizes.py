"""Sizes that may vary, and where a claim holds: symbols, what is known of them, and how isl writes them down.

A size is a polynomial in symbols, whose quotients by numbers, such as `(h - 3) // 2`, are symbols of their own. An
index relation takes sizes that are linear in them; products such as `b * h * w` never are, and tell how to cut an axis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import islpy as isl
import sympy
from sympy.logic.boolalg import BooleanAtom
from torch.utils._sympy.functions import CeilToInt, CleanDiv, FloorDiv, FloorToInt, IntTrueDiv, Mod, PythonMod, ToFloat

Size = Any
"""A polynomial in symbols with whole coefficients."""


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

    def size(self, value: Any) -> Size:
        """Return a size in lowest terms: of a number, an expression, or a size that torch traced."""
        node = getattr(value, "node", None)
        expression = sympy.sympify(node.expr if node is not None else value)
        return self._plain(expression.xreplace(self.names_of))

    def _plain(self, expression: Any) -> Any:
        """Return an expression without quotients and without symbols that others determine."""
        if expression.is_Number:
            return sympy.Rational(expression) if expression.is_Float else expression
        if expression.is_Symbol:
            other = self.replaced.get(expression)
            return expression if other is None else self._plain(other)
        arguments = [self._plain(one) for one in expression.args]
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
        if isinstance(expression, IntTrueDiv):
            return arguments[0] / arguments[1]
        if isinstance(expression, (FloorToInt, CeilToInt)):
            # Of a quotient of whole numbers, as `ceil(h / 2)` is.
            numerator, denominator = sympy.fraction(sympy.together(arguments[0]))
            if denominator.is_Integer and denominator > 0:
                up = denominator - 1 if isinstance(expression, CeilToInt) else 0
                return self._quotient(sympy.expand(numerator + up), denominator)
            raise CannotProve(f"a size is {expression}")
        if type(expression).__name__ in ("FloatPow", "PowByNatural"):
            return sympy.Pow(*arguments)
        if type(expression).__name__ == "FloatTrueDiv":
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
        if sympy.fraction(ratio)[1] == 1 and _is_whole(ratio):
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
        return sympy.expand(whole + self._plain(self._quotients[rest, step]))

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
        by = self._plain(by)
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
        size = self._plain(sympy.sympify(size))
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
        size = self._plain(sympy.sympify(size))
        if size.is_positive:
            return relation != "="
        if size.is_Integer:
            return bool({">=": size >= 0, "=": size == 0, ">": size > 0, "!=": size != 0}[relation])
        if is_linear(size):
            holds = self.set(f"{self.text(size)} {relation} 0")
            return bool(self.context.is_subset(holds))
        low = self._lowest_of(size)
        if relation == ">=":
            return low is not None and low >= 0
        if relation in (">", "!="):
            high = self._lowest_of(-size) if relation == "!=" else None
            return (low is not None and low > 0) or (high is not None and high > 0)
        return False

    def _lowest_of(self, size: Size) -> int | None:
        """Return a lower bound of a polynomial: with all symbols at their lowest, where it grows in each."""
        if not _is_whole(size):
            return None
        lifted = size
        for symbol in size.free_symbols:
            low, _ = self._bounds(symbol)
            if low is None:
                return None
            lifted = lifted.subs(symbol, symbol + low)
        terms = sympy.Poly(sympy.expand(lifted), *size.free_symbols).terms()
        if any(coefficient < 0 for powers, coefficient in terms if any(powers)):
            return None
        return int(sum(coefficient for powers, coefficient in terms if not any(powers)))

    def _bounds(self, symbol: sympy.Symbol) -> tuple[int | None, int | None]:
        """Return the lowest and highest value of a symbol; None where there is no end."""
        values = isl.Set(f"[{self.names}] -> {{ [v] : v = {symbol} }}").intersect_params(self.context)
        values = values.project_out(isl.dim_type.param, 0, values.dim(isl.dim_type.param))
        if values.is_empty():
            return None, None
        low, high = (int(v.to_python()) if v.is_int() else None for v in (values.dim_min_val(0), values.dim_max_val(0)))
        return low, high

    def same(self, one: Size, other: Size) -> bool:
        """Tell whether two sizes are equal for all sizes that are spoken of."""
        if one is other or one == other:
            return True
        return bool(self.remembered(("same", one, other), lambda: self._same(one, other)))

    def _same(self, one: Size, other: Size) -> bool:
        difference = sympy.expand(self._plain(sympy.sympify(one)) - self._plain(sympy.sympify(other)))
        return difference == 0 or self.implies("=", difference)

    def ratio(self, size: Size, by: Size) -> Size | None:
        """Return how many times one size is another, if it is a whole number of times for all sizes."""
        if by == 0:
            return None
        ratio = sympy.cancel(size / by)
        if sympy.fraction(ratio)[1] == 1 and _is_whole(ratio):
            return sympy.expand(ratio)
        return None

    def require(self, guards: Iterable[Any]) -> None:
        """Take the guards of a trace to hold. Those that no relation can state are kept in `unread`."""
        later = [guard for guard in guards if not self._taken(guard)]
        # Products are judged by what the linear ones say.
        while left := [guard for guard in later if not self._taken(guard)]:
            if len(left) == len(later):
                break
            later = left
        self.unread += [guard.xreplace(self.names_of) for guard in left]
        self._settle()

    def _settle(self) -> None:
        """Have numbers stand for symbols that can have one value only, and multiples for what has to be one."""
        for (whole, step), quotient in list(self._quotients.items()):
            known = whole.is_Symbol and whole in self.lowest and whole not in self.replaced
            if known and self.implies("=", whole - step * quotient):
                self.replace(whole, step * quotient)
        for symbol in [*self.lowest, *self._quotients.values()]:
            if symbol not in self.replaced:
                low, high = self._bounds(symbol)
                if low is not None and low == high:
                    self.replaced[symbol] = sympy.Integer(low)

    def _taken(self, guard: Any) -> bool:
        """Take a guard to hold, if it can be written down."""
        guard = guard.xreplace(self.names_of)
        try:
            text = self.condition(guard)
        except CannotProve:
            return False
        if isinstance(guard, sympy.Eq) and not _is_quotient_by_symbols(guard.lhs):
            zero = self._plain(guard.lhs - guard.rhs)
            factors = self._factors(zero)
            if len(factors) == 1:
                self._solve(factors[0])
        self.learn(text)
        return True

    def _solve(self, zero: Size) -> None:
        """Have a symbol that a linear equation determines stand for what it is equal to."""
        # What users know are the axes of inputs; those of weights follow.
        for symbol in sorted(zero.free_symbols & set(self.lowest), key=lambda one: (str(one)[:5] == "input", str(one))):
            if abs(zero.coeff(symbol)) == 1:
                self.replace(symbol, sympy.expand(symbol - zero * zero.coeff(symbol)))
                return

    def condition(self, guard: Any) -> str:
        """Return a guard as isl writes it. Raises CannotProve where it is not linear."""
        if isinstance(guard, BooleanAtom):
            return "true" if guard else "false"
        if isinstance(guard, (sympy.And, sympy.Or)):
            word = " and " if isinstance(guard, sympy.And) else " or "
            return "(" + word.join(self.condition(one) for one in guard.args) + ")"
        if isinstance(guard, sympy.Not):
            return f"(not {self.condition(guard.args[0])})"
        if not isinstance(guard, sympy.core.relational.Relational):
            raise CannotProve(f"the condition {guard}")
        if isinstance(guard, (sympy.Eq, sympy.Ne)) and _is_quotient_by_symbols(guard.lhs) and guard.rhs.is_Integer:
            value, by = map(self._plain, guard.lhs.args)
            there = self._quotient_is(value, by, guard.rhs)
            return there if isinstance(guard, sympy.Eq) else f"(not {there})"
        if (text := self._compared_with_one(guard)) is not None:
            return text
        difference = self._plain(guard.lhs - guard.rhs)
        signs = {sympy.Eq: "=", sympy.Ne: "!=", sympy.Lt: "<", sympy.Le: "<=", sympy.Gt: ">", sympy.Ge: ">="}
        return self._comparison(difference, signs[guard.func])

    def _quotient_is(self, value: Size, by: Size, number: Size) -> str:
        """Return where `value // by` is a number, as isl writes it; so it is asked whether there are as many parts."""
        if not self.implies(">", by):
            raise CannotProve(f"a size is {value} // {by}")
        ends = (value - number * by, (number + 1) * by - value - 1)
        return "(" + " and ".join(self._comparison(sympy.expand(one), ">=") for one in ends) + ")"
    def _compared_with_one(self, guard: Any) -> str | None:
        """Return how a product of lengths, 1 at least each, compares with 1: `Max(1, h - 4) * Max(1, w - 4) > 1`."""
        if guard.lhs == 1:
            guard = guard.reversed
        factors = sympy.Mul.make_args(guard.lhs)
        if guard.rhs != 1 or not any(type(one).__name__ == "Max" and 1 in one.args for one in factors):
            return None
        lengths: list[Size] = []
        for factor in factors:
            if type(factor).__name__ == "Max" and 1 in factor.args:
                lengths += [one for one in factor.args if one != 1]
            elif self.implies(">=", self._plain(factor) - 1):
                lengths.append(factor)
            else:
                return None
        longer = " or ".join(f"{self.text(one)} > 1" for one in lengths)
        texts = {sympy.Gt: f"({longer})", sympy.Ne: f"({longer})", sympy.Ge: "true", sympy.Lt: "false"}
        return texts.get(guard.func, f"(not ({longer}))")

    def _comparison(self, size: Size, sign: str) -> str:
        """Return how a polynomial compares with zero, as isl writes it."""
        if size.is_positive:
            return "true" if sign in (">", ">=", "!=") else "false"
        if is_linear(size):
            return f"{self.text(size)} {sign} 0"
        if (low := self._lowest_of(size)) is not None and low > 0:
            return "true" if sign in (">", ">=", "!=") else "false"
        if (low := self._lowest_of(-size)) is not None and low > 0:
            return "true" if sign in ("<", "<=", "!=") else "false"
        if (at_least := self._lowest_of(size)) == 0 and sign in (">=", "<"):
            return "true" if sign == ">=" else "false"
        if at_least == 0 or self._lowest_of(-size) == 0:
            sign = {">": "!=", "<=": "="}.get(sign, sign)
        if (ones := self._all_ones(size)) is not None and sign in ("=", "!=", ">", "<="):
            text = " and ".join(f"{one} = 1" for one in ones)
            return f"({text})" if sign in ("=", "<=") else f"(not ({text}))"
        if (rests := self._rests(size)) is not None and sign in ("=", "!="):
            text = " and ".join("(" + " or ".join(f"{one} = 0" for one in term) + ")" for term in rests)
            return f"({text})" if sign == "=" else f"(not ({text}))"
        factors = self._factors(size)
        if len(factors) == 1 and sign in ("=", "!=") and self._lowest_of(factors[0]) == 0:
            # It grows in every symbol, and is zero with all of them at their lowest.
            text = " and ".join(f"{one} = {self._bounds(one)[0]}" for one in factors[0].free_symbols)
            return f"({text})" if sign == "=" else f"(not ({text}))"
        if sign in ("=", "!="):
            texts = [f"{self.text(one)} {sign} 0" for one in factors]
            return "(" + (" or " if sign == "=" else " and ").join(texts) + ")"
        raise CannotProve(f"the condition {size} {sign} 0")

    def _rests(self, size: Size) -> list[list[str]] | None:
        """Return the linear factors of terms that are all zero where a polynomial is, because none is negative.

        So it is with `h * w - 4 * (h // 2) * (w // 2)`: with h as `2 * q + r` it is a sum of products with rests.
        """
        if not _is_whole(size):
            return None
        rests = {
            sympy.Symbol(f"rest{n}"): (whole, quotient, step)
            for n, ((whole, step), quotient) in enumerate(self._quotients.items())
            if whole.is_Symbol
        }
        expanded = sympy.expand(
            size.subs({whole: step * quotient + rest for rest, (whole, quotient, step) in rests.items()})
        )
        terms = []
        signs = set()
        for term in sympy.Add.make_args(expanded):
            number, product = term.as_coeff_Mul()
            signs.add(number > 0)
            factors = sympy.Mul.make_args(product)
            if len(signs) > 1 or not any(one in rests for one in factors) or not all(one.is_Symbol for one in factors):
                return None
            if any(
                one not in rests and (self._lowest_of(one) is None or (self._lowest_of(one) or 0) < 0)
                for one in factors
            ):
                return None
            terms.append(
                [
                    self.text(rests[one][0] - rests[one][2] * rests[one][1] if one in rests else one)
                    for one in factors
                    if one in rests or (self._lowest_of(one) or 0) <= 0
                ]
            )
        return terms

    def _all_ones(self, size: Size) -> list[str] | None:
        """Return the positive factors that have to be 1 for `size`, their product less 1, to be zero."""
        factors = sympy.Mul.make_args(sympy.expand(size + 1))
        if not all(one.is_Symbol and (self._lowest_of(one) or 0) > 0 for one in factors):
            return None
        return [self.text(one) for one in factors]

    def _factors(self, size: Size) -> list[Size]:
        """Return the factors with one of which a polynomial is zero: those that may be."""
        if size.is_Number:
            return [size]
        if not _is_whole(size):
            raise CannotProve(f"the condition on {size}")
        _, factors = sympy.factor_list(size)
        return [factor for factor, _ in factors if (self._lowest_of(factor) or 0) <= 0]


def _is_quotient_by_symbols(size: Any) -> bool:
    return isinstance(size, (FloorDiv, CleanDiv)) and not size.args[1].is_Integer


@lru_cache(maxsize=1 << 16)
def is_linear(size: Size) -> bool:
    """Tell whether a size is a sum of numbers times single symbols."""
    return _is_whole(size) and (size.is_Number or sympy.Poly(size, *size.free_symbols).total_degree() <= 1)


@lru_cache(maxsize=1 << 16)
def _is_whole(size: Size) -> bool:
    """Tell whether an expression is a polynomial with whole coefficients."""
    if size.is_Number:
        return bool(size.is_Integer)
    if not size.is_polynomial(*size.free_symbols):
        return False
    return all(one.is_Integer for one in sympy.Poly(size, *size.free_symbols).coeffs())


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
