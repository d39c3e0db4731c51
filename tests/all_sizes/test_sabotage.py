"""What makes proofs is broken on purpose, a part at a time: the law that holds the part has to notice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

import convcheck
from convcheck.all_sizes import attempt, axes, compare, exploring, layout, sources, sums, trace
from convcheck.all_sizes.exploring import explore
from convcheck.all_sizes.pieces import Piece, axis_of
from convcheck.all_sizes.readers import contraction, padding
from convcheck.all_sizes.regions import Exploration
from convcheck.all_sizes.sizes import Sizes
from convcheck.all_sizes.trace import Given
from convcheck.all_sizes.value import Value
from convcheck.results import SizesStatus
from convcheck.tracing import capture
from tests.all_sizes.claims import proof_of
from tests.all_sizes.reading import Law, check

IMAGE = (2, 4, 6, 8)
VECTOR = (4,)
Function = Callable[..., Tensor]


@dataclass(frozen=True)
class Pair:
    """Two functions of tensors, as both sides of a claim."""

    one: Function
    other: Function
    modules: tuple[nn.Module, ...] = ()

    def reference(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Run the first."""
        return self.one(*tensors.values())

    def candidate(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Run the second."""
        return self.other(*tensors.values())


def explored(one: Function, other: Function, *shapes: tuple[int, ...]) -> Exploration:
    """Compare two functions for all sizes."""
    given = [
        Given(f"input.{number}", shape, torch.float64, (True,) * len(shape)) for number, shape in enumerate(shapes)
    ]
    pair: Any = Pair(one, other)
    return explore(pair, given)


def differ(one: Function, other: Function, *shapes: tuple[int, ...]) -> Callable[[], None]:
    """Return the law that two functions are found to differ somewhere."""

    def law() -> None:
        assert explored(one, other, *shapes).different

    return law


def read(run: Function, *shapes: tuple[int, ...], others: tuple[tuple[int, ...], ...]) -> Callable[[], None]:
    """Return the law that a function is read as torch computes it, at other shapes as well."""

    def law() -> None:
        check(Law(run, shapes, (others,), ((0, 1), (1, 1))))

    return law


@dataclass(frozen=True)
class Sabotage:
    """A part, what it does instead, made of what it did, and a law that holds it."""

    part: object
    name: str
    instead: Callable[[Any], Any]
    law: Callable[[], None]


def _one_more(position: int) -> Callable[[Any], Any]:
    """Return what gives a function an argument that is one more."""

    def instead(right: Any) -> Any:
        def wrong(*arguments: Any) -> Any:
            return right(*arguments[:position], arguments[position] + 1, *arguments[position + 1 :])

        return wrong

    return instead


def _unflipped(_right: Any) -> Any:
    def wrong(x: Value, axis: int, kernel: Any, outputs: Any, stride: int, padding: int, dilation: int) -> Value:
        out, taps = axis_of(outputs), axis_of(kernel)
        place = f"(n0 + {padding} - {dilation}*({kernel} - 1 - n1))"
        return x.flat(axis).indexed(axis, [out, taps], [f"floor({place} / {stride})"], f"{place} mod {stride} = 0")

    return wrong


def _first_piece_only(right: Any) -> Any:
    def wrong(*arguments: Any) -> Value:
        value: Value = right(*arguments)
        return replace(value, pieces=value.pieces[:1])

    return wrong


def _relation_as_it_was(right: Any) -> Any:
    def wrong(piece: Piece, order: Any) -> Piece:
        turned: Piece = right(piece, order)
        return replace(turned, relation=piece.relation)

    return wrong


def _without_sums(right: Any) -> Any:
    """Entries that occur in several terms of one coefficient count in the first one."""

    def wrong(terms: Any, sizes: Sizes) -> Any:
        done: list[tuple[Any, Any]] = []
        for coefficient, relation in terms:
            for number, other in done:
                if number == coefficient:
                    relation = relation.subtract(other)
            done.append((coefficient, relation))
        return right(done, sizes)

    return wrong


def _overlapping(_right: Any) -> Any:
    def wrong(value: Value, axis: int, atom: int, outer: Any, inner: Any) -> Value:
        assert atom == 0
        return value.indexed(axis, [((outer, inner),)], [f"{inner - 1}*n0 + n1"])

    return wrong


def _without_products(right: Any) -> Any:
    """The export leaves products with numbers out."""

    def wrong(function: Any, tensors: Any) -> fx.GraphModule:
        made: fx.GraphModule = right(function, tensors)
        for node in made.graph.nodes:
            if "mul" in str(node.target):
                node.replace_all_uses_with(node.args[0])
        return made

    return wrong


def _everywhere(right: Any) -> Any:
    """What was compared on one path is claimed on all."""

    def wrong(found: Any, exploration: Exploration, *rest: Any) -> Any:
        right(found, exploration, *rest)
        return exploration.world

    return wrong


def _runs_at_claimed_sizes() -> None:
    claimed = proof_of("explicit-pad", "Conv1d(2, 2, 3, padding=2, padding_mode='reflect')")
    x = torch.zeros([claimed.free[axis] for axis in "bil"])
    functional.pad(x, (2, 2), mode="reflect")


class _Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


class _DoubledButOne(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 3 * x if x.shape[0] == 1 else 2 * x


def _is_refuted_at_one() -> None:
    result = convcheck.verify(_Doubled(), [[3]], candidate=_DoubledButOne(), all_sizes=True)
    assert result.sizes.status is SizesStatus.REFUTED


def _outer(x: Tensor, y: Tensor) -> Tensor:
    """Return the outer product of tensors of one length."""
    return x[:, None] * y + 0 * (x + y)


def _up_to_30(x: Tensor) -> Tensor:
    return 2 * x if x.shape[0] <= 30 else 2 * x + 1


SABOTAGES = {
    "a wrong stride": Sabotage(
        contraction,
        "windows",
        _one_more(4),
        read(lambda x, w: functional.conv1d(x, w, stride=2), (2, 4, 7), (2, 4, 3), others=((3, 4, 8), (2, 4, 3))),
    ),
    "an unflipped kernel": Sabotage(
        contraction,
        "_transposed",
        _unflipped,
        read(
            lambda x, w: functional.conv_transpose1d(x, w, stride=2),
            (2, 4, 5),
            (4, 2, 3),
            others=((3, 4, 4), (4, 2, 3)),
        ),
    ),
    "a dropped piece": Sabotage(
        Value, "plus", _first_piece_only, read(lambda x, y: x + y, (3, 5), (3, 5), others=((2, 5), (2, 5)))
    ),
    "a lost multiplicity": Sabotage(
        sums,
        "_counts_once",
        lambda _: lambda *_arguments: True,
        read(lambda x: x[:, :1].expand(-1, 3, -1).sum(1), (2, 4, 5), others=((3, 4, 2),)),
    ),
    "a lost coefficient": Sabotage(
        Value, "times", lambda _: lambda value, _number: value, read(lambda x: -x / 4, IMAGE, others=((3, 4, 7, 5),))
    ),
    "a pad off by one": Sabotage(
        padding, "shifted", _one_more(2), read(lambda x: functional.pad(x, (1, 2)), IMAGE, others=((3, 4, 7, 5),))
    ),
    "a view that is no bijection": Sabotage(
        layout, "cut", _overlapping, read(lambda x: x.view(x.shape[0], 2, 2, -1), (3, 4, 5), others=((2, 4, 3),))
    ),
    "sizes that are always the same": Sabotage(
        Sizes,
        "same",
        lambda _: lambda *_arguments: True,
        differ(lambda x: x.new_zeros(x.shape[0] + 1), lambda x: x.new_zeros(x.shape[0]), VECTOR),
    ),
    "an operator that the export drops": Sabotage(
        capture, "by_fake_tensors", _without_products, read(lambda x: 3 * x, IMAGE, others=((3, 4, 7, 5),))
    ),
    "a guard ignored": Sabotage(
        trace, "require", lambda _: lambda *_arguments: None, differ(lambda x: 2 * x, _up_to_30, VECTOR)
    ),
    "a region that is too large": Sabotage(
        exploring, "compared", _everywhere, differ(lambda x: 2 * x, _up_to_30, VECTOR)
    ),
    "lengths of 1 taken for others": Sabotage(
        attempt.Attempt,
        "_ones",
        lambda _: lambda attempt: ([axis.name for axis in attempt.axes], ()),
        _is_refuted_at_one,
    ),
    "a range that begins too low": Sabotage(axes, "lowest", lambda _: lambda *_arguments: 2, _runs_at_claimed_sizes),
    "factors in another order, entries not": Sabotage(
        compare,
        "_reordered",
        _relation_as_it_was,
        differ(lambda x, y: _outer(x, y), lambda x, y: _outer(y, x), VECTOR, VECTOR),
    ),
    "terms that do not add up": Sabotage(
        compare, "added", _without_sums, differ(lambda x: x + x, lambda x: x + 0, VECTOR)
    ),
    "equal results of other arguments": Sabotage(
        sources,
        "equal_entries",
        lambda _: lambda _ours, _theirs, within, _sizes: within,
        differ(lambda x: x.relu(), lambda x: (-x).relu(), VECTOR),
    ),
}


@pytest.mark.parametrize("sabotage", SABOTAGES.values(), ids=SABOTAGES)
def test_a_law_notices(sabotage: Sabotage, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage.law()
    monkeypatch.setattr(sabotage.part, sabotage.name, sabotage.instead(getattr(sabotage.part, sabotage.name)))
    with pytest.raises((AssertionError, RuntimeError)):
        sabotage.law()
