"""The benchmark that compares two checkouts: what is a difference, what is none, and that it needs neither's code."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from benchmarks import same_behaviour
from benchmarks.behaviour.asking import Answer, Question, ask, check, load, save
from benchmarks.behaviour.comparing import Found, compare, first_apart
from benchmarks.behaviour.faults import fault_questions
from benchmarks.behaviour.shapes import shape_questions

ROOT = Path(__file__).resolve().parents[2]
SHAPE = Question("shapes", ["shape", "Conv2d(3, 8, 2)", "-i", "1,3,8,8", "-f", "json"])


def results(*values: dict[str, object]) -> Answer:
    return Answer(0, json.dumps({"results": values}), "")


def found(before: Answer, after: Answer) -> Found:
    both = Found()
    compare(SHAPE, before, after, both)
    return both


def test_results_are_compared_one_by_one_and_field_by_field() -> None:
    one = {"case": "a", "rewrite": "fft", "verdict": "equal", "seconds": 0.1, "error": {"bound": 0.1}}
    told = found(results(one, one), results(one, {**one, "verdict": "different", "seconds": 0.2}))
    assert [(each.kind, each.before, each.after) for each in told.differences] == [("verdict", "equal", "different")]
    assert (told.compared, told.different) == (3, 1)
    assert found(results(one), results({**one, "error": {"bound": 0.1 + 2**-56}})).differences[0].kind == "error.bound"


def test_what_is_new_is_told_and_what_is_gone_differs() -> None:
    one, more = {"case": "a", "rewrite": "fft"}, {"case": "a", "rewrite": "fft", "slack": 3}
    assert found(results(one), results(more)).new_fields == {"shape: slack"}
    assert not found(results(one), results(more)).differences
    assert [each.kind for each in found(results(more), results(one)).differences] == ["slack is gone"]
    assert found(results(one), results()).different == 2


def test_exit_codes_texts_and_files_are_compared() -> None:
    told = found(Answer(0, "a\nb\n", "", {"x": "1"}), Answer(1, "a\nc\n", "?", {}))
    assert [each.kind for each in told.differences] == ["exit code", "stdout", "stderr", "file x"]
    assert told.differences[1].before == "line 2: b"


def test_long_texts_are_shown_from_a_little_before_where_they_differ() -> None:
    shown = first_apart("a" * 300 + "b", "a" * 300)
    assert shown == ("..." + "a" * 60 + "b", "..." + "a" * 60)


@pytest.mark.parametrize("draw", [shape_questions, lambda random, count: fault_questions(random, "a: b", [], count)])
def test_the_same_seed_draws_the_same(draw: object) -> None:
    assert callable(draw)
    assert list(draw(Random(3), 80)) == list(draw(Random(3), 80)) != list(draw(Random(4), 80))


def test_a_recording_is_compared_with_a_checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, answer = tmp_path / "before.json", ask(check(ROOT), SHAPE)
    save(file, [(SHAPE, answer)])
    assert load(file) == [(SHAPE, answer)]
    assert same_behaviour.main(["compare", str(file), str(ROOT)]) == 0
    save(file, [(SHAPE, Answer(0, answer.stdout.replace("7", "6"), ""))])
    assert same_behaviour.main(["compare", str(file), str(ROOT)]) == 1
    assert "shapes: stdout.layers[].output[] (2 times)" in capsys.readouterr().out


def test_a_folder_without_the_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is no checkout"):
        check(tmp_path)


def test_questions_need_nothing_of_either_checkout() -> None:
    texts = [path.read_text("utf-8") for path in (ROOT / "benchmarks" / "behaviour").glob("*.py")]
    assert texts
    assert not any(
        line.startswith(("from convcheck", "import convcheck")) for text in texts for line in text.split("\n")
    )
