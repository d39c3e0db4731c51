"""The pytest plugin, run by pytest in this process, and in others where that matters."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from convcheck.all_sizes import proof
from convcheck.catalogue.claims import Claim
from convcheck.cli.main import app
from convcheck.proof import verification
from convcheck.proof.pair import Pair
from tests.strategies.shown import comparable
from tests.strategies.sizes import REFUTED

pytest_plugins = ["pytester"]

GOOD = '  - {name: good, layer: "Conv2d(3, 4, 2, stride=2)", input: [1, 3, 8, 8], rewrite: patchify-linear}\n'
REFUSED = """\
  - name: refused
    layer: Conv2d(3, 4, 2, stride=2, padding=1)
    input: [1, 3, 8, 8]
    rewrite: patchify-linear
"""
WRONG = """\
  - name: wrong
    layer: Conv2d(3, 4, kernel_size=2, stride=2)
    input: [1, 3, 8, 8]
    rewrite: patchify-linear
    transplant: {weight: "o i kh kw -> o (kh kw i)"}
"""
DIFFERENT = WRONG.replace("name: wrong", "name: expected") + "    expect: {verdict: different}\n"
ALL = "cases:\n" + GOOD + REFUSED + WRONG + DIFFERENT
BROKEN = "cases:\n  - {layer: Conv2d(3), inputs: 3}\n  - {layer: Conv2d(3, 4, 2), rewrite: none}\n"

REGISTERED = any(each.value == "convcheck.pytest_plugin" for each in entry_points(group="pytest11"))


@pytest.fixture(scope="module")
def _imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import all that a run needs, since pytester forgets what is imported during one, and it would be there twice."""
    config = tmp_path_factory.mktemp("imported") / "all.yaml"
    config.write_text(ALL)
    assert CliRunner().invoke(app, ["verify", str(config)]).exit_code == 1


@pytest.fixture
def run(_imported: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Run pytest in a folder with some configs, and with the plugin even where convcheck is not installed."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makefile(".yaml", **{"convcheck-all": ALL, "other": "cases:\n" + WRONG})
    pytester.makeini("[pytest]\naddopts = -p no:cov -p no:hypothesispytest\n")
    folder = pytester.mkdir("configs")
    (folder / "one.yaml").write_text("cases:\n" + GOOD)
    (folder / "deep").mkdir()
    (folder / "deep" / "two.yml").write_text("cases:\n" + REFUSED)
    plugin = [] if REGISTERED else ["-p", "convcheck.pytest_plugin"]

    def run(*words: str, apart: bool = False) -> pytest.RunResult:
        """Run in this process, which has imported torch, or `apart`, in one of its own."""
        start = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return start(*plugin, "-p", "no:cov", *words)

    return run


def collected(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]


def outcomes(result: pytest.RunResult) -> set[tuple[str, str]]:
    found = re.findall(r"(PASSED|FAILED|ERROR) (\S+::\S+)", "\n".join(result.outlines))
    return {(word, name) for word, name in found}


ITEMS = [f"convcheck-all.yaml::{name}[patchify-linear]" for name in ("good", "refused", "wrong", "expected")]
FOLDER = ["configs/deep/two.yml::refused[patchify-linear]", "configs/one.yaml::good[patchify-linear]"]


def test_every_claim_of_a_config_named_convcheck_is_a_test(run) -> None:
    assert collected(run("--collect-only", "-q")) == ITEMS


def test_what_is_not_as_expected_fails_with_the_words_of_convcheck(run) -> None:
    result = run("-v")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*::good[[]patchify-linear[]] PASSED*",
            "*::expected[[]patchify-linear[]] PASSED*",
            "refused: padding is (1, 1), and needs to be 0*",
            "*[[]1, 3, 8, 8[]]*",
            "*again *convcheck verify *",
            "convcheck-all.yaml:3: refused",
            "different: weight was laid out as 'o i kh kw -> o (kh kw i)', and 'o i kh kw -> o (i kh kw)' matches*",
            "*different on 1 probe*",
            "*again *convcheck verify convcheck-all.yaml -k *",
            "convcheck-all.yaml:*: different",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*def *")


@pytest.mark.kernels
def test_the_page_shows_what_pytest_prints(run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)  # there pytest cuts no line
    page = (Path(__file__).parent.parent / "docs" / "ci.md").read_text("utf-8")
    (config,) = re.findall(r"```yaml\n(# convcheck-embed.yaml\n(?:.*\n)*?)```", page)
    (shown,) = re.findall(r"```text\n\$ pytest -q\n((?:.*\n)*?)```", page)
    (pytester.path / "convcheck-all.yaml").unlink()
    (pytester.path / "convcheck-embed.yaml").write_text(config)
    texts = ("\n".join(run("-q").outlines), shown)
    printed, expected = (comparable(re.sub(r"\bin [\d.]+s\b", "in 1s", text.strip())) for text in texts)
    assert printed == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--convcheck", "configs"), [*FOLDER, *ITEMS]),
        (("--convcheck=configs/deep",), [FOLDER[0], *ITEMS]),
        (("--convcheck", "configs/one.yaml", "--convcheck", "configs/deep"), [*FOLDER, *ITEMS]),
        (("--convcheck", "configs", "convcheck-all.yaml"), [*ITEMS, *FOLDER]),
        (("--convcheck", "configs", "configs/one.yaml"), FOLDER[1:]),
        (("--convcheck", "configs", FOLDER[0]), FOLDER[:1]),
        (("--convcheck", "configs", "configs"), FOLDER),
        (("-k", "wrong or good"), [ITEMS[0], ITEMS[2]]),
        (("convcheck-all.yaml::refused",), [ITEMS[1]]),
    ],
)
def test_collects(run, words: tuple[str, ...], expected: list[str]) -> None:
    assert collected(run("--collect-only", "-q", *words)) == expected


