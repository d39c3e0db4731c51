"""`--shard` deals claims out: all of them, none twice, alike everywhere, and in about equal parts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import Result

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim, claims_of
from convcheck.cli.sharding import OVERHEAD, PER_WEIGHT, Shard, cost, of_shard, parse_shard
from convcheck.config.case import Case
from convcheck.errors import UsageError
from convcheck.layers import parse_layer

Run = Callable[..., Result]


def claims(*sizes: tuple[str, int]) -> list[Claim]:
    """Return a claim for every (name, output channels)."""
    cases = []
    for name, width in sizes:
        layer = parse_layer(f"Conv2d(3, {width}, 2, stride=2)")
        cases.append(Case(name=name, layer=layer, inputs=((1, 3, 8, 8),), rewrites=("patchify-linear",)))
    return list(claims_of(cases))


# Few names and widths, so that some claims are alike.
MANY = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([1, 2, 100, 100_000, 10**7])), max_size=25).map(
    lambda sizes: claims(*sizes)
)


@given(MANY, st.integers(1, 30))
def test_the_shards_are_the_whole_and_none_has_what_another_has(whole: list[Claim], count: int) -> None:
    shards = [of_shard(whole, Shard(index, count)) for index in range(1, count + 1)]
    places = [[next(i for i, claim in enumerate(whole) if claim is each) for each in shard] for shard in shards]
    assert sorted(place for shard in places for place in shard) == list(range(len(whole)))
    assert all(shard == sorted(shard) for shard in places)


@given(MANY, st.integers(1, 8))
def test_no_shard_has_more_to_do_than_the_theorem_allows(whole: list[Claim], count: int) -> None:
    loads = [sum(map(cost, of_shard(whole, Shard(index, count)))) for index in range(1, count + 1)]
    # Whoever got the last claim had least to do before it, so no more than the mean of what the others were given.
    least = sum(loads) / count
    largest = max(map(cost, whole), default=0)
    assert max(loads) <= least + largest * (1 - 1 / count)


@given(MANY.filter(lambda whole: len({claim.id for claim in whole}) == len(whole)), st.integers(1, 5), st.randoms())
def test_the_order_of_the_targets_changes_no_shard(whole: list[Claim], count: int, random: object) -> None:
    mixed = list(whole)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    for index in range(1, count + 1):
        assert {c.id for c in of_shard(mixed, Shard(index, count))} == {
            c.id for c in of_shard(whole, Shard(index, count))
        }


def test_claims_that_are_alike_are_dealt_out_evenly() -> None:
    whole = claims(*((f"case-{number}", 4) for number in range(10)))
    assert [len(of_shard(whole, Shard(index, 4))) for index in (1, 2, 3, 4)] == [3, 3, 2, 2]


def test_the_costliest_claim_has_a_shard_to_itself() -> None:
    whole = claims(("a", 4), ("large", 10**7), ("b", 4), ("c", 4))
    assert [[claim.case.name for claim in of_shard(whole, Shard(index, 2))] for index in (1, 2)] == [
        ["large"],
        ["a", "b", "c"],
    ]


def test_a_billion_shards_take_no_memory() -> None:
    assert of_shard(claims(("a", 4)), Shard(999_999_999, 999_999_999)) == []


def test_a_refused_claim_costs_next_to_nothing() -> None:
    (tried,) = claims(("a", 10**7))
    layer = parse_layer(f"Conv2d(3, {10**7}, 2, stride=2, padding=1)")
    (refused,) = claims_of([Case(name="a", layer=layer, inputs=((1, 3, 8, 8),), rewrites=("patchify-linear",))])
    assert cost(refused) * 100 < cost(tried)


@pytest.mark.parametrize("name", ["patchify-linear", "loops", "fft"])
def test_a_claim_costs_its_weights_the_layer_and_the_rewrite_at_its_pace(name: str) -> None:
    layer = parse_layer("Conv2d(3, 4, 2, stride=2)")
    (claim,) = claims_of([Case(name="a", layer=layer, inputs=((1, 3, 8, 8),), rewrites=(name,))])
    rewrite = catalogue()[name]
    work = layer.macs((1, 3, 8, 8)) + rewrite.macs(layer, (1, 3, 8, 8)) * rewrite.relative_cost
    assert cost(claim) == OVERHEAD + PER_WEIGHT * layer.parameter_count() + work


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0/4", "there is no shard 0/4; in I/N, I must be from 1 to 4"),
        ("5/4", "there is no shard 5/4; in I/N, I must be from 1 to 4"),
        ("0/0", "there is no shard 0/0; in I/N, N must be at least 1"),
        ("x", "'x' is no shard; write I/N, such as 1/4 for the first of four"),
        ("", "'' is no shard"),
        ("1/4/2", "'1/4/2' is no shard"),
        ("-1/4", "'-1/4' is no shard"),
        ("\u0661/4", "is no shard"),
        ("1/" + "9" * 5000, "is no shard"),
    ],
)
def test_what_is_no_shard_is_said_with_what_would_be_one(convcheck: Run, text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_shard(text)
    assert message in str(error.value)
    assert len(str(error.value)) < 150
    result = convcheck("verify", "--shard", text)
    assert result.exit_code == 2
    assert "--shard" in result.stderr


def listed(convcheck: Run, *words: str) -> list[str]:
    result = convcheck("verify", "--list", *words)
    assert result.exit_code == 0
    return str(result.stdout).splitlines()


@pytest.mark.parametrize("chosen", [(), ("-k", "not linear")])
def test_names_are_chosen_before_they_are_shared_out(convcheck: Run, tmp_path: Path, chosen: tuple[str, ...]) -> None:
    config = tmp_path / "a.yaml"
    config.write_text(
        'cases:\n  - {name: one, layer: "Conv2d(3, 4, 2, stride=2)"}\n  - {name: two, layer: "Conv2d(3, 8, 3)"}\n'
    )
    whole = listed(convcheck, str(config), *chosen)
    parts = [listed(convcheck, str(config), *chosen, "--shard", f"{index}/3") for index in (1, 2, 3)]
    assert sorted(name for part in parts for name in part) == sorted(whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_shard_is_the_same_in_every_process() -> None:
    def seen(seed: str) -> str:
        command = [sys.executable, "-m", "convcheck", "verify", "Conv2d(3, 8, 3)", "--list", "--shard", "2/3"]
        env = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout

    assert seen("1") == seen("2") != ""


def test_an_empty_shard_is_as_expected_and_said(convcheck: Run) -> None:
    result = convcheck("verify", "--shard", "3/3", "-f", "json")
    assert result.exit_code == 0
    assert "note: shard 3/3 is empty; 2 in all are shared out" in result.stderr
    assert json.loads(result.stdout)["summary"]["total"] == 0


def test_a_selection_of_nothing_stays_an_error_with_a_shard(convcheck: Run) -> None:
    result = convcheck("verify", "--shard", "1/3", "-k", "nothing")
    assert result.exit_code == 2
    assert "selects nothing" in result.stderr


def test_an_empty_expression_chooses_all(convcheck: Run) -> None:
    assert listed(convcheck, "-k", "") == listed(convcheck)
