"""Entries of a batch that do not meet: fewer of them prove as much, and parts of a batch say what the whole says."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from benchmarks.proof_memory import LAYERS, claim_of
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case, Tolerance
from convcheck.layers import parse_layer, parse_shapes
from convcheck.proof import batch, memory
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence import floating_point, integer_probes, reference_runs, whole_batch
from convcheck.proof.evidence.probes import make_plan
from convcheck.proof.pair import Pair
from convcheck.proof.verification import verify
from convcheck.results import Agreement, Exact, Verdict
from convcheck.sides import samples
from convcheck.sides.sample import Sample
from tests.proof.test_evidence import Spoil, spoilt

pytestmark = pytest.mark.kernels

SEPARATE = [name for name in LAYERS if batch.separates_entries(claim_of(name).case.layer, claim_of(name).case.inputs)]
ALONE = "patchify-linear"


@pytest.fixture
def parts_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no part have more than two entries."""
    monkeypatch.setattr(batch, "PART", 1)
    right = batch.part_of

    def two(claim: Claim) -> int | None:
        return None if right(claim) is None else 2

    monkeypatch.setattr("convcheck.proof.build_pair.part_of", two)


def small(name: str = ALONE, entries: int = 5, **options: object) -> Claim:
    """Return a claim of few numbers, with so many entries in the batch."""
    layer = {ALONE: "Conv2d(3, 8, kernel_size=(2, 3), stride=(2, 3))", "fft": "Conv2d(2, 3, 3)"}[name]
    case = Case("case", parse_layer(layer), ((entries, *{ALONE: (3, 7, 9), "fft": (2, 6, 6)}[name]),), (name,))
    return Claim(dataclasses.replace(case, **options), name, catalogue()[name], ())


def few(claim: Claim) -> Claim:
    """Return the claim with three entries of its batch."""
    inputs = tuple((3, *shape[1:]) for shape in claim.case.inputs)
    return dataclasses.replace(claim, case=dataclasses.replace(claim.case, inputs=inputs))


def test_most_rewrites_are_of_layers_that_separate_entries() -> None:
    assert set(LAYERS) - set(SEPARATE) == {"attention-sum"}


@pytest.mark.parametrize("name", SEPARATE)
def test_every_entry_of_a_batch_is_computed_by_itself_and_alike(name: str) -> None:
    """The law that a part of a batch rests on: of layers, and of the candidates, which are built for the whole."""
    claim = few(claim_of(name))
    pair = build_pair(claim)
    if pair.reference.degree is None:
        pytest.skip("it is not taken in parts")
    sample = samples.integers(pair.reference, 3, torch.Generator().manual_seed(0)).mapped(Tensor.detach)
    with torch.no_grad():
        wholes = pair.run(sample)
        for places in ([0], [2, 1]):
            part = Sample(tuple(tensor[places] for tensor in sample.inputs), sample.parameters)
            for whole, output in zip(wholes, pair.run(part), strict=True):
                assert torch.equal(whole[places].round(), output.round())


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        ("Conv2d(3, 4, 3)", "3,8,8"),  # no batch: the first axis is that of channels
        ("Linear(4, 5)", "4"),
        ("Flatten(0)", "3,4,5"),
        ("Flatten(start_dim=0, end_dim=1)", "3,4,5"),
        ("BatchNorm2d(3, track_running_stats=False)", "4,3,5,5"),
        ("MultiheadAttention(embed_dim=8, num_heads=2)", "5,3,8"),
        ("rearrange('(a b) c -> (b a) c', a=2)", "6,4"),
        ("rearrange('b c -> c b')", "6,4"),
        ("rearrange('(a b) c -> a b c', a=2)", "6,4"),
        ("rearrange('(a b) c -> b (a c)', a=2)", "6,4"),
        ("scaled_dot_product_attention()", "2,4,3 2,4,3 2,4,3"),
        ("rearrange('b c -> (c b)')", "6,4"),
        ("Sequential(Conv2d(3, 4, 3), Flatten(0, 1))", "2,3,8,8"),
        ("Sequential(Linear(4, 6), rearrange('b c -> (c b)'), Unflatten(0, (2, 6)))", "2,4"),
    ],
)
def test_where_entries_meet_or_are_moved_none_is_separate(layer: str, shapes: str) -> None:
    assert not batch.separates_entries(parse_layer(layer), parse_shapes(shapes.split()))


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        ("Conv2d(3, 4, 3)", "2,3,8,8"),
        ("Linear(4, 5)", "7,4"),
        ("Linear(4, 5)", "7,2,4"),
        ("Sequential(Conv2d(3, 4, 3), BatchNorm2d(4), PixelShuffle(2))", "2,3,8,8"),
        ("rearrange('b (h w) -> b h w', h=2)", "6,4"),
    ],
)
def test_where_the_first_axis_is_carried_through_entries_are_separate(layer: str, shapes: str) -> None:
    assert batch.separates_entries(parse_layer(layer), parse_shapes(shapes.split()))


