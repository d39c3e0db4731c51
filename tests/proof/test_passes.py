"""How often both sides run in a proof, forwards and backwards: no pass is taken that proves nothing new."""

from __future__ import annotations

import weakref
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim, claims_of
from convcheck.config.case import Case
from convcheck.config.checks import DType
from convcheck.layers import parse_layer
from convcheck.proof import observations, shared
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence import gradients, integer_probes, reference_runs
from convcheck.proof.run import run
from convcheck.proof.shared import Shared
from convcheck.proof.verification import verify
from convcheck.results import Agreement
from convcheck.rewriting.transplant import Transplant
from convcheck.sides import samples
from convcheck.sides.called import call
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side

LAYER, SHAPE = parse_layer("Conv2d(3, 8, 2, stride=2)"), (2, 3, 6, 8)
SIX = ("patchify-linear", "patchify-conv1x1", "spacetodepth-conv", "subsampled-conv", "unfold-matmul", "taps-sum")


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count runs by the name of the side, backward passes, and transplants."""
    counted: Counter[str] = Counter()
    run_side, engine, forward = Side.run, observations.ENGINE, Transplant.forward

    class Engine:
        def run_backward(self, *given: Any, **named: Any) -> Any:
            counted["backwards"] += 1
            return engine.run_backward(*given, **named)

    def counting(side: Side, sample: Sample) -> Tensor:
        counted["reference" if side.name == "Conv2d" else "candidate"] += 1
        return run_side(side, sample)

    def moving(mapping: Transplant, parameters: Any) -> Any:
        counted["transplants"] += 1
        return forward(mapping, parameters)

    monkeypatch.setattr(Side, "run", counting)
    monkeypatch.setattr(observations, "ENGINE", Engine())
    monkeypatch.setattr(Transplant, "forward", moving)
    return counted


def case(*rewrites: str, dtype: DType = "float32", seed: int = 0) -> Case:
    return Case("case", LAYER, (SHAPE,), rewrites, dtype=dtype, seed=seed)


def prove(*cases: Case) -> None:
    assert run(list(claims_of(cases))).ok


def test_a_proof_runs_the_reference_six_times_and_the_candidate_three_times(passes: Counter[str]) -> None:
    """At ones and at one probe, both of them backwards, too, and in float32; the referee is of three runs."""
    prove(case("patchify-linear"))
    assert passes == {"reference": 6, "candidate": 3, "backwards": 4, "transplants": 4}


def test_float64_is_its_own_referee(passes: Counter[str]) -> None:
    prove(case("patchify-linear", dtype="float64"))
    assert (passes["reference"], passes["candidate"]) == (5, 3)


def test_six_rewrites_run_the_reference_as_often_as_one(passes: Counter[str]) -> None:
    prove(case(*SIX))
    assert (passes["reference"], passes["candidate"]) == (6, 6 * 3)
    assert passes["backwards"] == 2 + 6 * 2


def test_another_dtype_runs_only_in_that_dtype(passes: Counter[str]) -> None:
    prove(case("patchify-linear"), case("patchify-linear", dtype="bfloat16"), case("patchify-linear", dtype="float16"))
    # In the dtype, and three runs of the referee on the rounded numbers.
    assert passes["reference"] == 6 + 2 * 4
    assert passes["candidate"] == 3 + 2
    assert passes["backwards"] == 4


def test_another_seed_and_another_layer_share_nothing(passes: Counter[str]) -> None:
    prove(case("patchify-linear"), case("patchify-linear", seed=1))
    assert passes == {"reference": 12, "candidate": 6, "backwards": 8, "transplants": 8}


def test_a_large_reference_is_not_kept(monkeypatch: pytest.MonkeyPatch, passes: Counter[str]) -> None:
    monkeypatch.setattr(observations, "SMALL", 100)
    built = Shared()
    for claim in claims_of([case(*SIX[:2])]):
        assert verify(claim, built).ok
    assert not built.references
    # The weaknesses need the first probe once more.
    assert passes["reference"] == 2 * 7


def test_what_nobody_else_asks_for_is_not_kept() -> None:
    claim = Claim(case("patchify-linear"), "patchify-linear", catalogue()["patchify-linear"], ())
    pair = build_pair(claim)
    for number in range(5):
        observations.at_integers(pair.reference, 9, 0, number)
        drawn = pair.balanced(observations.stream(0, number))
        reference_runs.run_reference(pair, drawn, torch.float32, torch.device("cpu"))
    assert len(pair.reference.memory.keys() - {"ones"}) == observations.KEPT


def test_no_more_than_two_references_are_kept() -> None:
    built = Shared()
    for seed in range(5):
        for claim in claims_of([case("patchify-linear", seed=seed)]):
            assert verify(claim, built).ok
    assert len(built.references) == shared.MOST
    assert {key[2] for key in built.references} == {3, 4}  # type: ignore[index]  # seeds, the last ones


@pytest.mark.parametrize("dtypes", [("float32", "bfloat16", "float64", "float16"), ("float64", "float16")])
def test_what_is_shared_is_what_would_be_computed_anew(dtypes: tuple[DType, ...]) -> None:
    claims = list(claims_of(case(*SIX, dtype=dtype, seed=seed) for seed in range(2) for dtype in dtypes))
    alone = [replace(verify(claim), seconds=0.0) for claim in claims]
    together = [replace(result, seconds=0.0) for result in run(claims).results]
    assert together == alone


def test_another_layout_of_the_same_rewrite_is_another_pair() -> None:
    from convcheck.sizes.relayouts import parse_relayout

    wrong = replace(case("patchify-linear"), transplant={"weight": parse_relayout("o i kh kw -> o (kh kw i)")})
    claims = list(claims_of([case("patchify-linear"), wrong, case("patchify-linear"), wrong]))
    assert [str(result.verdict) for result in run(claims).results] == ["equal", "different", "equal", "different"]


def test_gradients_that_differ_leave_it_to_outputs_alone_to_say_that_they_are_the_same() -> None:
    """One probe is enough only as gradients are worth another."""
    claim = Claim(case("patchify-linear"), "patchify-linear", catalogue()["patchify-linear"], ())
    right = integer_probes.probe(build_pair(claim), 0).details["exact"]

    class Doubled(torch.nn.Module):
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.project = inner.project

            self.shape = inner.forward

        def forward(self, x: Tensor) -> Tensor:
            output: Tensor = self.shape(x + (x - x.detach()))
            return output

    pair = build_pair(claim)
    wrong = integer_probes.probe(
        replace(pair, candidate=replace(pair.candidate, module=Doubled(pair.candidate.module))), 0
    )
    assert wrong.details["gradients"].input is Agreement.DIFFERENT
    assert wrong.details["exact"].status is Agreement.IDENTICAL
    assert (right.probes, wrong.details["exact"].probes) == (1, 2)
    assert wrong.details["exact"].false_accept < 1e-9


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Conv1d(3, 4, 3, padding=1)", "toeplitz-matmul"),
        ("Conv3d(4, 6, 2, groups=2)", "toeplitz-matmul"),
        ("Linear(5, 3)", "linear-as-conv1x1"),
        ("ConvTranspose2d(4, 6, 3, stride=2, groups=2)", "toeplitz-matmul"),
    ],
)
def test_the_output_at_zeros_is_the_bias(text: str, name: str) -> None:
    layer = parse_layer(text)
    pair = build_pair(Claim(Case("case", layer, layer.example_inputs(), (name,)), name, catalogue()[name], ()))
    sample = samples.integers(pair.reference, 9, observations.stream(0, 0))
    with torch.no_grad():
        known = reference_runs.float64_reference(pair, sample).bias
    output = pair.run_reference(Sample(tuple(map(torch.zeros_like, sample.inputs)), sample.parameters))
    assert torch.equal(known.expand_as(output), output)


def test_a_module_holds_its_own_tensors_again_after_a_call_that_fails() -> None:
    module = torch.nn.Linear(2, 3)
    own = dict(module.named_parameters())
    other = {name: torch.zeros_like(tensor) for name, tensor in own.items()}
    places = Side("", module, ((1, 2),), {}, 2)._places
    assert not call(module, other, (torch.ones(1, 2),), places).any()
    with pytest.raises(RuntimeError):
        call(module, other, (torch.ones(1, 7),), places)
    assert all(tensor is own[name] for name, tensor in module.named_parameters())


def test_tensors_in_two_places_are_left_to_torch() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.Linear(2, 2, bias=False))
    module[1].weight = module[0].weight
    places = Side("", module, ((1, 2),), {}, 3)._places
    assert not places
    assert not call(module, {"0.weight": torch.zeros(2, 2)}, (torch.ones(1, 2),), places).any()


def test_the_gradients_of_a_candidate_are_those_of_the_references_cotangent() -> None:
    claim = Claim(case("patchify-linear"), "patchify-linear", catalogue()["patchify-linear"], ())
    pair = build_pair(claim)
    seen = observations.at_integers(pair.reference, 50, 0, 0)
    graph = observations.Graph.of(pair.run_candidate(seen.sample))
    slopes = gradients.gradients_of(seen, graph, rounded=False)
    assert list(slopes) == ["input", "weight", "bias"]
    for both in slopes.values():
        assert both.reference.any()
        assert torch.equal(both.reference, both.candidate)


def test_an_engine_that_takes_outputs_alone_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = build_pair(Claim(case("patchify-linear"), "patchify-linear", catalogue()["patchify-linear"], ()))
    seen = observations.at_integers(pair.reference, 50, 0, 0)
    output, variables = pair.run_candidate(seen.sample), list(seen.sample.variables().values())
    slopes = torch.autograd.grad(output, variables, seen.cotangent, retain_graph=True)
    monkeypatch.setattr(observations, "TAKES_ENDS", False)
    graph = observations.Graph.of(output)
    assert graph.end is output
    assert all(map(torch.equal, slopes, graph.pull_back(variables, seen.cotangent)))


def test_a_graph_does_not_hold_the_numbers_of_its_output() -> None:
    pair = build_pair(Claim(case("patchify-linear"), "patchify-linear", catalogue()["patchify-linear"], ()))
    seen = observations.at_integers(pair.reference, 50, 0, 0)
    output = pair.run_candidate(seen.sample)
    variables = list(seen.sample.variables().values())
    slopes = torch.autograd.grad(output, variables, seen.cotangent, retain_graph=True)
    graph, numbers = observations.Graph.of(output), weakref.ref(output)
    del output
    assert numbers() is None
    again = graph.pull_back(variables, seen.cotangent)
    assert all(torch.equal(one, other) for one, other in zip(slopes, again, strict=True))


def test_an_output_without_a_graph_depends_on_nothing() -> None:
    variable = torch.ones(2, 3, requires_grad=True)
    (slope,) = observations.Graph.of(torch.ones(4)).pull_back([variable], torch.ones(4))
    assert torch.equal(slope, torch.zeros(2, 3))
