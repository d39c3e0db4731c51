"""How a number of bytes is written."""

from __future__ import annotations

import pytest

from convcheck.proof.memory import write_bytes

WRITTEN = {
    0: "0 bytes",
    1023: "1023 bytes",
    1024: "1.0 KiB",
    1000 * 2**10: "1000.0 KiB",
    3 * 2**19: "1.5 MiB",
    1000 * 2**40: "1000.0 TiB",
    1000 * 2**60: "1000.0 EiB",
}


@pytest.mark.parametrize(("count", "text"), WRITTEN.items())
def test_a_number_of_bytes_has_the_unit_that_leaves_up_to_four_digits(count: int, text: str) -> None:
    assert write_bytes(count) == text
