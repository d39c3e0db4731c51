"""Conditions that a trace takes for granted, as isl writes them: where they are linear, or follow from others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sympy
from sympy.logic.boolalg import BooleanAtom
from torch.utils._sympy.functions import CleanDiv, FloorDiv

from convcheck.all_sizes.floats import is_guard_decided
from convcheck.all_sizes.polynomials import Size, is_linear, is_whole
from convcheck.all_sizes.sizes import CannotProve, Sizes


def require(sizes: Sizes, guards: Iterable[Any]) -> None:
    """Take the guards of a trace to hold. Those that no relation can state are kept in `unread`."""
    later = [guard for guard in guards if not _taken(sizes, guard)]
    # Products are judged by what the linear ones say.
    while left := [guard for guard in later if not _taken(sizes, guard)]:
        if len(left) == len(later):
            break
        later = left
    sizes.unread += [guard.xreplace(sizes.names_of) for guard in left]
    sizes.settle()


def _taken(sizes: Sizes, guard: Any) -> bool:
    """Take a guard to hold, if it can be written down."""
    guard = guard.xreplace(sizes.names_of)
    try:
        text = condition(sizes, guard)
    except CannotProve:
        return False
    if isinstance(guard, sympy.Eq) and not _is_quotient_by_symbols(guard.lhs) and not _extremes(guard):
        zero = sizes.plain(guard.lhs - guard.rhs)
        factors = _factors(sizes, zero)
        if len(factors) == 1:
            _solve(sizes, factors[0])
    sizes.learn(text)
    return True


def _solve(sizes: Sizes, zero: Size) -> None:
    """Have a symbol that a linear equation determines stand for what it is equal to."""
    # What users know are the axes of inputs; those of weights follow.
    for symbol in sorted(zero.free_symbols & set(sizes.lowest), key=lambda one: (str(one)[:5] == "input", str(one))):
        if abs(zero.coeff(symbol)) == 1:
            sizes.replace(symbol, sympy.expand(symbol - zero * zero.coeff(symbol)))
            return


def condition(sizes: Sizes, guard: Any) -> str:
    """Return a guard as isl writes it. Raises CannotProve where it is not linear, or floats round what it compares."""
    if not is_guard_decided(guard):
        raise CannotProve(f"the condition {guard}, which floats round")
    if isinstance(guard, BooleanAtom):
        return "true" if guard else "false"
    if isinstance(guard, (sympy.And, sympy.Or)):
        word = " and " if isinstance(guard, sympy.And) else " or "
        return "(" + word.join(condition(sizes, one) for one in guard.args) + ")"
    if isinstance(guard, sympy.Not):
        return f"(not {condition(sizes, guard.args[0])})"
    if not isinstance(guard, sympy.core.relational.Relational):
        raise CannotProve(f"the condition {guard}")
    if isinstance(guard, (sympy.Eq, sympy.Ne)) and _is_quotient_by_symbols(guard.lhs) and guard.rhs.is_Integer:
        value, by = map(sizes.plain, guard.lhs.args)
        there = _quotient_is(sizes, value, by, guard.rhs)
        return there if isinstance(guard, sympy.Eq) else f"(not {there})"
    if (text := _compared_with_one(sizes, guard)) is not None:
        return text
    if (text := _by_extremes(sizes, guard)) is not None:
        return text
    difference = sizes.plain(guard.lhs - guard.rhs)
    signs = {sympy.Eq: "=", sympy.Ne: "!=", sympy.Lt: "<", sympy.Le: "<=", sympy.Gt: ">", sympy.Ge: ">="}
    return _comparison(sizes, difference, signs[guard.func])


def _quotient_is(sizes: Sizes, value: Size, by: Size, number: Size) -> str:
    """Return where `value // by` is a number, as isl writes it; so it is asked whether there are as many parts."""
    if not sizes.implies(">", by):
        raise CannotProve(f"a size is {value} // {by}")
    ends = (value - number * by, (number + 1) * by - value - 1)
    return "(" + " and ".join(_comparison(sizes, sympy.expand(one), ">=") for one in ends) + ")"


def _compared_with_one(sizes: Sizes, guard: Any) -> str | None:
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
        elif sizes.implies(">=", sizes.plain(factor) - 1):
            lengths.append(factor)
        else:
            return None
    longer = " or ".join(f"{sizes.text(one)} > 1" for one in lengths)
    texts = {sympy.Gt: f"({longer})", sympy.Ne: f"({longer})", sympy.Ge: "true", sympy.Lt: "false"}
    return texts.get(guard.func, f"(not ({longer}))")


def _extremes(guard: Any) -> list[Any]:
    """Return what is the smallest or the largest of some sizes, outermost first."""
    return [one for one in sympy.preorder_traversal(guard) if type(one).__name__ in ("Min", "Max")]


def _by_extremes(sizes: Sizes, guard: Any) -> str | None:
    """Return a condition on the smallest or largest of some sizes, by which of them it is; None where it is on none."""
    if not (extremes := _extremes(guard)):
        return None
    outermost = extremes[0]
    follows = sympy.Le if type(outermost).__name__ == "Min" else sympy.Ge
    cases = []
    for one in outermost.args:
        # Without evaluation, which would decide what holds for numbers that are no lengths.
        comes_first = [follows(one, other, evaluate=False) for other in outermost.args if other != one]
        parts = [condition(sizes, part) for part in (*comes_first, guard.xreplace({outermost: one}))]
        cases.append(f"({' and '.join(parts)})")
    return f"({' or '.join(cases)})"


def _comparison(sizes: Sizes, size: Size, sign: str) -> str:
    """Return how a polynomial compares with zero, as isl writes it."""
    if size.is_positive:
        return "true" if sign in (">", ">=", "!=") else "false"
    if is_linear(size):
        return f"{sizes.text(size)} {sign} 0"
    if (low := sizes.lowest_of(size)) is not None and low > 0:
        return "true" if sign in (">", ">=", "!=") else "false"
    if (low := sizes.lowest_of(-size)) is not None and low > 0:
        return "true" if sign in ("<", "<=", "!=") else "false"
    if (at_least := sizes.lowest_of(size)) == 0 and sign in (">=", "<"):
        return "true" if sign == ">=" else "false"
    if at_least == 0 or sizes.lowest_of(-size) == 0:
        sign = {">": "!=", "<=": "="}.get(sign, sign)
    if (ones := _all_ones(sizes, size)) is not None and sign in ("=", "!=", ">", "<="):
        text = " and ".join(f"{one} = 1" for one in ones)
        return f"({text})" if sign in ("=", "<=") else f"(not ({text}))"
    if (rests := _rests(sizes, size)) is not None and sign in ("=", "!="):
        text = " and ".join("(" + " or ".join(f"{one} = 0" for one in term) + ")" for term in rests)
        return f"({text})" if sign == "=" else f"(not ({text}))"
    factors = _factors(sizes, size)
    if len(factors) == 1 and sign in ("=", "!=") and _is_zero_at_lowest_alone(sizes, factors[0]):
        text = " and ".join(f"{one} = {sizes.bounds(one)[0]}" for one in factors[0].free_symbols)
        return f"({text})" if sign == "=" else f"(not ({text}))"
    if sign in ("=", "!="):
        texts = [f"{sizes.text(one)} {sign} 0" for one in factors]
        return "(" + (" or " if sign == "=" else " and ").join(texts) + ")"
    raise CannotProve(f"the condition {size} {sign} 0")


def _is_zero_at_lowest_alone(sizes: Sizes, size: Size) -> bool:
    """Tell whether a polynomial that grows in every symbol is zero with all of them at their lowest, and only there."""
    if sizes.lowest_of(size) != 0:
        return False
    lows = {one: sizes.bounds(one)[0] or 0 for one in size.free_symbols}
    return all(size.subs({**lows, one: low + 1}) > 0 for one, low in lows.items())


def _rests(sizes: Sizes, size: Size) -> list[list[str]] | None:
    """Return the linear factors of terms that are all zero where a polynomial is, because none is negative.

    So it is with `h * w - 4 * (h // 2) * (w // 2)`: with h as `2 * q + r` it is a sum of products with rests.
    """
    if not is_whole(size):
        return None
    rests = {
        sympy.Symbol(f"rest{n}"): (whole, quotient, step)
        for n, ((whole, step), quotient) in enumerate(sizes.quotients.items())
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
            one not in rests and (sizes.lowest_of(one) is None or (sizes.lowest_of(one) or 0) < 0) for one in factors
        ):
            return None
        terms.append(
            [
                sizes.text(rests[one][0] - rests[one][2] * rests[one][1] if one in rests else one)
                for one in factors
                if one in rests or (sizes.lowest_of(one) or 0) <= 0
            ]
        )
    return terms


def _all_ones(sizes: Sizes, size: Size) -> list[str] | None:
    """Return the positive factors that have to be 1 for `size`, their product less 1, to be zero."""
    factors = sympy.Mul.make_args(sympy.expand(size + 1))
    if not all(one.is_Symbol and (sizes.lowest_of(one) or 0) > 0 for one in factors):
        return None
    return [sizes.text(one) for one in factors]


def _factors(sizes: Sizes, size: Size) -> list[Size]:
    """Return the factors with one of which a polynomial is zero: those that may be."""
    if size.is_Number:
        return [size]
    if not is_whole(size):
        raise CannotProve(f"the condition on {size}")
    _, factors = sympy.factor_list(size)
    return [factor for factor, _ in factors if (sizes.lowest_of(factor) or 0) <= 0]


def _is_quotient_by_symbols(size: Any) -> bool:
    return isinstance(size, (FloorDiv, CleanDiv)) and not size.args[1].is_Integer


def check_not_zero(sizes: Sizes, size: Size) -> None:
    """Check that a number that is divided by is never zero. Raises CannotProve."""
    for factor in sympy.Mul.make_args(size):
        if not sizes.implies("!=", factor):
            open_case = is_linear(factor) and not sizes.implies("=", factor)
            raise CannotProve(f"a division by {size}", f"{sizes.spelled(factor)} = 0" if open_case else None)