def test_parts_depend_on_the_case_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = small(entries=10_000)
    part = batch.part_of(claim)
    assert part == batch.PART // (3 * 7 * 9 + 8 * 3 * 3)
    monkeypatch.setattr("convcheck.proof.memory.available", lambda: 1 << 20)
    torch_threads = torch.get_num_threads()
    assert batch.part_of(claim) == part
    assert batch.part_of(dataclasses.replace(claim, case=dataclasses.replace(claim.case, dtype="float64"))) == part
    assert torch.get_num_threads() == torch_threads
    assert batch.part_of(small(entries=5)) is None


def test_a_layer_that_names_the_length_of_its_batch_is_taken_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "PART", 1)
    shape, name = (6, 2, 4), "indexed"
    for layer, part in (("rearrange('b c d -> b (d c)')", 1), ("rearrange('b c d -> b (d c)', b=6)", None)):
        claim = Claim(Case("case", parse_layer(layer), (shape,), (name,)), name, catalogue()[name], ())
        assert batch.part_of(claim) == part
        assert verify(claim).verdict is Verdict.EQUAL


@pytest.mark.usefixtures("parts_of_two")
def test_exact_probes_take_the_entries_of_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[int] = []
    right = Pair.run_candidate

    def counting(pair: Pair, sample: Sample) -> Tensor:
        if torch.is_grad_enabled():
            met.append(len(sample.inputs[0]))
        return right(pair, sample)

    monkeypatch.setattr(Pair, "run_candidate", counting)
    assert integer_probes.probe(build_pair(small()), 0).status is Agreement.IDENTICAL
    assert set(met) == {2}


VERDICTS: dict[str, Spoil] = {
    "none": lambda y: y,
    "one part in 2^20 too large": lambda y: y * (1 + 2.0**-20),
    "one part in 2^10 too large": lambda y: y * (1 + 2.0**-10),
    "two channels swapped": lambda y: y[:, [1, 0, *range(2, y.shape[1])]],
    "flipped": lambda y: y.flip(-2),
    "zeros": torch.zeros_like,
    "another shape": lambda y: y[..., :-1],
    "batch mixed up": lambda y: y.flip(0),
}


@pytest.mark.usefixtures("parts_of_two")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("fault", VERDICTS.values(), ids=VERDICTS.keys())
def test_parts_and_the_whole_agree_in_verdict(monkeypatch: pytest.MonkeyPatch, fault: Spoil, dtype: str) -> None:
    claim = small(dtype=dtype)
    taken = build_pair(claim)
    assert taken.part == 2
    verdicts = []
    for pair in (taken, dataclasses.replace(taken, part=None)):
        monkeypatch.setattr("convcheck.proof.verification.build_pair", lambda *_, pair=pair: spoilt(pair, fault))
        result = verify(claim)
        verdicts.append((result.verdict, result.exact.status, bool(result.suggestions)))
    assert verdicts[0] == verdicts[1]
    assert (verdicts[0][0] is Verdict.EQUAL) == (fault is VERDICTS["none"])


def in_the_last(change: Spoil) -> Spoil:
    """Return a fault of the last entry of a batch of five alone."""
    return lambda y: torch.cat([y[:-1], change(y[-1:])]) if len(y) == 5 else y


LAST: dict[str, Spoil] = {
    "zeros": torch.zeros_like,
    "one place off by one": lambda y: y + torch.eye(y.numel(), 1).reshape(y.shape),
    "flipped": lambda y: y.flip(-1),
    "one part in 2^20 too large": lambda y: y * (1 + 2.0**-20),
}


@pytest.mark.usefixtures("parts_of_two")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("fault", LAST.values(), ids=LAST.keys())
def test_a_fault_of_the_last_entry_alone_is_noticed(monkeypatch: pytest.MonkeyPatch, fault: Spoil, dtype: str) -> None:
    claim = small(dtype=dtype)
    pair = spoilt(build_pair(claim), in_the_last(fault))
    monkeypatch.setattr("convcheck.proof.verification.build_pair", lambda *_: pair)
    result = verify(claim)
    assert result.verdict is Verdict.DIFFERENT
    assert result.exact.status is Agreement.DIFFERENT
    assert "of 360 output values differ" in str(result.reason)


@pytest.mark.usefixtures("parts_of_two")
def test_a_fault_of_a_part_says_of_which_entries_it_is() -> None:
    evidence = integer_probes.probe(spoilt(build_pair(small()), torch.zeros_like), 0)
    assert "output values of the first 2 of 5 in the batch differ" in str(evidence.findings[0])


@pytest.mark.usefixtures("parts_of_two")
def test_where_float32_does_not_add_up_exactly_float64_tells() -> None:
    """As where kernels go by transforms: a candidate that is wrong in float32 alone is no wrong rewrite."""
    met: list[torch.dtype] = []

    def wide_only(y: Tensor) -> Tensor:
        met.append(y.dtype)
        return y if y.dtype == torch.float64 else y + 1

    pair = spoilt(build_pair(small()), wide_only)
    probe = whole_batch.draw_whole(pair, make_plan(pair.of_part, 2), 0)
    assert torch.equal(*probe.outputs())
    assert met[-2:] == [torch.float32, torch.float64]


