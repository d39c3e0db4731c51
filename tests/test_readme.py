"""What README and the pages under docs/ show is what the program prints."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import Result

from tests.strategies.shown import comparable, contradictions

pytestmark = pytest.mark.kernels

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
PAGES = (README, *sorted((README.parent / "docs").glob("*.md")))
BLOCKS = [
    (page, command, shown)
    for page in PAGES
    for _, command, shown in re.findall(r"(`{3,})console\n\$ (.*)\n((?:.*\n)*?)\1\n", page.read_text("utf-8"))
]
CONFIGS = [
    (page, text)
    for page in (README, README.parent / "docs" / "config.md")
    for text in re.findall(r"```yaml\n(# (?!bad)\w+\.yaml\n(?:.*\n)*?)```", page.read_text("utf-8"))
]


def write_files(page: Path, folder: Path) -> None:
    """Write the configs and the Python of a page into a folder; the first line of a block says its name."""
    named = r"```(?:yaml|python)\n# ([\w-]+\.(?:yaml|py))\n((?:.*\n)*?)```"
    for name, text in re.findall(named, page.read_text("utf-8")):
        (folder / name).write_text(f"# {name}\n{text}")


@pytest.mark.parametrize(
    ("page", "command", "shown"), BLOCKS, ids=[f"{page.stem}: {command}" for page, command, _ in BLOCKS]
)
def test_what_is_shown_is_what_is_printed(
    convcheck: Callable[..., Result],
    page: Path,
    command: str,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")  # how wide a help page is
    write_files(page, tmp_path)
    program, *words = shlex.split(command)
    assert program == "convcheck"
    printed = convcheck(*words).stdout
    if os.environ.get("CONVCHECK_WRITE_README"):
        page.write_text(page.read_text("utf-8").replace(f"$ {command}\n{shown}```", f"$ {command}\n{printed}```"))
    else:
        assert comparable(printed) == comparable(shown)
        assert contradictions(printed) == []


VERIFIED = [shown for _, command, shown in BLOCKS if command.startswith("convcheck verify")]
SPREAD_LINE = r"exactly 0 .  1e-04 \|.{9}\|"
OTHER_DIGITS = {
    "an error of 0": lambda text: re.sub(r"\d\.\d+e-07( / \d\.\d+e-05)", r"        0\1", text),
    "a bound with fewer letters": lambda text: re.sub(r"( / )\d\.\d+e-05", r"\g<1>0.01121  ", text),
    "seconds": lambda text: re.sub(r"\d\.\d s;", "1234.5 s;", text),
    "errors without decimals": lambda text: re.sub(
        r"((?:relative|error is|against|where|there) )-?\d+\.\d+(e.\d+)?", r"\g<1>7", text
    ),
    "errors spread otherwise": lambda text: re.sub(SPREAD_LINE, "exactly 0    1e-04 |   ▂█    |", text),
    "no error anywhere": lambda text: re.sub(
        r"(error       ).* at \[.*\], bound there (\S+); .*", r"\g<1>0 everywhere; bound \2", text
    ),
    "no errors to spread": lambda text: re.sub(SPREAD_LINE, "exactly 0 █  1e-04 |         |", text),
    "another place": lambda text: re.sub(r"((?:error .*|the worst is) at )\[.*?\]", r"\1[0, 0, 0, 0]", text),
}


@pytest.mark.parametrize("other", OTHER_DIGITS.values(), ids=OTHER_DIGITS.keys())
def test_digits_that_a_kernel_decides_are_no_difference(other: Callable[[str], str]) -> None:
    changed = [(shown, other(shown)) for shown in VERIFIED if other(shown) != shown]
    assert changed
    assert [after for before, after in changed if comparable(after) != comparable(before)] == []


@given(data=st.data())
def test_a_word_that_is_wrong_and_a_line_that_is_missing_are_differences(data: st.DataObject) -> None:
    _, _, shown = data.draw(st.sampled_from(BLOCKS))
    words = list(re.finditer(r"(?<![\w.+])[A-Za-z]+(?!\w)", shown))
    word = data.draw(st.sampled_from(words))
    assert comparable(f"{shown[: word.start()]}wrong{shown[word.end() :]}") != comparable(shown)
    lines = shown.splitlines()
    missing = data.draw(st.sampled_from([place for place, line in enumerate(lines) if line]))
    assert comparable("\n".join(lines[:missing] + lines[missing + 1 :])) != comparable(shown)


OTHER_FACTS = {
    "a shape": lambda text: re.sub(r"(\[1, 64), 8, 8\]|(\[4, 128), 3", r"\1\2, 7", text),
    "a shape in JSON": lambda text: re.sub(r"\b64,(\s+)8,", r"64,\g<1>7,", text),
    "parameters": lambda text: re.sub(r"= \d", "= 7", text),
    "an integer that is exact": lambda text: re.sub(r"\d against -\d{6}", "0 against -100000", text),
    "a number that is none": lambda text: re.sub(r"\b\d\.\d+e-0[5-7]", "-", text),
    "a probability": lambda text: re.sub(r"(at most |accept\": )5\.3", r"\g<1>5.4", text),
}


@pytest.mark.parametrize("other", OTHER_FACTS.values(), ids=OTHER_FACTS.keys())
def test_numbers_that_no_kernel_decides_are_differences(other: Callable[[str], str]) -> None:
    changed = [(shown, other(shown)) for shown in VERIFIED if other(shown) != shown]
    assert changed
    assert [after for before, after in changed if comparable(after) == comparable(before)] == []


BEYOND = {
    "a table": lambda text: re.sub(r" \d\.\d+e-07( +(?:\| )?\d\.\d+e-05)", r" 1\1", text),
    "JSON": lambda text: re.sub(r'("max_abs": )\d\.\d+e-07', r"\g<1>1", text),
    "a ratio": lambda text: re.sub(r'("ratio": )\d\.\d+', r"\g<1>1.5", text),
}


@pytest.mark.parametrize("beyond", BEYOND.values(), ids=BEYOND.keys())
def test_what_is_equal_beyond_its_bound_contradicts_itself(beyond: Callable[[str], str]) -> None:
    changed = [(shown, beyond(shown)) for shown in VERIFIED if beyond(shown) != shown]
    assert changed
    assert [before for before, _ in changed if contradictions(before)] == []
    assert [after for _, after in changed if not contradictions(after)] == []


@pytest.mark.parametrize(("page", "text"), CONFIGS, ids=[text.split("\n")[0] for _, text in CONFIGS])
def test_configs_hold(convcheck: Callable[..., Result], page: Path, text: str, tmp_path: Path) -> None:
    write_files(page, tmp_path)
    name = text.split("\n")[0].removeprefix("# ")
    assert convcheck("verify", tmp_path / name).exit_code == (name == "wrong.yaml")


def test_python_runs_and_gives_the_shapes_that_are_told() -> None:
    shapes = 0
    page = README.parent / "docs" / "python.md"
    for block in re.findall(r"```python\n((?:.*\n)*?)```", page.read_text("utf-8")):
        # A reader copies one block alone.
        namespace: dict[str, object] = {}
        exec(block, namespace)
        for line, shape in re.findall(r"^(.*?)  # ([\[(][\d, ]+[\])])$", block, re.MULTILINE):
            value = eval(line.partition(" = ")[2] or line, namespace)
            assert str(list(getattr(value, "shape", value))) == shape.replace("(", "[").replace(")", "]")
            shapes += 1
    assert shapes == 5


def test_commands_use_the_constraints_and_an_environment_of_their_own() -> None:
    contributing = (README.parent / "CONTRIBUTING.md").read_text("utf-8")
    installing = [
        line
        for text in (TEXT, contributing)
        for line in text.splitlines()
        if "-m venv" in line or "pip install" in line
    ]
    assert len(installing) == 5
    assert all("-c constraints.txt" in line for line in installing)
    # The extras go into the environment that the line before activates, and those of the site into the developer's.
    assert [line for line in installing if "-m venv" not in line and ".venv/bin/" not in line] == installing[1:2]
    assert ". .venv/bin/activate" in installing[0]


def test_the_readme_is_read_in_five_minutes_and_fits_a_window() -> None:
    lines = TEXT.splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 160
    assert len(TEXT.split()) <= 1000
