"""Results as JUnit XML, which test reports of most CI systems read: one testcase a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from junitparser import Error, Failure, JUnitXml, Properties, Property, Skipped, SystemOut, TestCase, TestSuite

from convcheck.errors import Fault, escape_line
from convcheck.report.format_values import format_number
from convcheck.report.result_rows import cut_short, evidence, made_with, reasons, sizes, source_line, title, total_text
from convcheck.results import Report, Result, SizesStatus, Verdict

COMMAND_LINE = "convcheck"
"""The class of a layer on the command line, which stands in no config."""

UNTRIED = "not tried"
"""The name of what stands for all claims that were not tried."""


def render(report: Report) -> str:
    """Return an XML document. What is as expected passes, refusals included; an `error` verdict is an error.

    Of a run that was cut short, one more testcase says how much is missing: skipped, if the run stopped at
    its limit of failures; else an error, since all results that are there may have passed.
    """
    suite = TestSuite(COMMAND_LINE)
    suite.add_property("made with", made_with(report))
    suite.add_property("summary", total_text(report))
    suite.add_testcases([_testcase(result) for result in report.results])
    if stopped := cut_short(report):
        rest = TestCase(UNTRIED, COMMAND_LINE)
        rest.append((Error if report.interrupted else Skipped)(stopped, UNTRIED))
        suite.add_testcase(rest)
    return _document(suite)


def render_faults(faults: Sequence[Fault]) -> str:
    """Return an XML document with an error for every fault, as pytest has one for what it cannot collect."""
    suite = TestSuite(COMMAND_LINE)
    for fault in faults:
        case = TestCase(escape_line(fault.path or "config"), escape_line(fault.file))
        error = Error(escape_line(fault.message), "config")
        error.text = str(fault)
        case.append(error)
        suite.add_testcase(case)
    return _document(suite)


def _document(suite: TestSuite) -> str:
    document = JUnitXml(COMMAND_LINE)
    document.add_testsuite(suite)
    # Letters beyond ASCII become references, so it reads the same in whatever encoding it is stored.
    text = document.tostring().decode("utf-8").encode("ascii", "xmlcharrefreplace").decode("ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'


def _testcase(result: Result) -> TestCase:
    where = source_line(result)
    case = TestCase(title(result), where[0] if where else COMMAND_LINE, round(result.seconds, 6))
    properties = Properties()
    for name, value in _properties(result):
        properties.add_property(Property(name, escape_line(value)))
    case.append(properties)
    if not result.ok:
        case.append(_outcome(result))
    case.append(SystemOut("\n".join(f"{subject:<12}{text}" for subject, text in evidence(result))))
    return case


def _properties(result: Result) -> Iterator[tuple[str, str]]:
    yield "verdict", result.verdict
    yield "expected", result.expected
    if result.source:
        yield "source", result.source
    if result.sizes.status is not SizesStatus.NOT_ASKED:
        yield "sizes", sizes(result)
    yield "ratio", format_number(result.error.ratio)
    yield "bound", format_number(result.error.bound)
    yield "reproduce", result.reproduce


def _outcome(result: Result) -> Error | Failure:
    lines = reasons(result) or [f"expected {result.expected}, got {result.verdict}"]
    outcome = (Error if result.verdict is Verdict.ERROR else Failure)("; ".join(lines), result.verdict)
    outcome.text = "\n".join([*lines, f"again: {escape_line(result.reproduce)}"])
    return outcome
