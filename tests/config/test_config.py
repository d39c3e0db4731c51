"""A config is read as YAML 1.2, and all its faults are told together, each with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from convcheck.catalogue.catalogue import vocabulary
from convcheck.config.case import Case
from convcheck.config.load import load
from convcheck.config.nodes import scalar
from convcheck.errors import ConfigError
from convcheck.sizes.limits import MAX_ENTRIES

Read = Callable[[str | bytes], list[Case]]

LAYER = "layer: Conv2d(3, 8, kernel_size=2, stride=2)"
INPUT = "input: [1, 3, 8, 8]"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def from_text(text: str | bytes) -> list[Case]:
        file = tmp_path / "c.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(file, "c.yaml", vocabulary())

    return from_text


def case(*lines: str) -> str:
    """Write a config with one case."""
    return "cases:\n  - " + "\n    ".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-6", 1e-6),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("-7", -7),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("1.5.2", "1.5.2"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_a_quoted_number_is_text(read: Read) -> None:
    with pytest.raises(ConfigError, match="seed: '5' is no seed"):
        read(case(LAYER, "seed: '5'"))


def test_every_key_reaches_the_case(read: Read) -> None:
    (found,) = read(
        case(
            "name: mine",
            LAYER,
            INPUT,
            "rewrite: [patchify-linear, patchify-conv1x1]",
            "order: kh kw i",
            "dtype: bfloat16",
            "device: cuda:1",
            "seed: 7",
            "tolerance: {atol: 1e-6}",
            "expect: {verdict: different, output: [1, 8, 4, 4], params: {candidate: 104}}",
        )
    )
    assert (found.name, found.inputs, found.order) == ("mine", ((1, 3, 8, 8),), ("kh", "kw", "i"))
    assert found.rewrites == ("patchify-linear", "patchify-conv1x1")
    assert (found.dtype, found.device, found.seed) == ("bfloat16", "cuda:1", 7)
    assert found.tolerance is not None
    assert (found.tolerance.atol, found.tolerance.rtol) == (1e-6, 0.0)
    assert (found.expect.verdict, found.expect.output) == ("different", (1, 8, 4, 4))
    assert (found.expect.params.reference, found.expect.params.candidate) == (None, 104)
    assert found.source == "c.yaml:2"


def test_without_keys_a_case_has_a_name_an_input_and_all_rewrites(read: Read) -> None:
    (found,) = read(case(LAYER))
    assert found.name == "conv2d-3-8-k2-s2"
    assert found.rewrites is None
    assert found.layer.output_shape(*found.inputs)
    (named,) = read(case(LAYER, "rewrite: patchify-linear"))
    assert named.name == "conv2d-3-8-k2-s2-patchify-linear"


def test_defaults_lie_under_every_case(read: Read) -> None:
    one, two = read(
        "defaults: {dtype: float64, seed: 3}\n"
        "cases:\n"
        '  - {name: a, layer: "Conv2d(3, 8, 2, stride=2)"}\n'
        '  - {name: b, layer: "Conv2d(3, 8, 2, stride=2)", dtype: float32}\n'
    )
    assert (one.dtype, one.seed) == ("float64", 3)
    assert (two.dtype, two.seed) == ("float32", 3)


def test_a_matrix_makes_every_combination(read: Read) -> None:
    found = read(
        case(
            'name: "sweep-{p}-{n}-{dtype}"',
            'layer: "Conv2d(3, 8, kernel_size={p}, stride={p})"',
            'input: [1, 3, "{n}", 96]',
            "matrix: {p: [4, [2, 3]], n: [48, 96], dtype: [float32, bfloat16]}",
        )
    )
    assert len(found) == 8
    assert found[0].name == "sweep-4-48-float32"
    assert {c.inputs[0][2] for c in found} == {48, 96}
    assert {str(c.layer) for c in found} == {
        "Conv2d(3, 8, kernel_size=(4, 4), stride=(4, 4))",
        "Conv2d(3, 8, kernel_size=(2, 3), stride=(2, 3))",
    }


def test_a_tenth_of_the_limit_on_entries_holds_five_thousand_cases(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("nodes", "load"):
        monkeypatch.setattr(f"convcheck.config.{module}.MAX_ENTRIES", MAX_ENTRIES // 10)
    lines = (f"  - {{name: case-{n}, layer: ReLU()}}\n" for n in range(5_000))
    found = read("cases:\n" + "".join(lines))
    assert [case.name for case in found] == [f"case-{n}" for n in range(5_000)]
    assert found[-1].source == "c.yaml:5001"


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b""], ids=["with a byte order mark", "without"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_marks_and_line_ends_do_not_matter(read: Read, prefix: bytes, newline: bytes) -> None:
    (found,) = read(prefix + case(LAYER, INPUT).encode().replace(b"\n", newline))
    assert found.source == "c.yaml:2"


FAULTS = {
    "no YAML": ("cases: [\n", "c.yaml:2:1: not YAML: "),
    "an empty file": ("", "c.yaml:1:1: the file is empty; it needs a list of cases"),
    "not UTF-8": (b"a: 1\nb: \xe9\n", "c.yaml:2:4: not UTF-8 text: byte 0xe9 cannot be read; save it as UTF-8"),
    "not UTF-8, behind an empty line": (b"\n\xe9", "c.yaml:2:1: not UTF-8 text: byte 0xe9"),
    "an alias of nothing": ("cases:\n  - *a\n", "c.yaml:2:5: not YAML: found undefined alias 'a'"),
    "an anchor twice": (
        "cases: [&a 1, &a 2]\n",
        "c.yaml:1:15: not YAML: found duplicate anchor 'a'; first occurrence, second occurrence",
    ),
    "an alias that contains itself, and one of what is around it": (
        "cases: [&a [*a], *a]\n",
        "c.yaml:1:9: cases[1][0]: an alias that contains itself",
    ),
    "two documents": ("a: 1\n---\nb: 2\n", "not YAML: expected a single document"),
    "a list at the top": ("- a\n", "a config is a mapping with the key 'cases'"),
    "no cases": ("cases: []\n", "c.yaml:1:1: cases: needs a list of cases, with at least one"),
    "an unknown key at the top": ("cases_: []\n", "c.yaml:1:1: cases_: unknown key; did you mean 'cases'?"),
    "an unknown key": (case(LAYER, "inputs: [1]"), "c.yaml:3:5: cases[0].inputs: unknown key; did you mean 'input'?"),
    "a duplicate key": (
        case(LAYER, LAYER),
        "c.yaml:3:5: cases[0].layer: this key stands twice; the first is in line 2",
    ),
    "a key with another letter, which is one mistake": (
        case(LAYER.replace("layer", "layr")),
        "c.yaml:2:5: cases[0].layr: unknown key; did you mean 'layer'?",
    ),
    "a missing layer": (case("name: a"), "c.yaml:2:5: cases[0]: the key 'layer' is missing"),
    "a tag": (
        case("name: !!python/name:os.system x", LAYER),
        "c.yaml:2:11: cases[0].name: the tag !!python/name:os.system is not read here",
    ),
    "a key that is a list": ("? [a]\n: b\n", "c.yaml:1:3: a key must be a word"),
    "an unknown layer": (
        case("layer: Convv2d(3, 8, 2)"),
        "cases[0].layer: unknown layer 'Convv2d'; did you mean 'Conv2d'?",
    ),
    "a negative stride": (case("layer: Conv2d(3, 8, 2, stride=-1)"), "Conv2d: stride is -1; it must be a whole number"),
    "a fault inside a layer's mapping": (
        case("layer: {op: Conv2d, in_channels: 3, out_channels: 8, kernel_size: 0}"),
        "c.yaml:2:58: cases[0].layer.kernel_size: kernel_size is 0",
    ),
    "an input of another rank": (
        case(LAYER, "input: [3, 8]"),
        "c.yaml:3:5: cases[0].input: Conv2d takes [batch, 3, H, W]",
    ),
    "an input with other channels": (
        case(LAYER, "input: [1, 4, 8, 8]"),
        "Conv2d takes 3 input channels; [1, 4, 8, 8] has 4",
    ),
    "an input that is too small": (
        case(LAYER, "input: [1, 3, 1, 8]"),
        "the output would be empty; h must be at least 2",
    ),
    "an input of text": (case(LAYER, "input: big"), "cases[0].input: 'big' is not a shape"),
    "an unknown rewrite": (case(LAYER, "rewrite: patchify-liner"), "did you mean 'patchify-linear'?"),
    "a rewrite twice": (case(LAYER, "rewrite: [patchify-linear, patchify-linear]"), "names a rewrite twice"),
    "no rewrite": (case(LAYER, "rewrite: []"), "must name a rewrite, or be 'all'"),
    "an unknown dtype": (case(LAYER, "dtype: float31"), "'float31' is no dtype; there are: float64, float32"),
    "an unknown device": (case(LAYER, "device: gpu"), "'gpu' is no device; there are: cpu, cuda, cuda:0"),
    "a seed of text": (case(LAYER, "seed: yes"), "seed: 'yes' is no seed; it must be a whole number from 0"),
    "a name that is a number": (case(LAYER, "name: 5"), "name: 5 will not do; it must be a text"),
    "an unknown verdict": (case(LAYER, "expect: {verdict: same}"), "must be one of equal, different, refused"),
    "an unknown key in expect": (
        case(LAYER, "expect: {outputs: [1]}"),
        "expect.outputs: unknown key; did you mean 'output'?",
    ),
    "a negative count": (
        case(LAYER, "expect: {params: -1}"),
        "expect.params: -1 will not do; it must be one whole number",
    ),
    "a train of text": (case(LAYER, 'train: "yes"'), "train: 'yes' will not do; it must be true or false"),
    "a tolerance of text": (case(LAYER, "tolerance: small"), "'small' will not do; it must be auto, or a mapping"),
    "a negative tolerance": (case(LAYER, "tolerance: {atol: -1}"), "tolerance.atol: -1 is no tolerance"),
    "an order without an axis": (
        case(LAYER, "rewrite: patchify-linear", "order: kh kw"),
        "c.yaml:4:5: cases[0].order: 'kh kw' must name each axis of a patch once; in some order, 'i kh kw'",
    ),
    "an order where there is none": (
        case(LAYER, "rewrite: patchify-conv1x1", "order: kh kw i"),
        "patchify-conv1x1 lays patches out in one order only; free to choose are: linear-unpatchify, patchify-linear",
    ),
    "a pattern that loses an axis": (
        case(LAYER, "rewrite: patchify-linear", "transplant: {weight: o i kh kw -> o (i kh)}"),
        "c.yaml:4:18: cases[0].transplant.weight: 'o i kh kw -> o (i kh)' loses kw",
    ),
    "a pattern of another rank": (
        case(LAYER, "rewrite: patchify-linear", "transplant: {weight: o i -> o i}"),
        "'o i' has 2 axes, but the tensor is [8, 3, 2, 2], which has 4",
    ),
    "a step behind a pattern that is none": (
        case(LAYER, "rewrite: patchify-linear", 'transplant: {weight: "o i kh kw -> o (i kh kw) | flop kh"}'),
        "c.yaml:4:18: cases[0].transplant.weight: 'flop' is no step; did you mean 'flip'?",
    ),
    "a step along an axis that is not there": (
        case(LAYER, "rewrite: patchify-linear", 'transplant: {weight: "o i kh kw -> o (i kh kw) | flip kt"}'),
        "c.yaml:4:18: cases[0].transplant.weight: 'flip kt': there is no such axis; there are: o, i, kh, kw",
    ),
    "a step that has no way back": (
        case(LAYER, "rewrite: patchify-linear", 'transplant: {weight: "o i kh kw -> o (i kh kw) | part o 1 2"}'),
        "transplant.weight: 'part o 1 2' leaves the rest behind, and there would be no way back",
    ),
    "a transplant of no parameter": (
        case(LAYER, "rewrite: patchify-linear", "transplant: {wieght: o i kh kw -> o (i kh kw)}"),
        "has no such parameter; did you mean 'weight'?",
    ),
    "a transplant for no rewrite": (
        case(LAYER, "transplant: {weight: o i kh kw -> o (i kh kw)}"),
        "name the rewrite it is for",
    ),
    "a matrix variable that is not used": (
        case(LAYER, "matrix: {p: [1]}"),
        "c.yaml:3:14: cases[0].matrix.p: this variable is used nowhere",
    ),
    "a variable that is not in the matrix": (
        case('name: "{q}"', 'layer: "Conv2d(3, 8, {p})"', "matrix: {p: [1]}"),
        "{q} is no variable of the matrix",
    ),
    "a matrix that is no mapping": (case(LAYER, "matrix: [1]"), "must be a mapping from variables to lists"),
    "a matrix with a value that is no number": (
        case(LAYER, "tolerance: {atol: '{p}'}", "matrix: {p: [1, .inf]}"),
        "cases[0].matrix.p: must not hold .inf or .nan",
    ),
    "a matrix variable without values": (case(LAYER, "matrix: {seed: []}"), "must be a list with at least one value"),
    "a name twice after expansion": (
        case("name: a", LAYER, "matrix: {dtype: [float32, float64]}"),
        "c.yaml:2:5: cases[0].name: several combinations have the name 'a'; put a variable of the matrix into it",
    ),
    "a name of two cases": (
        "cases:\n  - {name: a, layer: 'Linear(2, 3)'}\n  - {name: a, layer: 'Linear(2, 4)'}\n",
        "c.yaml:3:6: cases[1].name: the name 'a' is taken by the case in line 2",
    ),
    "a name of two cases, both of which are faulty": (
        "cases:\n  - {name: a, layer: 'Linear(2'}\n  - {name: a, layer: 'Linear(2, 4'}\n",
        "c.yaml:3:6: cases[1].name: the name 'a' is taken by the case in line 2",
    ),
    "a variable without a matrix": (
        case(LAYER, 'name: "w{x}"'),
        "{x} is no variable of the matrix; there is no matrix",
    ),
    "a rewrite beside all": (case(LAYER, "rewrite: [all, patchify-linear]"), "'all' stands alone"),
    "a rewrite in markup": (case(LAYER, "rewrite: '[red]x'"), "unknown rewrite '[red]x'"),
    "an axis that einops cannot name": (
        case(LAYER, "rewrite: patchify-linear", "transplant: {weight: o i if kw -> o (i if kw)}"),
        "calls an axis 'if', which einops cannot",
    ),
    "a pattern that einops explains in two lines": (
        case(LAYER, "rewrite: patchify-linear", "transplant: {weight: o_ i kh kw -> o_ (i kh kw)}"),
        "Invalid axis identifier: o_ axis name should",
    ),
}


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_says_what_is_wrong_and_where(read: Read, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(text)
    assert message in str(error.value)


def test_all_faults_are_told_at_once_in_the_order_of_the_file(read: Read) -> None:
    with pytest.raises(ConfigError) as error:
        read(
            "defaults: {dtype: float31}\n"
            "cases:\n"
            "  - {name: a, layer: Foo(3), sed: 3}\n"
            '  - {name: b, layer: "Conv2d(3, 8, 2, stride=0)", expect: {verdict: fine, params: {left: 3}}}\n'
        )
    assert [(fault.line, fault.path) for fault in error.value.faults] == [
        (1, "defaults.dtype"),
        (3, "cases[0].layer"),
        (3, "cases[0].sed"),
        (4, "cases[1].layer"),
        (4, "cases[1].expect.verdict"),
        (4, "cases[1].expect.params.left"),
    ]


def test_one_fault_of_a_matrix_is_told_once(read: Read) -> None:
    with pytest.raises(ConfigError) as error:
        read(case('name: "{seed}"', "layer: Conv2d(3, 8, 0)", f"matrix: {{seed: {list(range(50))}}}"))
    assert len(error.value.faults) == 1


def test_a_directory_or_a_missing_file_is_a_fault_and_no_crash(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "a folder is not read"), (tmp_path / "none.yaml", "cannot be read")):
        with pytest.raises(ConfigError, match=message):
            load(path, "x", vocabulary())


def test_a_tag_may_make_a_number_text(read: Read) -> None:
    assert read(case(LAYER, "name: !!str 12"))[0].name == "12"


def test_all_in_a_list_is_all(read: Read) -> None:
    assert read(case(LAYER, "rewrite: [all]"))[0].rewrites is None


def test_no_fault_hides_another(read: Read) -> None:
    with pytest.raises(ConfigError) as error:
        read(
            "cases:\n"
            "  - {name: a, layer: !!python/name:x Foo, input: 3, seed: -1}\n"
            '  - {name: b, name: c, layer: "Conv2d(3, 8, 2, stride=2)", input: [1, 4, 8, 8], dtype: x, order: kh kw}\n'
            '  - {name: d, layer: "Conv2d(3, 8, {p})", matrix: {q: [1]}, device: gpu, rewrite: none, order: kh kw}\n'
            '  - {name: e, layer: "Conv2d(3, 8, 2)", matrix: 3, input: [1]}\n'
        )
    assert [(fault.line, fault.path) for fault in error.value.faults] == [
        (2, "cases[0].layer"),
        (2, "cases[0].input"),
        (2, "cases[0].seed"),
        (3, "cases[1].name"),
        (3, "cases[1].input"),
        (3, "cases[1].dtype"),
        (3, "cases[1].order"),
        (4, "cases[2]"),
        (4, "cases[2].matrix.q"),
        (4, "cases[2].device"),
        (4, "cases[2].rewrite"),
        (5, "cases[3].matrix"),
        (5, "cases[3].input"),
    ]
