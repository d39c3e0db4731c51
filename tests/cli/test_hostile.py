"""Input that means harm, to every command: one message and exit code 2, at once and in little memory; nothing is run.

Peaks of memory are read from the kernel, per input. The alarm is there for hangs alone; no time is asserted.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from convcheck.errors import LayerError
from convcheck.layers import parse_layer
from convcheck.layers.text.pasted import parse_pasted
from tests.strategies.hostile import guarded, refused

Run = Callable[..., Result]

LAYER = "layer: Conv2d(3, 8, kernel_size=2, stride=2)"
MANY_LENGTHS = ",".join(["2"] * 1_000_000)
AXES = " ".join(f"a{n}" for n in range(5000))
TRAP = "__import__('pathlib').Path('ran').touch()"
"""Python that would leave a file behind."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def case(*lines: str) -> str:
    return "cases:\n  - " + "\n    ".join(lines) + "\n"


def nested(opening: str, closing: str, depth: int, inner: str = "") -> str:
    return opening * depth + inner + closing * depth


FILES: dict[str, tuple[str | bytes, str]] = {
    "aliases that write out to billions of entries": (
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "more than 500000 entries, aliases written out",
    ),
    "aliases of mappings that write out to billions": (
        "a: &a {x: 1, y: 2}\n"
        + "".join(f"a{n + 1}: &a{n + 1} {{x: *a{n or ''}, y: *a{n or ''}}}\n" for n in range(40)),
        "more than 500000 entries",
    ),
    "an alias that contains itself": ("cases: &a [*a]\n", "an alias that contains itself"),
    "flow lists nested 100,000 deep": ("cases: " + "[" * 100_000, "nested too deeply"),
    "closed flow lists nested 100,000 deep": ("cases: " + nested("[", "]", 100_000), "nested too deeply"),
    "flow mappings nested 100,000 deep": ("cases: " + "{a: " * 100_000, "nested too deeply"),
    "block lists nested 100,000 deep": ("- " * 100_000 + "x\n", "nested too deeply"),
    "keys of keys nested 100,000 deep": ("? " * 100_000 + "x\n", "nested too deeply"),
    "mappings indented 1,000 deep": ("".join(" " * n + "a:\n" for n in range(1000)), "nested too deeply"),
    "a file of 9 MB": ("#" * 9_000_000, "8388608 at most are read"),
    "a text of 8 MB": (f'cases: "{"x" * 8_000_000}"', "needs a list of cases"),
    "8 MB of comments": ("#x\n" * 2_700_000, "the file is empty"),
    "8 MB of numbers": ("cases: [" + "1," * 4_000_000 + "]", "more than 500000 entries"),
    "8 MB of brackets": ("[" * 8_000_000, "nested too deeply"),
    "a name of 8 MB": (case(f'name: "{"x" * 8_000_000}"', LAYER), "it must be a text of 1 to 200 characters"),
    "a key of 8 MB": (f"? {'x' * 8_000_000}\n: 1\ncases: [{{layer: ReLU()}}]", "unknown key"),
    "a tag that would run Python": (f'cases: !!python/object/apply:eval ["{TRAP}"]', "is not read here"),
    "a tag that would import a module": (case("name: !!python/module:antigravity x", LAYER), "is not read here"),
    "a tag of the user's own": (case("name: !boom x", LAYER), "the tag !boom is not read here"),
    "a NUL byte": (b"a: 1\nb: \x00", "c.yaml:2:4: not YAML: the control character U+0000"),
    "an escape code": (case(LAYER, 'name: "\x1b[31m"'), "c.yaml:3:12: not YAML: the control character U+001B"),
    "UTF-16": ("cases: []".encode("utf-16"), "not UTF-8 text: UTF-16; save it as UTF-8"),
    "UTF-16 without a mark": ("cases: []".encode("utf-16-be"), "the control character U+0000"),
    "UTF-32": ("cases: []".encode("utf-32"), "save it as UTF-8"),
    "Latin-1": ("cases: []\n# é".encode("latin-1"), "c.yaml:2:3: not UTF-8 text: byte 0xe9"),
    "random bytes": (bytes(range(256)) * 100, "not UTF-8 text"),
    "an executable": (b"\x7fELF\x02\x01\x01\x00" + b"\x00" * 1000, "the control character U+007F"),
    "a tab where the indentation is": ("cases:\n\t- a\n", "c.yaml:2:1: not YAML: a tab stands"),
    "a tab after a dash's key": ("cases:\n  - layer: ReLU()\n\t  input: [1]\n", "c.yaml:3:1: not YAML: a tab stands"),
    "a matrix of a million combinations": (
        case(LAYER, f"matrix: {{a: {list(range(1000))}, seed: {list(range(1000))}}}", 'name: "{a}-{seed}"'),
        "1000000 cases of 6 entries each make 6000000 entries; 500000 at most",
    ),
    "a matrix of 10^12 combinations": (
        case(
            LAYER,
            f"matrix: {{{', '.join(f'k{n}: {list(range(10))}' for n in range(12))}}}",
            f'name: "{"".join(f"{{k{n}}}" for n in range(12))}"',
        ),
        "1000000000000 cases of 16 entries each",
    ),
    "a matrix of 10^5000 combinations": (
        case(
            LAYER,
            f"matrix: {{{', '.join(f'k{n}: {list(range(10))}' for n in range(5000))}}}",
            f'name: "{"".join(f"{{k{n}}}" for n in range(5000))}"',
        ),
        "a number of thousands of digits cases of 5004 entries each",
    ),
    "a thousand matrices of thousands": (
        "cases:\n"
        + "".join(
            f'  - {{layer: ReLU(), name: "{n}-{{seed}}", matrix: {{seed: *s}}}}\n'
            if n
            else f'  - {{layer: ReLU(), name: "0-{{seed}}", matrix: {{seed: &s {list(range(400))}}}}}\n'
            for n in range(1000)
        ),
        "cases[250]: 400 cases of 5 entries each, with what is before, make 502000 entries",
    ),
    "a matrix of a case of thousands of weights": (
        case(
            LAYER,
            "rewrite: patchify-linear",
            f"transplant: {{{', '.join(f'w{n}: o -> o' for n in range(3000))}}}",
            f"matrix: {{seed: {list(range(200))}}}",
            'name: "{seed}"',
        ),
        "200 cases of 3007 entries each make 601400 entries; 500000 at most",
    ),
    "a matrix of a chain of thousands": (
        case(
            f"layer: {{op: Sequential, layers: [{','.join(['ReLU()'] * 3000)}]}}",
            f"matrix: {{seed: {list(range(200))}}}",
            'name: "{seed}"',
        ),
        "200 cases of 3007 entries each make 601400 entries; 500000 at most",
    ),
    "defaults of thousands of entries": (
        f"defaults: {{input: [{','.join(['[2, 3]'] * 9000)}]}}\n"
        + "cases:\n"
        + "".join(f"  - {{layer: ReLU(), name: '{n}'}}\n" for n in range(1000)),
        "cases[18]: a case of 27005 entries, with what is before, make 513095 entries; 500000 at most",
    ),
    "a variable that grows with every use": (
        case(LAYER, f'name: "{"{a}" * 1_000_000}"', f"matrix: {{a: [{'x' * 1_000_000}]}}"),
        "a text of 1000003000000 characters once its variables are put in",
    ),
    "a seed of 10,000 digits": (case(LAYER, f"seed: {'9' * 10_000}"), "is no seed"),
    "a hexadecimal seed of 3,900 digits": (case(LAYER, f"seed: 0x{'f' * 3900}"), "a number of thousands of digits"),
    "a length of 10,000 digits": (case(LAYER, f"input: [1, 3, {'9' * 10_000}, 8]"), "is not a whole number"),
    "a length of 10^18 that torch could not hold": (
        case(
            LAYER, "input: [1000000000000000000, 3, 1000000000000000000, 1000000000000000000]", "expect: {output: [0]}"
        ),
        "a length of 0 cannot be",
    ),
    "a shape of 90,000 axes": (case(LAYER, f"input: [{','.join(['2'] * 90_000)}]"), "a shape of 90000 axes"),
    "a shape as text of a million digits": (case(LAYER, f"input: '{'9' * 1_000_000}'"), "is not a shape"),
    "a number of parameters of 4,000 digits": (case(LAYER, f"expect: {{params: -{'9' * 3999}}}"), "it must be"),
    "a tolerance beyond all floats": (case(LAYER, f"tolerance: {{atol: 1{'0' * 400}}}"), "is no tolerance"),
    "a tolerance that is no number": (case(LAYER, "tolerance: {atol: .nan}"), "is no tolerance"),
    "a pattern of thousands of axes": (
        case(
            LAYER,
            "rewrite: patchify-linear",
            f"transplant: {{weight: {AXES} -> {AXES}}}",
        ),
        "characters; 1000 at most are read",
    ),
    "a pattern that asks for terabytes": (
        case(LAYER, "rewrite: patchify-linear", "transplant: {weight: o i kh kw -> o (i kh kw) n m}"),
        "its length is not known",
    ),
    "a pattern with a number": (
        case(LAYER, "rewrite: patchify-linear", "transplant: {weight: o i kh kw -> o (i kh kw) 1000000000000000}"),
        "has a number that is not 1",
    ),
    "a pattern of brackets": (
        case(LAYER, "rewrite: patchify-linear", f'transplant: {{weight: "{"(" * 900}"}}'),
        "needs one '->'",
    ),
    "a pattern with an ellipsis": (
        case(LAYER, "rewrite: patchify-linear", "transplant: {weight: ... -> ...}"),
        "ellipsis",
    ),
    "an order of thousands of axes": (
        case(LAYER, "rewrite: patchify-linear", f"order: {' '.join(f'a{n}' for n in range(5000))}"),
        "characters; 1000 at most are read",
    ),
    "an order with markup": (case(LAYER, "rewrite: patchify-linear", "order: '[red] i'"), "is not an einops pattern"),
    "a layer's mapping nested 40 deep": (
        case(f"layer: {nested('{op: Sequential, layers: [', ']}', 20)}"),
        "a Sequential needs at least one layer",
    ),
    "a mapping whose kind is a mapping": (case("layer: {op: {op: Conv2d}}"), "a layer as a mapping needs its kind"),
    "weights that are a device": (case(LAYER, "weights: {file: zero.safetensors, weight: w}"), "there is no file"),
    "weights with an absurd header": (case(LAYER, "weights: {file: huge.safetensors, weight: w}"), "is no whole safe"),
    "weights whose header is nested": (case(LAYER, "weights: {file: deep.safetensors, weight: w}"), "is no whole safe"),
    "weights that overlap": (case(LAYER, "weights: {file: overlap.safetensors, weight: w}"), "is no whole safetensors"),
    "weights whose path has a NUL byte": (
        case(LAYER, 'weights: {file: "a\\0.safetensors", weight: w}'),
        "'a\\x00.safe",
    ),
    "weights whose path is a megabyte long": (
        case(LAYER, f"weights: {{file: {'x' * 1_000_000}.safetensors, weight: w}}"),
        "cannot be read: ",
    ),
    "weights above the folder, of no weights": (
        case(LAYER, "weights: {file: /etc/passwd, weight: w}"),
        "does not end in",
    ),
    "a key with line breaks": ('"a\\nerror: b": 1\ncases: [{layer: ReLU()}]\n', "a\\nerror: b: unknown key"),
    "a key with an escape code": ('"\\e[2J": 1\ncases: [{layer: ReLU()}]\n', "\\x1b[2J: unknown key"),
    "a key with a sign that turns the line round": ('"\\u202e": 1\ncases: [{layer: ReLU()}]\n', "\\u202e: unknown key"),
    "braces that format strings would read": (case(LAYER, 'name: "{0.__class__}"', "device: '{x.y}'"), "is no device"),
}