def test_a_hidden_folder_that_is_named_is_entered(run, pytester: pytest.Pytester) -> None:
    (pytester.path / "configs").rename(pytester.path / ".ci")
    found = [name.replace("configs", ".ci") for name in FOLDER]
    assert collected(run("--collect-only", "-q", "--convcheck", ".ci")) == [*found, *ITEMS]
    assert collected(run("--collect-only", "-q", "--convcheck", ".ci", "convcheck-all.yaml")) == [*ITEMS, *found]


def test_a_folder_of_the_settings_adds_nothing_to_a_test_that_is_named(run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naddopts = --convcheck configs\ntestpaths = tests\n")
    pytester.mkdir("tests").joinpath("test_one.py").write_text("def test_one(): pass\n")
    assert collected(run("--collect-only", "-q")) == ["tests/test_one.py::test_one", *FOLDER]
    assert collected(run("--collect-only", "-q", "tests")) == ["tests/test_one.py::test_one"]
    assert collected(run("--collect-only", "-q", "configs/one.yaml")) == FOLDER[1:]


def test_yaml_of_another_program_is_passed_over_in_a_folder_with_a_note(run, pytester: pytest.Pytester) -> None:
    (pytester.path / "configs" / "docker-compose.yml").write_text("services: {}\n")
    result = run("--collect-only", "--convcheck", "configs", "configs")
    result.stdout.fnmatch_lines(
        ["convcheck: passed over, since there is no key 'cases': *docker-compose.yml", "*2 tests collected*"]
    )
    named = run("--collect-only", "-q", "--convcheck", "configs/docker-compose.yml", "configs/docker-compose.yml")
    named.stdout.fnmatch_lines(["*needs a list of cases*"])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("none", "*there is no such file or folder"),
        ("empty", "*this folder holds no config; *"),
        ("hiding", "*this folder holds no config; *"),
        ("foreign", "*this folder holds no config; *"),
    ],
)
def test_a_folder_without_configs_is_an_error_of_usage(run, pytester: pytest.Pytester, word: str, message: str) -> None:
    pytester.mkdir("empty")
    (pytester.mkdir("foreign") / "docker-compose.yml").write_text("services: {}\n")
    # Hidden folders, such as a virtual environment's, are not looked into.
    hidden = pytester.mkdir("hiding") / ".venv"
    hidden.mkdir()
    (hidden / "some.yaml").write_text("cases: 3\n")
    result = run("--convcheck", word)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_a_fault_of_convcheck_itself_fails_its_own_claim_with_a_traceback(run, monkeypatch: pytest.MonkeyPatch) -> None:
    right = verification.build_pair

    def planted(claim: Claim) -> Pair:
        return right(claim) if claim.case.name != "good" else 1 // 0

    monkeypatch.setattr(verification, "build_pair", planted)
    result = run("convcheck-all.yaml")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(["*ZeroDivisionError*"])


def test_the_faults_of_a_config_are_one_error_of_collection(run, pytester: pytest.Pytester) -> None:
    (pytester.path / "convcheck-broken.yml").write_text(BROKEN)
    result = run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            "convcheck-broken.yml:2:*: cases[[]0[]].layer*",
            "convcheck-broken.yml:2:*: cases[[]0[]].inputs: unknown key; did you mean 'input'?",
            "convcheck-broken.yml:3:*: cases[[]1[]].rewrite*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*def *")


def test_names_and_messages_move_no_cursor(run, pytester: pytest.Pytester) -> None:
    (pytester.path / "convcheck-odd.yaml").write_text(
        'cases:\n  - {name: "a\\e[31m", layer: "Conv2d(3, 4, 2, padding=1)", rewrite: patchify-linear}\n'
    )
    result = run("convcheck-odd.yaml", "-v", "--color=no")
    result.assert_outcomes(failed=1)
    assert "\x1b" not in result.stdout.str()
    assert "a\\x1b[31m[patchify-linear]" in result.stdout.str()


