"""The table of results: verdicts first, words whole, what holds for a case once."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest

from convcheck.catalogue.applicability import facts
from convcheck.catalogue.catalogue import catalogue
from convcheck.report.formats import table
from convcheck.report.plain_console import PlainConsole, print_all
from convcheck.report.sizes_words import in_full
from convcheck.report.tables.rewrite_table import catalogue_tables, rewrite_page
from convcheck.results import Finding, Kind, Report, Result, Sides, SizesProof, Verdict
from tests.report.sample_reports import MIXED, TOOL, result
from tests.strategies.sizes import LONG, UNKNOWN, WORDS

WIDTHS = [50, 64, 80, 100, 120, 160]


def printed(report: Report, width: int, *, verbose: bool = False, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding, errors="replace")
    console = PlainConsole(file=file, width=width, color_system=None, force_terminal=True)
    print_all(console, table.lay_out(report, console, verbose=verbose))
    file.seek(0)
    return file.read()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("verbose", [False, True])
def test_no_word_is_broken_at_any_width(width: int, verbose: bool) -> None:
    """A word that is longer than a line is the terminal's matter, and so is a line that is there to be copied."""
    for one in MIXED.results:
        report = Report(TOOL, (one,))
        words = set(printed(report, width, verbose=verbose).split())
        rules = {word for word in words if set(word) == {"─"}}
        whole = printed(report, 10_000, verbose=verbose).split()
        assert {word for word in whole if len(word) <= width - 16 and "─" not in word} <= words - rules


def sign(result: Result, signs: str) -> str:
    """Return one of four signs: for an `equal` that was expected, for what differs, is refused, or could not run."""
    if result.verdict is Verdict.EQUAL and not result.ok:
        return signs[1]
    return signs[list(Verdict).index(result.verdict)]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_claim_is_a_line_that_begins_with_a_sign_and_its_verdict(width: int) -> None:
    lines = printed(MIXED, width).splitlines()
    begun = [line.split()[:3] for line in lines if re.match(r"[✓✗!\N{EN DASH}] ", line)]
    assert begun == [[sign(one, "✓✗\N{EN DASH}!"), one.verdict, one.rewrite] for one in MIXED.results]


def test_all_of_a_row_stands_on_one_line_of_80_columns_whatever_the_rewrite_is_called() -> None:
    for name in catalogue():
        report = Report(TOOL, (replace(result(), rewrite=name, notes=()),))
        (row,) = [line for line in printed(report, 80).splitlines() if line.startswith("✓")]
        assert re.split(" {2,}", row.rstrip())[1:] == [name, "1.000e-06 / 4.000e-06", "identical", "identical"]


@pytest.mark.parametrize(
    ("words", "sizes"), [(words, sizes) for words, sizes in WORDS.items() if sizes is not LONG], ids=str
)
def test_a_claim_of_which_much_is_to_be_said_takes_two_lines_of_80_columns(words: str, sizes: SizesProof) -> None:
    """For which sizes it is proved is said beside what is said now: there is room for it, and no column without it."""
    one = replace(result(), notes=(), params=Sides(23_590_592, 147_865_792), expected=Verdict.EQUAL, sizes=sizes)
    for name in catalogue():
        *_, row, remark, _, _ = printed(Report(TOOL, (replace(one, rewrite=name),)), 80).splitlines()
        assert re.split(" {2,}", row)[1:] == [name, "1.000e-06 / 4.000e-06", "identical", "identical"]
        assert remark == f"    params 23,590,592 -> 147,865,792, {words}"
    # Where the terminal is wide, it is a column, before the remark.
    head, *_, row, _, _ = printed(Report(TOOL, (replace(one, rewrite="fft"),)), 140).splitlines()
    assert head.split()[-1] == "sizes"
    assert row.index(words) == head.index("sizes")


@pytest.mark.parametrize("width", [*WIDTHS, 100_000])
@pytest.mark.parametrize("verbose", [False, True])
def test_what_is_said_of_all_sizes_is_whole_at_any_width(width: int, verbose: bool) -> None:
    for words, sizes in WORDS.items():
        one = replace(result(), notes=(), sizes=sizes, reasons=(), params=Sides(1, 2))
        text = printed(Report(TOOL, (one,)), width, verbose=verbose)
        whole = {word for line in in_full(sizes) for word in " ".join(line).split()} if verbose else set(words.split())
        assert whole <= {*text.split(), *text.replace(",", " ").split()}
        assert verbose or max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_in_the_way_of_a_proof_is_said_once(width: int) -> None:
    reason = Finding(Kind.SIZES, f"not proved for all sizes: {LONG.obstacle}")
    text = " ".join(printed(Report(TOOL, (replace(result(ok=False), reasons=(reason,), sizes=LONG),)), width).split())
    assert text.count("aten.arange") == 1