def safetensors(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


@pytest.mark.parametrize(("text", "message"), FILES.values(), ids=FILES.keys())
@pytest.mark.parametrize("command", ["verify", "shape"])
def test_a_config_is_refused_that_is(
    convcheck: Run, folder: Path, command: str, text: str | bytes, message: str
) -> None:
    (folder / "c.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "huge.safetensors").write_bytes(safetensors(b"{}", length=2**63))
    (folder / "deep.safetensors").write_bytes(safetensors(b'{"w":' + b"[" * 100_000))
    (folder / "zero.safetensors").symlink_to("/dev/zero")
    whole = {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 4]}
    (folder / "overlap.safetensors").write_bytes(safetensors(json.dumps({"w": whole, "v": whole}).encode(), b"1234"))
    with guarded():
        result = convcheck(command, "c.yaml")
    assert message in refused(result)


FAULTY: dict[str, tuple[str, list[str]]] = {
    "an expectation has tens of thousands of keys": (
        case(LAYER, f"expect: {{{', '.join(f'k{n}: 1' for n in range(30_000))}}}"),
        ["k0: unknown key", "10000 faults, of which the first 100 are shown"],
    ),
    "there are unknown keys in thousands of combinations": (
        case(LAYER, *(f"k{n}: 1" for n in range(80)), f"matrix: {{seed: {list(range(3000))}}}", 'name: "{seed}"'),
        ["k0: unknown key", "k79: unknown key", "80 faults"],
    ),
    "a case and the defaults have thousands of unknown keys": (
        f"defaults: {{{', '.join(f'd{n}: 1' for n in range(3000))}}}\n"
        + case(LAYER, *(f"k{n}: 1" for n in range(3000))),
        ["d0: unknown key", "6000 faults, of which the first 100 are shown"],
    ),
    "a transplant names thousands of weights": (
        case(LAYER, "rewrite: patchify-linear", f"transplant: {{{', '.join(f'w{n}: o -> o' for n in range(3000))}}}"),
        ["w0: Conv2d(3, 8, kernel_size=(2, 2), stride=(2, 2)) has no such parameter", "3000 faults"],
    ),
}


@pytest.mark.parametrize(("text", "told"), FAULTY.values(), ids=FAULTY.keys())
def test_all_faults_are_told_at_once_where(convcheck: Run, folder: Path, text: str, told: list[str]) -> None:
    (folder / "c.yaml").write_text(text)
    with guarded():
        result = convcheck("shape", "c.yaml")
    assert result.exit_code == 2
    assert [words for words in told if words not in result.stderr] == []


LAYERS: dict[str, tuple[str, str]] = {
    "Sequentials nested 10,000 deep": (nested("Sequential(", ")", 10_000), "characters; 10000 at most are read"),
    "Sequentials nested 800 deep": (nested("Sequential(", ")", 800), "is not a layer"),
    "Sequentials nested 100 deep": (nested("Sequential(", ")", 100, "ReLU()"), "nested more than 100 deep"),
    "Sequentials nested 60 deep": (nested("Sequential(", ")", 60), "a Sequential needs at least one layer"),
    "brackets nested 9,000 deep": ("ReLU(" + "(" * 9000, "is not a layer"),
    "lists nested 9,000 deep": ("ReLU(" + "[" * 9000, "is not a layer"),
    "lists nested 150 deep": (f"ReLU({nested('[', ']', 150)})", "nested more than 100 deep"),
    "9,000 signs": (f"ReLU({'-' * 9000}1)", "nested more than 100 deep"),
    "5,000 signs": (f"ReLU({'-' * 5000}1)", "nested more than 100 deep"),
    "900 signs": (f"ReLU({'-' * 900}x)", "nested more than 100 deep"),
    "900 negations": (f"ReLU({'not ' * 900}x)", "nested more than 100 deep"),
    "a long sum": (f"ReLU({'1+' * 4000}1)", "nested more than 100 deep"),
    "a long row of attributes": (f"a{'.a' * 4500}()", "nested more than 100 deep"),
    "a long row of calls": (f"ReLU{'()' * 4500}", "nested more than 100 deep"),
    "a long row of indices": (f"ReLU({'a' + '[0]' * 3000})", "nested more than 100 deep"),
    "a long comparison": (f"ReLU({'1<' * 4000}1)", "plain value"),
    "a power of a power": ("Conv2d(9**9**9, 8, 2)", "nothing is computed here"),
    "a shift by billions": ("Conv2d(1<<9999999999, 8, 2)", "nothing is computed here"),
    "a number of 9,000 digits": (f"Conv2d({'9' * 9000}, 8, 2)", "is not a layer"),
    "a number of 4,000 digits": (f"Conv2d({'9' * 4000}, 8, 2)", "in_channels is"),
    "a hexadecimal number of 9,000 digits": (f"Conv2d(0x{'f' * 9000}, 8, 2)", "a number of thousands of digits"),
    "a float beyond all floats": ("LeakyReLU(1e999)", "it must be a number between -1.8e308 and 1.8e308"),
    "an import": (f"Conv2d({TRAP})", "unknown layer"),
    "a call of an import": (TRAP, "unknown layer"),
    "a command": ("__import__('os').system('touch ran')", "unknown layer"),
    "a file that is opened": ("Conv2d(open('ran', 'w'))", "in_channels"),
    "an f-string": (f'Conv2d(f"{{{TRAP}}}", 3, 2)', "is not a plain value"),
    "a lambda": (f"Conv2d((lambda: {TRAP})(), 3, 2)", "is not"),
    "a comprehension": (f"Conv2d([{TRAP} for _ in (1,)], 3, 2)", "is not a plain value"),
    "a generator": ("Conv2d(*(n for n in (3, 8, 2)))", "is not a plain value"),
    "a walrus": ("Conv2d(a := 3, 8, 2)", "is not a plain value"),
    "an attribute": ("Conv2d((1).__class__, 8, 2)", "is not a plain value"),
    "an await": ("Conv2d(await x, 8, 2)", "is not a"),
    "a yield": ("Conv2d((yield), 8, 2)", "is not a plain value"),
    "a conditional": ("Conv2d(3 if 1 else 4, 8, 2)", "is not a plain value"),
    "a set of dictionaries": ("Conv2d({3: {}}, 8, 2)", "in_channels is {3: {}}"),
    "keywords from a dictionary": ("Conv2d(**{'in_channels': 3})", "** cannot be read here"),
    "a decorator": ("@Conv2d(3, 8, 2)", "is not a layer"),
    "a statement": ("import os; Conv2d(3, 8, 2)", "is not a layer"),
    "a way out of the brackets": ("ReLU())\nimport os\n(ReLU()", "is not a layer"),
    "an empty call": ("()()", "is not the name of a layer"),
    "text of 9,000 letters": (f"Conv2d('{'x' * 9000}', 8, 2)", "in_channels is 'xxx"),
    "a megabyte of text": ("x" * 1_000_000, "10000 at most are read"),
    "an argument of 9,000 letters": (f"Conv2d(3, 8, 2, {'x' * 9000}=3)", "unknown argument"),
    "a kind of 9,000 letters": (f"{'C' * 9000}(3)", "unknown layer"),
    "an unprintable kind": ("\uff23onv2d\u202e(3)", "is not a layer"),
    "a NUL byte": ("Conv2d(3\0, 8)", "is not a layer"),
    "half a surrogate": ("Conv2d(3, 8, '\udc80')", "kernel_size"),
    "escape codes": ("Conv2d('\x1b[2J', 8, 2)", "in_channels is '\\x1b[2J'"),
    "line breaks": ("Conv2d('a\\nerror: b', 8, 2)", "in_channels is"),
    "a submodule printed a billion times": ("Net(\n  (0-999999998): 999999999 x ReLU()\n)", "stands for more than"),
    "a pattern of thousands of axes": (
        f"rearrange('{' '.join(f'a{n}' for n in range(900))} -> {' '.join(f'a{n}' for n in range(900))}')",
        "characters; 1000 at most are read",
    ),
    "a pattern that is none": ("rearrange('b c <- b c')", "a pattern such as"),
    "a pattern with a number": ("rearrange('b c -> b c 1000000000000000')", "a pattern"),
    "a pattern that repeats terabytes": ("rearrange('b c -> b c n', n=1000000000000000)", "n stands on the right only"),
    "a length of a pattern that is 0": ("rearrange('b (c n) -> b c n', n=0)", "n"),
    "a pattern of two ellipses": ("rearrange('... ... -> ...')", "a pattern"),
    "a pattern of brackets": (f"rearrange('{'(' * 3000}')", "a pattern"),
}


@pytest.mark.parametrize(("text", "message"), LAYERS.values(), ids=LAYERS.keys())
@pytest.mark.parametrize("command", ["verify", "params", "shape", "rewrites"])
def test_a_layer_is_refused_that_is(convcheck: Run, command: str, text: str, message: str) -> None:
    if command == "rewrites" and "(" not in text:
        pytest.skip("without brackets it is the name of a rewrite")
    with guarded():
        result = convcheck(command, text)
    assert message in refused(result)


DEEP = [text for text, message in LAYERS.values() if message == "nested more than 100 deep"]


@pytest.mark.parametrize("read", [parse_layer, parse_pasted])
@pytest.mark.parametrize("limit", [400, 1_000, 30_000])
def test_how_deep_is_too_deep_does_not_depend_on_how_deep_python_may_go(
    limit: int, read: Callable[[str], object]
) -> None:
    usual = sys.getrecursionlimit()
    assert len(DEEP) > 8
    for text in DEEP:
        sys.setrecursionlimit(limit)
        try:
            with pytest.raises(LayerError, match="nested more than 100 deep"):
                read(text)
        finally:
            sys.setrecursionlimit(usual)


CONV = "Conv2d(3, 8, 2, stride=2)"
OPTIONS: dict[str, tuple[list[str], str]] = {
    "a shape of a million axes": (["shape", CONV, "-i", MANY_LENGTHS], "is not a shape"),
    "a shape of 500 axes": (["shape", "ReLU()", "-i", ",".join(["2"] * 500)], "a shape of 500 axes; 64 at most"),
    "a length of 10,000 digits": (["shape", CONV, "-i", "1,3,8," + "9" * 10_000], "is not a shape"),
    "a length of 900 digits": (["shape", CONV, "-i", "1,3,8," + "9" * 900], "lengths are between 1 and"),
    "a length above 64 bits": (["shape", CONV, "-i", f"1,3,8,{2**63}"], "lengths are between 1 and"),
    "a formula nested 35 deep": (["shape", CONV, "-i", "b,3,8," + nested("(h-", ")", 35, "h")], "length"),
    "a formula with a power": (["shape", CONV, "-i", "b,3,8,9**9**9"], "is no length"),
    "a formula that calls": (["shape", CONV, "-i", f"b,3,8,{TRAP}"], "is no length"),
    "a formula with an attribute": (["shape", CONV, "-i", "b,3,8,b.c"], "is no length"),
    "a million shapes' worth of names": (["shape", CONV, "-i", "b," * 1_000_000], "too long for a shape"),
    "an output of 10^18": (["shape", CONV, "--output", f"1,8,{'9' * 900}"], "lengths are between 1 and"),
    "a choice nested 10,000 deep": (["verify", "-k", nested("(", ")", 10_000, "a")], "-k"),
    "a choice of 10,000 negations": (["verify", "-k", "not " * 10_000 + "a"], "-k"),
    "a word of a megabyte to choose by": (["verify", "-k", "a" * 1_000_000], "-k"),
    "a megabyte of blanks before a bracket": (["verify", "-k", " " * 1_000_000 + "("], "-k"),
    "a choice with an escape code": (["verify", "-k", "\x1b[2J"], "-k '\\x1b[2J'"),
    "a choice that calls": (["verify", "-k", "a()"], "-k 'a()'"),
    "a rewrite of a megabyte": (["verify", "-r", "x" * 1_000_000], "unknown rewrite"),
    "a rewrite with an escape code": (["verify", "-r", "\x1b[2J"], "unknown rewrite '\\x1b[2J'"),
    "a rewrite of a megabyte to explain": (["rewrites", "x" * 1_000_000], "unknown rewrite"),
    "a path of a rewrite": (["rewrites", "../../etc/passwd"], "unknown rewrite"),
    "a seed of a thousand digits": (["verify", "--seed", "9" * 1000], "seed"),
    "a seed of 4,000 digits": (["verify", "--seed", "9" * 4000], "seed"),
    "a device of a megabyte": (["verify", "--device", "x" * 1_000_000], "device"),
    "a dtype with an escape code": (["verify", "--dtype", "\x1b[2J"], "dtype"),
    "a command of a thousand letters": (["x" * 1000], "command"),
    "a command with an escape code": (["\x1b[2J"], "command"),
    "an option of a thousand letters": (["verify", "--" + "x" * 1000], "option"),
    "an option with an escape code": (["verify", "--\x1b[2J"], "option"),
    "a target of a megabyte": (["verify", "x" * 1_000_000 + ".yaml"], "10000 at most are read"),
    "a target of blanks": (["verify", " \n\t"], "a target is empty"),
}


@pytest.mark.parametrize(("words", "message"), OPTIONS.values(), ids=OPTIONS.keys())
def test_an_option_is_refused_that_is(convcheck: Run, words: list[str], message: str) -> None:
    with guarded():
        result = convcheck(*words)
    assert message in refused(result)


GIANT = 10**9
ROUND = f"{GIANT}, padding={9 * GIANT // 10}"
WIDE = f"{GIANT}, stride={GIANT - 1}, dilation=7, padding=12345"
COARSE = "1000003, stride=999999937, dilation=1000000007, padding=999999000"
HOLES = f"{GIANT}, dilation=2, stride=1999999973, padding={GIANT - 1}"
CHAINS = {
    "wide windows one after the other": f"Conv1d(1, 1, {ROUND}), Conv1d(1, 1, {ROUND})",
    "a stride and back": f"Conv1d(1, 1, 3, {GIANT}, 1), ConvTranspose1d(1, 1, {GIANT}, {GIANT})",
    "back and a stride": f"ConvTranspose1d(1, 1, {GIANT}, {GIANT}), Conv1d(1, 1, 3, {GIANT}, 1)",
    "wide windows of holes": f"ConvTranspose1d(1, 1, {GIANT}, 7, 1000, dilation=3), Conv1d(1, 1, {GIANT}, 7, 1000, 3)",
    "pools": f"MaxPool1d({GIANT}, padding={GIANT // 2}, ceil_mode=True), AvgPool1d({GIANT}, padding={GIANT // 2})",
    "strides that share nothing": f"Conv1d(1, 1, {COARSE}), Conv1d(1, 1, 1000003, 3, 99, 7)",
    "copies all round": f"Conv1d(1, 1, 1, padding={GIANT}, padding_mode='circular'), Conv1d(1, 1, 1, 2)",
    "copies of the ends": f"Conv1d(1, 1, 1, padding={GIANT}, padding_mode='replicate'), Conv1d(1, 1, 1, {GIANT})",
    "windows on copies": f"Conv1d(1, 1, {GIANT}, 7, {GIANT}, padding_mode='replicate'), Conv1d(1, 1, 1, {GIANT})",
    "what is cut away": f"Conv1d(1, 1, 1, 3, {GIANT}), ConvTranspose1d(1, 1, {GIANT}, padding={9 * GIANT // 10})",
}
LARGE = {
    **{
        f"{dims} axes and {name}{f', {mode}' if mode != 'zeros' else ''}": (
            f"Conv{dims}d(1, 1, {window}, padding_mode='{mode}')",
            dims,
        )
        for dims in (1, 2, 3)
        for mode in ("zeros", "circular", "reflect", "replicate")
        for name, window in {"wide windows": ROUND, "wide strides": WIDE, "coarse taps": COARSE, "holes": HOLES}.items()
    },
    **{
        f"{dims} axes spread out by {name}": (f"ConvTranspose{dims}d(1, 1, {window})", dims)
        for dims in (1, 2, 3)
        for name, window in {
            "wide kernels": ROUND,
            "wide strides": WIDE,
            "coarse taps": COARSE,
            "a tap": f"1, padding={GIANT}",
        }.items()
    },
    **{
        f"{kind}, ceil_mode={rounded}": (f"{kind}({GIANT}, {stride}, {GIANT // 2}, ceil_mode={rounded})", int(kind[-2]))
        for kind, stride in (("MaxPool1d", 7), ("MaxPool3d", 999_999_937), ("AvgPool1d", GIANT - 1), ("AvgPool2d", 3))
        for rounded in (False, True)
    },
    **{name: (f"Sequential({chain})", 1) for name, chain in CHAINS.items()},
    "patches to channels": (f"PixelUnshuffle({GIANT})", 2),
    "channels to patches": (f"PixelShuffle({GIANT})", 2),
    "patches": (f"Patchify(1, 8, {GIANT}, dims=3)", 3),
    "windows as columns": (f"Unfold({GIANT}, padding={GIANT - 1}, stride=7, dilation=3)", 2),
    "columns as windows": (f"Fold({GIANT}, 2, stride=999999937, dilation=999)", 1),
}
LENGTHS = ("2000000", "1000000007", "5000000000", "1000000000000000000", "L")


@pytest.mark.parametrize(("text", "dims"), LARGE.values(), ids=LARGE.keys())
def test_giant_windows_are_answered_or_refused_at_once(convcheck: Run, text: str, dims: int) -> None:
    shapes = [",".join(["1", "1", *[length] * dims]) for length in LENGTHS]
    asked = [["-i", shape, *more] for shape in shapes for more in ([], ["--explain"], ["--same"], ["--sizes"])]
    asked += [["--output", shape] for shape in shapes[:-1]]
    asked += [["-i", shapes[1], "--output", shape] for shape in shapes[:-1]]
    with guarded():
        for words in ([], ["--same"], *asked):
            result = convcheck("shape", text, *words)
            assert result.exit_code in (0, 1, 2), result.output[-2000:]
            assert result.exception is None or isinstance(result.exception, SystemExit)


def test_pairs_of_padding_without_end_are_not_tried(convcheck: Run) -> None:
    words = ["ConvTranspose1d(1, 1, 60001, stride=30000)", "MaxPool1d(100)", "-i", "1,1,3", "--output", "1,1,9"]
    with guarded():
        assert "3000000 pairs of a length and an output_padding would have to be tried" in refused(
            convcheck("shape", *words)
        )


def test_remainders_without_end_are_not_listed(convcheck: Run) -> None:
    layer = f"Conv1d(1, 1, {GIANT}, stride={GIANT})"
    with guarded():
        assert f"these are {GIANT}; 1000 at most, so add -i" in refused(convcheck("shape", layer, "--same"))
        assert convcheck("shape", layer, "--same", "-i", f"1,1,{GIANT}").exit_code == 0