def test_verdict_and_ratio_are_in_the_junit_report(run, pytester: pytest.Pytester) -> None:
    run("--junit-xml=out.xml")
    cases = {case.get("name"): case for case in ElementTree.parse(pytester.path / "out.xml").iter("testcase")}
    said = {
        name: {each.get("name"): each.get("value") for each in case.iter("property")} for name, case in cases.items()
    }
    assert {name: each["verdict"] for name, each in said.items()} == {
        "good[patchify-linear]": "equal",
        "refused[patchify-linear]": "refused",
        "wrong[patchify-linear]": "different",
        "expected[patchify-linear]": "different",
    }
    assert (
        0
        <= float(said["good[patchify-linear]"]["ratio"] or "nan")
        <= 1
        < float(said["wrong[patchify-linear]"]["ratio"] or "nan")
    )
    assert "ratio" not in said["refused[patchify-linear]"]
    (failure,) = cases["refused[patchify-linear]"].iter("failure")
    assert (failure.text or "").startswith("refused: padding is (1, 1)")


def test_last_failed_and_stopping_at_the_first_failure_work(run) -> None:
    run("-x").assert_outcomes(passed=1, failed=1)
    assert collected(run("--lf", "--collect-only", "-q")) == [ITEMS[1]]


def test_workers_come_to_the_same_outcomes(run) -> None:
    pytest.importorskip("xdist")
    words = ("-rA", "--convcheck", "configs")
    alone, shared = run(*words), run(*words, "-n", "2", apart=True)
    shared.assert_outcomes(passed=3, failed=3)
    assert outcomes(shared) == outcomes(alone)
    assert len(outcomes(alone)) == 6
    shared.stdout.fnmatch_lines(["refused: padding is (1, 1), and needs to be 0*", "convcheck-all.yaml:3: refused"])


def test_a_warning_of_torch_is_shown_and_is_no_verdict(run, pytester: pytest.Pytester) -> None:
    (pytester.path / "convcheck-all.yaml").write_text(
        "cases:\n  - {layer: \"Conv2d(3, 4, 2, padding='same')\", rewrite: explicit-pad}\n"
    )
    run("-W", "error", apart=True).assert_outcomes(passed=1, warnings=1)


def test_without_the_plugin_pytest_collects_no_config(run) -> None:
    if not REGISTERED:
        pytest.skip("it is not installed, so there is nothing to leave out")
    assert run("-p", "no:convcheck", apart=True).ret == pytest.ExitCode.NO_TESTS_COLLECTED


PROBE = """
import sys, pytest
code = pytest.main([*{words!r}, "-p", "no:hypothesispytest", "-p", "no:cov"])
print("HEAVY", int(code), *sorted(name for name in sys.modules if name.split(".")[0] in {heavy!r} or name in {ours!r}))
"""


@pytest.mark.parametrize(("files", "code"), [(["test_one.py"], 0), ([], 5)])
def test_where_there_is_no_config_only_the_plugin_is_imported(tmp_path: Path, files: list[str], code: int) -> None:
    for name in files:
        (tmp_path / name).write_text("def test_one(): pass\n")
    heavy = {"torch", "numpy", "pydantic", "yaml", "einops", "typer", "rich"}
    ours = {
        "convcheck.config.load",
        "convcheck.results",
        "convcheck.catalogue.catalogue",
        "convcheck.layers",
        "convcheck.errors",
    }
    words = ["--collect-only", "-q", *([] if REGISTERED else ["-p", "convcheck.pytest_plugin"])]
    script = PROBE.format(words=words, heavy=heavy, ours=ours)
    here = str(Path(__file__).resolve().parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": here},
        check=True,
    )
    assert done.stdout.splitlines()[-1] == f"HEAVY {code}"


CODE = """
from pathlib import Path
from torch import nn

Path("imported").touch()

def conv():
    return nn.Conv2d(3, 4, 2)
"""
OF_CODE = 'cases:\n  - {name: code, reference: "model.py:conv()", candidate: "Conv2d(3, 4, 2)", input: [1, 3, 8, 8]}\n'


def test_code_in_a_config_is_run_where_the_settings_trust_it(run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(model=CODE)
    path = pytester.makefile(".yaml", **{"convcheck-code": OF_CODE})
    refused = run(path)
    refused.assert_outcomes(errors=1)
    assert "run only with convcheck_trust = true in pytest's settings" in refused.stdout.str()
    assert not Path("imported").exists()
    run(path, "-o", "convcheck_trust=true").assert_outcomes(passed=1)
    assert Path("imported").exists()


def test_a_config_that_asks_for_all_sizes_gets_them(
    run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "prove", lambda *_: REFUTED)
    case = GOOD.replace("}", ", sizes: all}")
    expected = case.replace("good", "expected").replace("all}", "all, expect: {sizes: refuted}}")
    pytester.makefile(".yaml", **{"convcheck-all": f"cases:\n{case}{expected}"})
    result = run("-v", "--junit-xml=found.xml")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "equal: not for all sizes: at b=1 h=31 w=2, output [[]0, 0, 15, 0[]]: *",
            "*sizes *refuted at b=1 h=31 w=2, *",
            "*again *convcheck verify *--all-sizes*",
            "convcheck-all.yaml:2: equal",
        ]
    )
    found = ElementTree.parse(pytester.path / "found.xml").iter("property")
    assert [each.get("value") for each in found if each.get("name") == "sizes"] == ["not at h=31"] * 2
    # What is not installed here is no fault of a claim.
    monkeypatch.setitem(sys.modules, "islpy", None)
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*all sizes: islpy is not installed here*"])