def test_without_a_proof_that_was_asked_for_nothing_is_said_of_sizes() -> None:
    assert "sizes" not in printed(MIXED, 160)
    refused = [replace(one, sizes=UNKNOWN) for one in MIXED.results if one.verdict is Verdict.REFUSED]
    assert "unknown" not in printed(Report(TOOL, tuple(refused)), 160)


def test_cases_of_one_claim_take_two_lines_each_and_others_stand_apart() -> None:
    cases = [replace(result(name), notes=()) for name in ("a", "b", "c")]
    lines = printed(Report(TOOL, (*cases, replace(cases[2], rewrite="fft"), *cases[:2])), 120).splitlines()
    begun = [line.split()[0] if line else "" for line in lines[2:-2]]
    assert begun == ["a", "✓", "b", "✓", "c", "✓", "✓", "", "a", "✓", "b", "✓"]
    # A heading of several lines needs to be seen as one.
    begun = [line.split()[0] if line else "" for line in printed(Report(TOOL, tuple(cases)), 80).splitlines()[2:-2]]
    assert begun == ["a", "float32", "✓", "", "b", "float32", "✓", "", "c", "float32", "✓"]
    long = replace(cases[0], case="a" * 50)
    begun = [line.split()[0] if line else "" for line in printed(Report(TOOL, (long, *cases)), 120).splitlines()[2:-2]]
    assert begun == ["a" * 50, "float32", "✓", "", "a", "✓", "b", "✓", "c", "✓"]


@pytest.mark.parametrize("width", WIDTHS)
def test_parameters_of_the_candidate_stand_where_they_differ(width: int) -> None:
    one = result()
    more = replace(one, params=replace(one.params, candidate=98_765))
    assert "params 1,234 -> 98,765" in " ".join(printed(Report(TOOL, (more,)), width).split())
    assert printed(Report(TOOL, (one,)), width).count("1,234") == 1


def test_the_case_and_what_is_said_of_all_its_rewrites_stand_once() -> None:
    one = result()
    both = printed(Report(TOOL, (one, replace(one, rewrite="fft"))), 80)
    assert both.count(one.layer.split("(")[0]) == 1
    assert both.count("stem is small") == 1


def test_what_was_as_expected_stands_beside_a_row_that_measured_nothing() -> None:
    refused = replace(result(verdict=Verdict.REFUSED), rewrite="patchify-linear")
    (row,) = [line for line in printed(Report(TOOL, (refused,)), 80).splitlines() if "as expected" in line][:-1]
    assert re.split(" {2,}", row) == ["\N{EN DASH} refused", "patchify-linear", "-", "-", "-", "as expected"]


def test_what_does_not_fit_of_a_heading_goes_on_indented() -> None:
    long = replace(result(), layer=f"Sequential({', '.join(['Linear(8, 8)'] * 20)})")
    lines = printed(Report(TOOL, (long,)), 80).splitlines()
    begun = [line.startswith("    ") for line in lines if "Linear(" in line]
    assert (begun[0], set(begun[1:])) == (False, {True})


def test_notes_that_change_nothing_stand_behind_an_option() -> None:
    told = Finding(Kind.MAPPING, "copies drift apart")
    report = Report(TOOL, (replace(result(), notes=(told,)),))
    assert "drift" not in printed(report, 80)
    assert "drift" in printed(report, 80, verbose=True)


def test_signs_are_letters_where_the_encoding_has_no_others() -> None:
    lines = printed(MIXED, 80, encoding="ascii").splitlines()
    begun = [line.split()[0] for line in lines if line[1:].startswith(tuple(f" {verdict} " for verdict in Verdict))]
    assert begun == [sign(one, "+x-!") for one in MIXED.results]
    assert not [line for line in lines if "?" in line]


def test_a_result_is_shown_to_python_in_one_line() -> None:
    wrong = MIXED.results[2]
    assert repr(wrong) == f"<Result different[patchify-linear] different: {wrong.reasons[0]}>"


@pytest.mark.parametrize("width", [80, 100])
def test_the_catalogue_is_a_line_a_rewrite_in_80_columns(width: int) -> None:
    file = io.StringIO()
    console = PlainConsole(file=file, width=width, color_system=None)
    print_all(console, catalogue_tables([facts(name, code=False) for name in catalogue()]))
    lines = file.getvalue().splitlines()
    for name, rewrite in catalogue().items():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert line.rstrip().endswith(rewrite.summary)
        assert len(line.rstrip()) <= 80


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_of_a_rewrite_breaks_no_word(width: int) -> None:
    for name in catalogue():
        page = facts(name, code=False)

        def text(width: int, page: object = page) -> str:
            file = io.StringIO()
            console = PlainConsole(file=file, width=width, color_system=None)
            print_all(console, rewrite_page(page))  # type: ignore[arg-type]
            return file.getvalue()

        missing = set(text(10_000).split()) - set(text(width).split())
        assert {word for word in missing if len(word) <= width - 16} == set()
