"""Softmax and its kin: `exp` of entries over the sum of them. That torch takes away the largest first is rounding."""

from __future__ import annotations

from collections.abc import Mapping

from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.operators import exponential, softmax
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value


def exp(call: Call) -> Value:
    """`exp`; that of minus infinity is 0."""
    return exponential(call.sources, call["self"])[0]


def softmax_(call: Call) -> Value:
    """Softmax. Where all entries are minus infinity it is no number."""
    return softmax(call.sources, call["self"], call.axis("dim", call["self"].rank), safe=False)


def safe_softmax(call: Call) -> Value:
    """Softmax that is 0 where all entries are minus infinity."""
    return softmax(call.sources, call["self"], call.axis("dim", call["self"].rank), safe=True)


def log_softmax(call: Call) -> Value:
    """`x - log(sum(exp(x)))`."""
    value: Value = call["self"]
    if value.infinite:
        raise CannotProve("of an infinity")
    axis = call.axis("dim", value.rank)
    powers, _ = exponential(call.sources, value)
    value, logarithm = aligned(value, call.sources.applied("log", (), powers.summed(axis).with_one(axis)))
    return value.plus(logarithm.times(-1))


def logsumexp(call: Call) -> Value:
    """`log(sum(exp(x)))` along axes."""
    value: Value = call["self"]
    total, _ = exponential(call.sources, value)
    asked = [call["dim"]] if isinstance(call["dim"], int) else call["dim"]
    for axis in sorted((one % value.rank for one in asked), reverse=True):
        total = total.summed(axis)
        total = total.with_one(axis) if call["keepdim"] else total
    return call.sources.applied("log", (), total)


READERS: Mapping[str, Reader] = {
    "exp": exp,
    "_softmax": softmax_,
    "_safe_softmax": safe_softmax,
    "_log_softmax": log_softmax,
    "logsumexp": logsumexp,
}
