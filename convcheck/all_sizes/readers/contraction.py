"""Matrix products and convolutions: sums of products of entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy

from convcheck.all_sizes.layout import aligned, viewed
from convcheck.all_sizes.pieces import axis_of
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value


def mm(call: Call) -> Value:
    """`[n, k] @ [k, m]`."""
    return matrix_product(call["self"], call["mat2"])


def bmm(call: Call) -> Value:
    """`[b, n, k] @ [b, k, m]`."""
    return matrix_product(call["self"], call["mat2"])


def addmm(call: Call) -> Value:
    """`bias + [n, k] @ [k, m]`."""
    if call["beta"] != 1 or call["alpha"] != 1:
        raise CannotProve("with factors")
    one, other = aligned(matrix_product(call["mat1"], call["mat2"]), call["self"])
    return one.plus(other)


def mv(call: Call) -> Value:
    """`[n, k] @ [k]`."""
    return matrix_product(call["self"], call["vec"].with_one(1)).without_one(1)


def trilinear(call: Call) -> Value:
    """The product of three tensors, with axes of length 1 between theirs, summed along some axes."""
    factors = []
    for number in ("1", "2", "3"):
        factor: Value = call[f"i{number}"]
        for axis in sorted(call[f"expand{number}"]):
            factor = factor.with_one(axis)
        factors.append(factor)
    one, other = aligned(factors[0], factors[1])
    one, other = aligned(one.product(other), factors[2])
    result = one.product(other)
    for axis in sorted(call["sumdim"], reverse=True):
        result = result.summed(axis)
    return result


def dot(call: Call) -> Value:
    """`[k] @ [k]`."""
    one, other = aligned(call["self"], call["tensor"])
    return one.product(other).summed(0)


def matrix_product(one: Value, other: Value) -> Value:
    """Return `[..., n, k] @ [..., k, m]`, as `[..., n, m]`."""
    last = one.rank - 1
    left = one.with_one(last + 1)
    right = other.with_one(last - 1)
    left, right = aligned(left, right)
    return left.product(right).summed(last)


def convolution(call: Call) -> Value:
    """`y[b, o, n] += w[o, i, k] * x[b, i, s*n + d*k - p]`, or the transpose of that."""
    x, weight, bias = call["input"], call["weight"], call["bias"]
    y = convolved(call, x, weight, call.shape, bool(call["transposed"]))
    if bias is None:
        return y
    for _ in range(weight.rank - 2):
        bias = bias.with_one(bias.rank)
    y, bias = aligned(y, bias)
    return y.plus(bias)


def convolution_backward(call: Call) -> tuple[Value | None, ...]:
    """The gradient of a convolution in its input: the transpose of it. Others are refused."""
    if list(call["output_mask"]) != [True, False, False]:
        raise CannotProve("the gradient in a weight")
    return convolved(call, call["grad_output"], call["weight"], call.shape, not call["transposed"]), None, None


def convolved(call: Call, x: Value, weight: Value, shape: Sequence[Size], transposed: bool) -> Value:
    """Return a convolution, or a transposed one, without a bias, by the options of a call."""
    dims = weight.rank - 2
    if x.rank == dims + 1:
        return convolved(call, x.with_one(0), weight, [sympy.Integer(1), *shape], transposed).without_one(0)
    groups = call["groups"]
    options = [per_axis(call[name], dims) for name in ("stride", "padding", "dilation")]
    spread = _transposed if transposed else windows
    for axis in range(dims):
        stride, padding, dilation = (int(option[axis]) for option in options)
        # From the front: the axes behind are those of the input still, those before are doubled.
        x = spread(x, 2 + 2 * axis, weight.size(2 + axis), shape[2 + axis], stride, padding, dilation)
    # [b, c, n0, k0, n1, k1, ...] -> [b, c, n..., k...]
    x = x.permuted([0, 1, *range(2, 2 + 2 * dims, 2), *range(3, 3 + 2 * dims, 2)])
    x, weight = _in_groups(x, weight, groups, transposed)
    # x [b, g, 1, i, n..., k...], weight [1, g, o, i, 1..., k...]
    x = x.with_one(2)
    weight = weight.with_one(0)
    for axis in range(dims):
        weight = weight.with_one(4 + axis)
    x, weight = aligned(x, weight)
    y = x.product(weight)
    for axis in reversed(range(4 + dims, 4 + 2 * dims)):
        y = y.summed(axis)
    y = y.summed(3)
    return viewed(y, shape)


def per_axis(option: object, dims: int) -> Sequence[int]:
    """Return an option for every axis: one number stands for all."""
    values = [option] * dims if isinstance(option, int) else list(option)  # type: ignore[call-overload]
    return values * dims if len(values) == 1 else values


def _in_groups(x: Value, weight: Value, groups: int, transposed: bool) -> tuple[Value, Value]:
    """Return `[b, g, i, n..., k...]` and `[g, o, i, k...]`."""
    count = sympy.Integer(groups)
    each = x.sizes.ratio(x.size(1), count)
    if each is None:
        raise CannotProve(f"{x.size(1)} channels in {groups} groups")
    x = viewed(x, [x.size(0), count, each, *x.shape[2:]])
    per_group = x.sizes.ratio(weight.size(0), count)
    if per_group is None:
        raise CannotProve(f"{weight.size(0)} channels in {groups} groups")
    weight = viewed(weight, [count, per_group, *weight.shape[1:]])
    if transposed:
        # A transposed weight is [(g i), o, k...].
        weight = weight.permuted([0, 2, 1, *range(3, weight.rank)])
    return x, weight


def windows(x: Value, axis: int, kernel: Size, outputs: Size, stride: int, padding: int, dilation: int) -> Value:
    """Return the entries that every output reads along an axis: it becomes (output, tap)."""
    if kernel == 1 and (stride, padding) == (1, 0):
        # However many axes are flattened to this one.
        return x.with_one(axis + 1)
    x = x.flat(axis)
    out, taps = axis_of(outputs), axis_of(kernel)
    n, k = _name(out, 0), _name(taps, len(out[0]))
    return _read(x, axis, [out, taps], f"{stride}*{n} + {dilation}*{k} - {padding}")


def _transposed(x: Value, axis: int, kernel: Size, outputs: Size, stride: int, padding: int, dilation: int) -> Value:
    """Return the entry that every tap of every output of a transposed convolution reads: (output, tap)."""
    x = x.flat(axis)
    out, taps = axis_of(outputs), axis_of(kernel)
    m, k = _name(out, 0), _name(taps, len(out[0]))
    place = f"({m} + {padding} - {dilation}*{k})"
    where = f"{place} mod {stride} = 0"
    return _read(x, axis, [out, taps], f"floor({place} / {stride})", where)


def _name(axis: object, number: int) -> str:
    return f"n{number}" if axis[0] else "0"  # type: ignore[index]


def _read(x: Value, axis: int, new: Sequence[object], index: str, where: str = "true") -> Value:
    """Read along a flat axis, which may be one entry long."""
    if x.axes[axis][0]:
        return x.indexed(axis, new, [index], where)  # type: ignore[arg-type]
    return x.indexed(axis, new, [], f"({where}) and {index} = 0")  # type: ignore[arg-type]


READERS: Mapping[str, Reader] = {
    "mm": mm,
    "bmm": bmm,
    "addmm": addmm,
    "mv": mv,
    "dot": dot,
    "_trilinear": trilinear,
    "convolution": convolution,
    "convolution_backward": convolution_backward,
}
