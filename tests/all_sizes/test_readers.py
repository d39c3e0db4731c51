"""Laws: a reading, evaluated entry by entry, is what torch computes, bit for bit on whole numbers, at several sizes."""

from __future__ import annotations

import pytest

from convcheck.all_sizes.reading import all_readers
from tests.all_sizes.laws import FAMILIES
from tests.all_sizes.reading import Law, check

LAWS = [pytest.param(law, id=f"{family} {number}") for family, laws in FAMILIES.items() for number, law in enumerate(laws)]
MET: set[str] = set()


@pytest.mark.parametrize("law", LAWS)
def test_readings_are_what_torch_computes(law: Law) -> None:
    for name in check(law):
        MET.update((name, name.partition(".")[0], name.removesuffix(".default")))


def test_every_reader_has_a_law() -> None:
    if not MET:
        pytest.skip("no law was run")
    assert not set(all_readers()) - MET
