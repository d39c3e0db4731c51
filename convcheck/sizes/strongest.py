"""What is assumed of formulas, in the fewest words: what follows from the rest is left out."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from convcheck.errors import ShapeError
from convcheck.sizes.conditions import Condition
from convcheck.sizes.lengths import Floor, Length, name
from convcheck.sizes.limits import MAX_PERIOD


def strongest(conditions: Collection[Condition]) -> list[Condition]:
    """Return conditions that say the same, without those that others imply; lower bounds of names come last.

    Raises:
        ShapeError: they cannot hold together.
    """
    plain = list(dict.fromkeys(map(_plain, conditions)))
    fixed = {str(length): bound for length, relation, bound in plain if relation == "=" and _is_number(length, bound)}
    least: dict[str, int] = {}
    for length, relation, bound in plain:
        if relation == ">=" and length.is_name() and isinstance(bound, int):
            least[str(length)] = max(least.get(str(length), 1), bound)
    for text, number in fixed.items():
        if isinstance(number, int) and number < least.get(text, 1):
            raise ShapeError(f"no {text} would do: it must be {number}, and at least {least[text]}")
    left = [condition for condition in plain if not _follows(condition, fixed, least)]
    several = _without_weaker([c for c in left if c.relation == ">=" and not c.length.is_name()])
    told = {min(c.length.names()) for c in left if _reaches(c, least)} | fixed.keys()
    bounds = [Condition(name(text), ">=", number) for text, number in least.items() if text not in told]
    return [*several, *_divisible([c for c in left if c.relation != ">="]), *bounds]


def _is_number(length: Length, bound: int | Length) -> bool:
    return length.is_name() and isinstance(bound, int)


def _plain(condition: Condition) -> Condition:
    """Return a condition without what it adds to, multiplies or divides its formula by."""
    length, relation, bound = condition
    if not isinstance(bound, int) or relation == "is a multiple of":
        return condition
    while relation == ">=" and (inside := _floored(length)):
        length, bound = inside.inside, inside.by * bound
    common = math.gcd(*(count for term, count in length.terms.items() if term))
    bound -= length.constant
    if relation == "=" and bound % common:
        raise ShapeError(f"no lengths would do: {condition}")
    products = Length({term: count // common for term, count in length.terms.items() if term})
    return Condition(products, relation, -(-bound // common))


def _floored(length: Length) -> Floor | None:
    """Return the floor that a length is, with what is added to it inside."""
    match [item for item in length.terms.items() if item[0]]:
        case [((Floor(inside, by),), 1)]:
            return Floor(inside + length.constant * by, by)
    return None


def _follows(condition: Condition, fixed: Mapping[str, int | Length], least: Mapping[str, int]) -> bool:
    """Tell whether a condition holds for all names that are fixed and at least so large.

    Raises:
        ShapeError: it holds for none.
    """
    length, relation, bound = condition
    names, numbers = length.names(), {text: number for text, number in fixed.items() if isinstance(number, int)}
    if not isinstance(bound, int):
        return False
    if length.is_name() and relation == "=" and numbers[str(length)] != bound:
        raise ShapeError(f"no {length} would do: it must be {bound}, and {numbers[str(length)]}")
    if length.is_name() and relation != "is a multiple of":
        # Lower bounds of names are told in the end.
        return relation == ">="
    if names <= numbers.keys():
        if not holds(condition, numbers):
            raise ShapeError(f"no {length} would do: {' and '.join(f'{t} = {numbers[t]}' for t in sorted(names))}")
        return True
    return (
        relation == ">="
        and bool(length.rises())
        and length.evaluate({text: numbers.get(text, least.get(text, 1)) for text in names}) >= bound
    )


def _reaches(condition: Condition, least: Mapping[str, int]) -> bool:
    """Tell whether an equation of one name says that it is at least so large."""
    length, relation, bound = condition
    names = length.names()
    if relation != "=" or len(names) != 1 or not isinstance(bound, int) or not length.rises():
        return False
    return length.evaluate({text: least.get(text, 1) - 1 for text in names}) < bound


def holds(condition: Condition, values: Mapping[str, int]) -> bool:
    """Tell whether a condition holds for these values of its names."""
    number = condition.length.evaluate(values)
    bound = condition.bound.evaluate(values) if isinstance(condition.bound, Length) else condition.bound
    if condition.relation == "is a multiple of":
        return number % bound == 0
    return number == bound if condition.relation == "=" else number >= bound


def _without_weaker(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Yield of several lower bounds of one formula the highest."""
    highest: dict[Length, int] = {}
    for length, _, bound in conditions:
        if isinstance(bound, int):
            highest[length] = max(highest.get(length, bound), bound)
    yield from (Condition(length, ">=", bound) for length, bound in highest.items())


def _divisible(conditions: Sequence[Condition]) -> Iterator[Condition]:
    """Yield conditions in which those on what one name is a multiple of are told together."""
    groups: dict[str, list[Condition]] = {}
    for condition in conditions:
        names = condition.length.names()
        if condition.relation == "is a multiple of" and len(names) == 1 and isinstance(condition.bound, int):
            groups.setdefault(min(names), []).append(condition)
        else:
            yield condition
    for text, group in groups.items():
        yield from _together(text, group)


def _together(text: str, group: Sequence[Condition]) -> Iterable[Condition]:
    """Return a condition that says what all of a group say of one name, or else those that none of the others imply."""
    period = math.lcm(*(_period(length) * bound for length, _, bound in group if isinstance(bound, int)))
    if period > MAX_PERIOD:
        return group
    rows = [[holds(condition, {text: number}) for number in range(1, period + 1)] for condition in group]
    both = [all(column) for column in zip(*rows, strict=True)]
    if not any(both):
        raise ShapeError(f"no {text} would do: {', and '.join(map(str, group))}")
    by = next(by for by in range(1, period + 1) if period % by == 0 and both == both[:by] * (period // by))
    if sum(both[:by]) == 1:
        rest = (both.index(True) + 1) % by
        return [Condition(name(text) - rest, "is a multiple of", by)] if by > 1 else []
    needed = list(range(len(group)))
    for number in reversed(range(len(group))):
        fewer = [other for other in needed if other != number]
        if [all(rows[other][place] for other in fewer) for place in range(period)] == both:
            needed = fewer
    return [group[number] for number in needed]


def _period(length: Length) -> int:
    """Return a number of which a name may be more without a change of the formula modulo what is asked."""
    floors = [atom for term in length.terms for atom in term if isinstance(atom, Floor)]
    return math.lcm(*(floor.by * _period(floor.inside) for floor in floors))
