"""Every kind of result that has a picture is drawn, whatever its names hold, and the same each time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from convcheck.report.case_figure import draw, has_picture
from convcheck.results import Sides, Verdict
from convcheck.results.pictures import Histogram, OutputMap, Outputs, Picture, Spread, WeightMap
from tests.report import sample_reports

pytest.importorskip("matplotlib")

NAN = float("nan")
IMAGE = ((1.0, 2.0, 3.0), (4.0, NAN, float("inf")))
LINE = ((1.0, 2.0, 3.0, 2.0),)
WEIGHT = WeightMap("weight", "project.weight", "o i -> i o", ((2, 3), (3, 2)), True, IMAGE, ((0.0, 3.0), (NAN, 4.0)))


def outputs(reference: object, candidate: object, difference: object, *axes: str) -> Outputs:
    one = OutputMap(0, reference, candidate, difference)  # type: ignore[arg-type]
    rows, columns = len(one.reference), len(one.reference[0])
    return Outputs((one, replace(one, channel=4)), 9, axes, (rows, columns)[-len(axes) :] if axes else ())


PICTURES = {
    "images": Picture(
        Spread(Histogram(3, {-2: 5, 4: 1}, 1)), outputs(IMAGE, IMAGE, IMAGE, "height", "width"), (WEIGHT,)
    ),
    "lines": Picture(Spread(Histogram(0, {-90: 1, 80: 1})), outputs(LINE, LINE, ((0.0,) * 4,), "length")),
    "no candidate": Picture(None, outputs(IMAGE, None, None, "height", "width"), (replace(WEIGHT, moved=False),)),
    "other shapes": Picture(
        None, replace(outputs(IMAGE, LINE, None, "height", "width"), candidate_lengths=(1, 4)), (WEIGHT, WEIGHT)
    ),
    "a number": Picture(
        Spread(Histogram(1)), Outputs((OutputMap(None, ((2.0,),), ((2.0,),), ((0.0,),)),), None, (), ())
    ),
    "nothing but infinity": Picture(None, outputs(((NAN, NAN),), ((NAN, NAN),), ((NAN, NAN),), "a", "b")),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_it_is_drawn(picture: Picture, tmp_path: Path) -> None:
    result = replace(
        sample_reports.result("a $case_2$ with\nlines", Verdict.DIFFERENT),
        picture=picture,
        layer="L($" + "x, " * 200 + ")",
        output_shape=Sides((1, 2, 3), (1, 2, 3) if picture.outputs and picture.outputs.maps[0].difference else (3, 2)),
    )
    assert has_picture(result)
    for name in ("one.png", "two.png"):
        draw(result, tmp_path / name)
    drawn = (tmp_path / "one.png").read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert drawn == (tmp_path / "two.png").read_bytes()


def test_what_has_no_outputs_has_no_picture() -> None:
    result = sample_reports.result()
    assert not has_picture(result)
    assert not has_picture(replace(result, picture=Picture(Spread(Histogram(3)))))
