"""Laws of matrix products and sums of products."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from benchmarks.own_programs.build import (
    add,
    cat,
    conv,
    cut,
    einsum,
    linear,
    matmul,
    mul,
    permute,
    reshape,
    scale,
    select,
    sub,
    sum_of,
    swap,
    total,
)
from benchmarks.own_programs.terms import Term, needs, term

LETTERS = "abcdefgh"


def _place(length: int, random: Random) -> int:
    needs(length > 1)
    return random.randrange(1, length)


def matmul_transposed(one: Term, _: Random) -> Term:
    """(A B)' = B' A'."""
    left, right = one.arguments
    return swap(matmul(swap(right), swap(left)))


def matmul_by_einsum(one: Term, random: Random) -> Term:
    """Write a product as einsum, or as products that are summed."""
    left, right = one.arguments
    if random.random() < 0.4:
        products = mul(reshape(left, (*left.shape, 1)), reshape(right, (*right.shape[:-2], 1, *right.shape[-2:])))
        return total(products, [len(products.shape) - 2])
    needs(len(left.shape) == len(right.shape) == 2 or min(len(left.shape), len(right.shape)) == 2)
    batch = LETTERS[: len(one.shape) - 2]
    first = (batch if len(left.shape) > 2 else "") + "xy"
    second = (batch if len(right.shape) > 2 else "") + "yz"
    return einsum(f"{first},{second}->{batch}xz", left, right)


def matmul_split(one: Term, random: Random) -> Term:
    """Cut what is summed over, or the rows, or the columns."""
    left, right = one.arguments
    axis, last = len(left.shape) - 2, len(right.shape) - 1
    way = random.randrange(3)
    if way == 0:
        length = left.shape[-1]
        ends = ((0, place := _place(length, random)), (place, length))
        return sum_of([matmul(cut(left, axis + 1, *end), cut(right, last - 1, *end)) for end in ends])
    if way == 1:
        length = left.shape[-2]
        ends = ((0, place := _place(length, random)), (place, length))
        return cat([matmul(cut(left, axis, *end), right) for end in ends], len(one.shape) - 2)
    length = right.shape[-1]
    ends = ((0, place := _place(length, random)), (place, length))
    return cat([matmul(left, cut(right, last, *end)) for end in ends], len(one.shape) - 1)


def matmul_by_outer(one: Term, _: Random) -> Term:
    """Add products of columns with rows."""
    left, right = one.arguments
    parts = [
        mul(cut(left, len(left.shape) - 1, n, n + 1), cut(right, len(right.shape) - 2, n, n + 1))
        for n in range(left.shape[-1])
    ]
    return sum_of(parts)


def matmul_associate(one: Term, _: Random) -> Term:
    """(A B) C = A (B C)."""
    left, right = one.arguments
    if left.operator == "matmul":
        return matmul(left.arguments[0], matmul(left.arguments[1], right))
    needs(right.operator == "matmul")
    return matmul(matmul(left, right.arguments[0]), right.arguments[1])


def matmul_as_linear(one: Term, _: Random) -> Term:
    """A matrix from the right is a Linear with its transpose."""
    left, right = one.arguments
    needs(len(right.shape) == 2)
    return linear(left, swap(right))


def distribute_right(one: Term, _: Random) -> Term:
    """A (B + C) = A B + A C, and for multiples; so for weights of a Linear and a convolution, too."""
    left, right, *bias = one.arguments
    needs(right.operator in ("add", "sub", "neg", "scale") and not bias)
    needs(all(part.shape == right.shape for part in right.arguments))
    parts = [term(one.operator, (left, part), *one.options) for part in right.arguments]
    return term(right.operator, parts, *right.options)


def without_bias(one: Term, _: Random) -> Term:
    """Add the bias afterwards."""
    value, weight, *bias = one.arguments
    needs(bool(bias))
    plain = term(one.operator, (value, weight), *one.options)
    if one.operator == "linear":
        return add(plain, bias[0])
    return add(plain, reshape(bias[0], (1, bias[0].shape[0], *[1] * (len(one.shape) - 2))))


def _biased(result: Term, bias: list[Term]) -> Term:
    return add(result, bias[0]) if bias else result


def linear_as_matmul(one: Term, random: Random) -> Term:
    """Multiply by the transpose, by one of several ways."""
    value, weight, *bias = one.arguments
    batch = LETTERS[: len(value.shape) - 1]
    ways = (
        lambda: matmul(value, swap(weight)),
        lambda: einsum(f"{batch}i,oi->{batch}o", value, weight),
        lambda: einsum(f"oi,{batch}i->{batch}o", weight, value),
        lambda: swap(matmul(weight, swap(value))),
        lambda: total(mul(reshape(value, (*value.shape[:-1], 1, value.shape[-1])), weight), [len(value.shape)]),
    )
    return _biased(random.choice(ways)(), list(bias))


