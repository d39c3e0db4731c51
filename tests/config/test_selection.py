"""`-k` reads pytest's expressions."""

import pytest
from _pytest.mark.expression import Expression
from hypothesis import given
from hypothesis import strategies as st

from convcheck.config.selection import matcher, quoted
from convcheck.errors import UsageError

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
        ("x or " * 20_000 + "sweep", True),
        ("(" * 100 + "sweep" + ")" * 100, True),
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
        ("(" * 400, "nested more than 100 deep at column 101"),
        ("not " * 400, "nested more than 100 deep"),
        ('"a', "unexpected '\"' at column 1"),
    ],
)
def test_says_where_an_expression_is_wrong(expression: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        matcher(expression)
    assert message in str(error.value)


def test_a_quoted_name_selects_the_case_of_exactly_this_name() -> None:
    for name in ("p1", "at@home #1", '[red]x and not "y"', "back\\slash"):
        exactly = matcher(quoted(name))
        assert exactly(f"{name}[patchify-linear]")
        assert exactly(name)
        assert not exactly(f"{name}1[patchify-linear]")
        assert not exactly(f"x{name}[patchify-linear]")


WORDS = (
    "sweep",
    "P16",
    "bf",
    "p16-bfloat16[patchify",
    "No",
    "and",
    "or",
    "not",
    "(",
    ")",
    "a:b",
    "\\",
    "/",
    "+.-",
    "&",
    "!",
)


@given(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(["", " ", "\t  "])), min_size=1, max_size=12))
def test_means_what_pytest_takes_it_for(parts: list[tuple[str, str]]) -> None:
    expression = "".join(word + space for word, space in parts)
    try:
        pytests = Expression.compile(expression).evaluate(lambda word, **_: word.lower() in NAME.lower())
    except Exception:  # pytest's own kind of it has changed
        with pytest.raises(UsageError):
            matcher(expression)
    else:
        assert matcher(expression)(NAME) is pytests


def test_a_quoted_name_is_not_that_of_a_longer_one_in_brackets() -> None:
    assert matcher('"a"')("a[fft]")
    assert matcher('"a[x]"')("a[x][fft]")
    assert not matcher('"a"')("a[x][fft]")
