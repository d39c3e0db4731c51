"""Code of the user's own as text: taken apart without running any, and never taken for a layer, nor a layer for it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from convcheck.errors import ConvcheckError, UsageError
from convcheck.layers import kind_names, parse_layer
from convcheck.layers.user_code import Arguments, UserCode, parse_user_code

WORKS = {
    "model.py:Net": UserCode("model.py", "Net", None),
    "a folder (copy)/model.py:Net()": UserCode("a folder (copy)/model.py", "Net", Arguments((), {})),
    "../old.v2/model.py:Outer.Inner(3)": UserCode("../old.v2/model.py", "Outer.Inner", Arguments((3,), {})),
    "package.module:make(-1, (2, -3.5), x=[None, {'a': True}])": UserCode(
        "package.module", "make", Arguments((-1, (2, -3.5)), {"x": [None, {"a": True}]})
    ),
    "m.py:F('b (h p) -> b h p', \"a)'b\", s='x.py:G()')": UserCode(
        "m.py", "F", Arguments(("b (h p) -> b h p", "a)'b"), {"s": "x.py:G()"})
    ),
    "m.py:F(\n  3,\n)": UserCode("m.py", "F", Arguments((3,), {})),
    "größe:Netz": UserCode("größe", "Netz", None),
}


@pytest.mark.parametrize(("text", "code"), WORKS.items(), ids=WORKS)
def test_code_is_taken_apart_and_written_as_it_was(text: str, code: UserCode) -> None:
    assert parse_user_code(f"  {text}\n") == code
    assert str(parse_user_code(text)) == text


LITERALS = "arguments are numbers, texts in quotes"
NEITHER = "what follows the colon is no name and no call"
REFUSALS = {
    "m.py:F(torch.zeros(3))": f"torch.zeros(3) is no literal; {LITERALS}",
    "m.py:F([1, {'a': (2, same)}])": f"same is no literal; a text goes in quotes, as 'same'; {LITERALS}",
    "m.py:F(x=-y)": f"-y is no literal; {LITERALS}",
    "m.py:F({[1]: 2})": f"{{[1]: 2}} is no literal; {LITERALS}",
    "m.py:F(*[1])": f"*[1] is no literal; {LITERALS}",
    "m.py:F(**{'a': 1})": "'**' cannot unpack here",
    "m.py:F(a=1, a=2)": "a is given twice",
    "m.py:F(": f"{NEITHER} ('(' was never closed)",
    "m.py:F(1))": f"{NEITHER} (unmatched ')')",
    "m.py:": NEITHER,
    "m.py:3": NEITHER,
    "m.py:F()()": NEITHER,
    "m.py:F().proj": NEITHER,
    "m.py:F[0]": NEITHER,
    "m.py:(F)(3)": NEITHER,
    "m.py:F(1) + F(2)": NEITHER,
    "package:F(3": NEITHER,
    f"m.py:F({'-' * 5000}1)": "nested too deeply",
}


@pytest.mark.parametrize(("text", "message"), REFUSALS.items(), ids=[text[:30] for text in REFUSALS])
def test_what_begins_as_code_and_is_none_is_refused_with_the_piece(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_user_code(text)
    assert message in str(caught.value)


PRINTED = nn.Sequential()
PRINTED.add_module("proj", nn.Sequential(nn.Conv2d(3, 8, 2), nn.ReLU()))

NO_CODE = [
    "Conv2d(3, 8, 2)",
    "(proj): Conv2d(3, 8, kernel_size=(2, 2), stride=(1, 1))",
    "self.proj = nn.Conv2d(3, 8, 2)",
    "rearrange('b (h p) -> b h p', p=2)",
    "rearrange('a.py:b')",
    "Sequential(rearrange('net.py:Net()'), Linear(3, 3))",
    "Sequential(\n  (net.py:Net): Conv2d(3, 8, 2)\n)",
    str(PRINTED),
    "Conv2d(3, 8, 2)  # in place of net.py:Net",
    "(proj): Conv2d(3, 8, 2),  # net.py:Net()",
    "weight: o i kh kw -> o (kh kw i)",
    "https://example.org/model",
    "model.py",
    "1:2",
    "",
    3,
    None,
    {"op": "Conv2d"},
]


@pytest.mark.parametrize("text", NO_CODE, ids=lambda text: repr(text)[:40])
def test_a_layer_is_no_code(text: object) -> None:
    assert parse_user_code(text) is None


@given(st.sampled_from(kind_names()), st.text("model.py:F(')\"\n, ", max_size=20))
def test_whatever_is_within_a_layer_it_is_no_code(kind: str, text: str) -> None:
    assert parse_user_code(f"{kind}({text!r}, {text})") is None


LITERAL = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(LITERAL, max_size=3), st.dictionaries(st.sampled_from("abc"), LITERAL))
def test_whatever_literals_are_written_come_back(positional: list[object], keywords: dict[str, object]) -> None:
    words = [*map(repr, positional), *(f"{name}={value!r}" for name, value in keywords.items())]
    code = parse_user_code(f"m.py:F({', '.join(words)})")
    assert code is not None
    assert code.arguments == Arguments(tuple(positional), keywords)
    assert parse_user_code(str(code)) == code


@given(st.text("model.py:F(),='[]{}1 -", max_size=30))
def test_any_text_is_code_or_none_or_refused(text: str) -> None:
    try:
        code = parse_user_code(text)
    except UsageError:
        return
    if code is not None:
        assert parse_user_code(str(code)) == code
        # What is code has never been a layer.
        with pytest.raises(ConvcheckError):
            parse_layer(text)
        assert code.arguments is None or isinstance(ast.parse(f"F{code.written}", mode="eval").body, ast.Call)


def test_a_file_is_looked_for_from_a_folder_and_a_dotted_name_is_not() -> None:
    folder = Path("configs")
    here, absolute, dotted = (parse_user_code(text) for text in ("m.py:F(3)", "/m.py:F", "package.m:F"))
    assert [str(code.within(folder)) for code in (here, absolute, dotted) if code] == [
        "configs/m.py:F(3)",
        "/m.py:F",
        "package.m:F",
    ]