def linear_split(one: Term, random: Random) -> Term:
    """Cut inputs or outputs."""
    value, weight, *bias = one.arguments
    outputs, inputs = weight.shape
    if random.random() < 0.5:
        place, axis = _place(inputs, random), len(value.shape) - 1
        first = linear(cut(value, axis, 0, place), cut(weight, 1, 0, place), bias)
        return add(first, linear(cut(value, axis, place, inputs), cut(weight, 1, place, inputs)))
    place = _place(outputs, random)
    parts = [
        linear(value, cut(weight, 0, *end), [cut(b, 0, *end) for b in bias]) for end in ((0, place), (place, outputs))
    ]
    return cat(parts, len(one.shape) - 1)


def linear_as_conv(one: Term, _: Random) -> Term:
    """A Linear is a convolution with a kernel of one, over channels that stand second."""
    value, weight, *bias = one.arguments
    needs(len(value.shape) in (3, 4))
    space = len(value.shape) - 2
    last = len(value.shape) - 1
    moved = permute(value, (0, last, *range(1, last)))
    result = conv(moved, reshape(weight, (*weight.shape, *[1] * space)), bias, (1, 0, 1, 1))
    return permute(result, (0, *range(2, last + 1), 1))


def einsum_renamed(one: Term, random: Random) -> Term:
    """Other letters, and operands in another order."""
    sources, target = one.options[0].split("->")
    parts = sources.split(",")
    letters = sorted({letter for letter in sources if letter != ","})
    names = dict(zip(letters, random.sample("ijklmnpq", len(letters)), strict=True))
    order = random.sample(range(len(parts)), len(parts))
    renamed = ["".join(names[letter] for letter in text) for text in (*(parts[n] for n in order), target)]
    return einsum(f"{','.join(renamed[:-1])}->{renamed[-1]}", *(one.arguments[n] for n in order))


def einsum_permuted(one: Term, random: Random) -> Term:
    """Lay out an operand, or the result, anew."""
    sources, target = one.options[0].split("->")
    parts, number = sources.split(","), random.randint(0, len(one.arguments))
    if number == len(parts):
        axes = random.sample(range(len(target)), len(target))
        other = einsum(f"{sources}->{''.join(target[axis] for axis in axes)}", *one.arguments)
        return permute(other, [axes.index(axis) for axis in range(len(target))])
    text, operands = parts[number], list(one.arguments)
    axes = random.sample(range(len(text)), len(text))
    operands[number] = permute(operands[number], axes)
    parts[number] = "".join(text[axis] for axis in axes)
    return einsum(f"{','.join(parts)}->{target}", *operands)


def einsum_by_products(one: Term, _: Random) -> Term:
    """Spread both operands over all letters, multiply, and sum."""
    sources, target = one.options[0].split("->")
    parts = sources.split(",")
    needs(len(parts) == 2)
    summed = sorted({letter for letter in sources if letter != ","} - set(target))
    letters = target + "".join(summed)
    spread = []
    for text, operand in zip(parts, one.arguments, strict=True):
        lengths = dict(zip(text, operand.shape, strict=True))
        moved = permute(operand, [text.index(letter) for letter in letters if letter in text])
        spread.append(reshape(moved, [lengths.get(letter, 1) for letter in letters]))
    products = mul(*spread)
    return total(products, range(len(target), len(letters))) if summed else products


def einsum_by_slices(one: Term, random: Random) -> Term:
    """Add what comes of one index after the other."""
    sources, target = one.options[0].split("->")
    parts = sources.split(",")
    summed = sorted({letter for letter in sources if letter != ","} - set(target))
    needs(bool(summed))
    letter = random.choice(summed)
    length = next(o.shape[p.index(letter)] for p, o in zip(parts, one.arguments, strict=True) if letter in p)
    formula = f"{sources.replace(letter, '')}->{target}"
    needs(all(len(text) > 0 for text in formula.split("->")[0].split(",")))
    return sum_of([
        einsum(formula, *(
            select(o, p.index(letter), n) if letter in p else o for p, o in zip(parts, one.arguments, strict=True)
        ))
        for n in range(length)
    ])  # fmt: skip


def square(one: Term, _: Random) -> Term:
    """A b = ((a + b)^2 - (a - b)^2) / 4, for equal shapes."""
    left, right = one.arguments
    needs(left.shape == right.shape and left is not right)
    plus, minus = add(left, right), sub(left, right)
    return scale(sub(mul(plus, plus), mul(minus, minus)), Fraction(1, 4))
