"""`-k` reads pytest's expressions."""

import pytest

from convcheck.errors import UsageError
from convcheck.selection import matcher

NAME = "vit-Sweep-p16-bfloat16[patchify-linear]"


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("sweep", True),
        ("SWEEP", True),
        ("conv1x1", False),
        ("not conv1x1", True),
        ("sweep and bfloat16", True),
        ("sweep and float64", False),
        ("float64 or p16", True),
        ("not sweep or p16", True),
        ("not (sweep or p16)", False),
        ("float64 or sweep and linear", True),
        ("(float64 or sweep) and linear", True),
        ("not not sweep", True),
        ("p16-bfloat16[patchify", True),
        ("notsweep", False),
    ],
)
def test_matches(expression: str, matches: bool) -> None:
    assert matcher(expression)(NAME) is matches


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "a name is missing at the end at column 1"),
        ("a and", "a name is missing at the end at column 6"),
        ("(a", "')' is missing at column 3"),
        ("a)", "'and' or 'or' is missing before ')' at column 2"),
        ("a b", "'and' or 'or' is missing before 'b' at column 3"),
        ("or a", "a name is missing before 'or' at column 1"),
        ("a & b", "unexpected '&' at column 3"),
        ("not", "a name is missing at the end at column 4"),
        ("(" * 600, "more than 500 words"),
    ],
)
def test_says_where_an_expression_is_wrong(expression: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        matcher(expression)
    assert message in str(error.value)
