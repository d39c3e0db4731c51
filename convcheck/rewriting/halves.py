"""How large a part is where a candidate makes its products in halves, until few enough are in memory."""

from __future__ import annotations


def halved(count: int, at_once: int) -> int:
    """Return `count`, halved until it is at most `at_once`; a half of an odd number is the larger one."""
    while count > max(1, at_once):
        count = -(-count // 2)
    return count