@pytest.mark.usefixtures("parts_of_two")
def test_whole_numbers_for_float32_are_as_large_as_it_adds_up() -> None:
    pair = build_pair(small())
    probe = whole_batch.draw_whole(pair, make_plan(pair.of_part, 2), 0)
    assert probe.reference.dtype == torch.float32
    assert pair.terms * probe.magnitude**2 <= 2**24 < pair.terms * (probe.magnitude + 1) ** 2
    assert len(probe.reference) == 5


@pytest.mark.usefixtures("parts_of_two")
def test_a_transform_is_rounded_in_float64() -> None:
    pair = build_pair(small("fft"))
    probe = whole_batch.draw_whole(pair, make_plan(pair.of_part, 2), 0)
    assert probe.rounded
    assert probe.reference.dtype == torch.float64
    assert torch.equal(*probe.outputs())


@pytest.mark.usefixtures("parts_of_two")
@pytest.mark.parametrize("name", [ALONE, "fft"])
@pytest.mark.parametrize("tolerance", [None, Tolerance(1e-3, 1e-3)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_what_is_measured_in_parts_is_what_is_measured_of_the_whole(
    name: str, tolerance: Tolerance | None, dtype: str
) -> None:
    claim = small(name, dtype=dtype, tolerance=tolerance)
    taken = build_pair(claim)
    off = spoilt(taken, lambda y: y * (1 + 2.0**-18))
    for pair in (taken, off):
        drawn = floating_point.draw(pair, claim.case)
        part, whole = (
            floating_point.measure(one, claim.case, drawn) for one in (pair, dataclasses.replace(pair, part=None))
        )
        assert bool(part.faults) == bool(whole.faults)
        assert part.deviation.at == whole.deviation.at
        assert part.deviation.max_abs == pytest.approx(whole.deviation.max_abs, rel=1e-6)
        assert part.deviation.max_rel == pytest.approx(whole.deviation.max_rel, rel=1e-6)
        # What float32 may lose of a bound is added to it.
        for looser, other in ((part.deviation.bound, whole.deviation.bound), (part.looseness, whole.looseness)):
            assert 1 - 1e-9 <= (looser or 0) / (other or 1) < 1.0001
        assert part.deviation.ratio == pytest.approx(whole.deviation.ratio, rel=1e-4)
        assert part.referee == whole.referee or part.referee.reference == pytest.approx(whole.referee.reference)


@pytest.mark.usefixtures("parts_of_two")
@pytest.mark.parametrize(
    ("scale", "narrow"),
    [(1.0, True), (1e-6, True), (1e6, True), (1e-28, False), (1e25, False)],
    ids=str,
)
def test_sizes_are_made_in_float32_where_it_holds_them(scale: float, narrow: bool) -> None:
    pair = build_pair(small())
    drawn = samples.normals(pair.reference, {}, torch.float64, torch.Generator().manual_seed(0))
    sample = drawn.mapped(lambda tensor: tensor * scale)
    met: list[torch.dtype] = []
    right = pair.reference.module.forward

    def seen(x: Tensor) -> Tensor:
        met.append(x.dtype)
        return right(x)

    pair.reference.module.forward = seen  # type: ignore[method-assign]
    taken, exact = (
        reference_runs.float64_reference(one, sample) for one in (pair, dataclasses.replace(pair, part=None))
    )
    assert (met.count(torch.float32) == 2) == narrow
    for name in ("magnitude", "norm"):
        ratio = getattr(taken, name) / getattr(exact, name)
        assert bool((ratio >= 1).all())
        assert bool((ratio < 1.0001).all())


def test_a_proof_of_a_batch_ten_times_as_large_is_foretold_little_more_memory() -> None:
    """Float64 is the same; what is in the asked dtype grows, as it does where nothing is proved."""
    few, many = (memory.needed(small(entries=entries)) for entries in (10_000, 100_000))
    asked = 90_000 * (4 * 3 * 7 * 9 + 2 * 4 * 8 * 3 * 3)
    assert asked <= many - few < 1.25 * asked


def test_a_large_case_is_verified_in_parts_and_its_probes_miss_as_rarely() -> None:
    claim = Claim(
        Case("case", parse_layer("Conv2d(3, 32, 8, stride=8)"), ((12, 3, 128, 128),), (ALONE,)),
        ALONE,
        small().rewrite,
        (),
    )
    assert batch.part_of(claim) == 4
    result = verify(claim)
    assert result.verdict is Verdict.EQUAL
    assert isinstance(result.exact, Exact)
    assert result.exact.false_accept is not None
    assert result.exact.false_accept < 1e-9
    assert result.output_shape.reference == (12, 32, 16, 16)
