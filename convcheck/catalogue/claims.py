"""A claim: one case with one rewrite. Cases become claims here, before anything is built. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from convcheck.catalogue.catalogue import applicable, catalogue
from convcheck.config.case import Case
from convcheck.config.replacement import Replacement
from convcheck.errors import ConvcheckError, UsageError
from convcheck.layers import Layer
from convcheck.rewriting.rewrite import Rewrite
from convcheck.rewriting.transplant import Transplant
from convcheck.rewriting.user_candidate import as_rewrite, transplant_to

MAX_COST_RATIO = 8
ALWAYS_CHEAP_MACS = 2_000_000_000
"""A rewrite that is not named is tried if it takes no more multiplications than these, a few seconds at the
pace of a matrix product, or than MAX_COST_RATIO times those of the layer."""

OWN = "candidate"
"""What stands in place of a rewrite's name for a candidate of the user's own."""

NONE_APPLIES = "all"
"""The name of a claim where all rewrites that hold were asked for, and none holds."""


@dataclass(frozen=True)
class Claim:
    """That `rewrite` computes what the case's layer computes. `refusals` says why it cannot even be tried."""

    case: Case
    name: str
    rewrite: Rewrite | None
    refusals: tuple[str, ...]
    fault: Exception | None = None
    """What convcheck itself failed with when it made the claims of a case; it is raised where this one is verified."""
    cannot_run: str | None = None
    """Why torch cannot run a side, where that came out before the claim is verified."""

    @property
    def id(self) -> str:
        """What `-k` is matched with and `--list` prints."""
        return self.case.name if self.case.candidate is not None else f"{self.case.name}[{self.name}]"

    @property
    def named(self) -> bool:
        """Whether it was asked for itself, and does not stand here since all that hold were asked for."""
        return self.case.rewrites is not None or self.case.candidate is not None

    def transplant(self) -> Transplant:
        """Return how the weights move: the catalogue's way, or the one that the case puts to the test."""
        return self._mapping

    @cached_property
    def _mapping(self) -> Transplant:
        if self.case.candidate is not None:
            # It may take a function of the user's, which is run for that.
            return transplant_to(self.case.layer, self.case.candidate)
        usual = self.usual_transplant()
        if not self.case.transplant:
            return usual
        return usual.replaced(self.case.transplant, self.case.layer.axis_sizes())

    def usual_transplant(self) -> Transplant:
        """Return how the weights move the catalogue's way; for a candidate of the user's own there is no other."""
        return self._usual

    @cached_property
    def _usual(self) -> Transplant:
        if self.case.candidate is not None:
            return self._mapping
        assert self.rewrite is not None
        return self.rewrite.transplant(self.case.layer, self.case.inputs, self.case.order)

    def forgetful(self) -> Claim:
        """Return a claim to prove: the way of its weights is known once, and as long as this one is there."""
        return self if self.case.candidate is not None else replace(self)


def check_provable(cases: Iterable[Case]) -> None:
    """Check that something can be proved of every layer of cases, and of what stands in their place.

    Raises:
        UsageError: a kind is one that only the calculator knows.
    """
    for case in cases:
        for side in (case.layer, *([case.candidate.layer] if case.candidate else [])):
            kind = next((leaf.kind for leaf in side.leaves() if leaf.COUNTED_ONLY), None)
            if kind is not None:
                raise UsageError(
                    f"{case.name}: {kind} is known to shape and params alone, and nothing is proved of it as text; "
                    f"write both sides as code, such as 'torch.nn:{kind}(...)' --candidate new.py:F() --trust"
                )


def claims_of(cases: Iterable[Case]) -> Iterator[Claim]:
    """Yield the claims of every case, in order; a case with no rewrite that holds makes one refused claim.

    Where all rewrites are asked for, those that would take far more work than the layer are left out; see `too_costly`.
    Where convcheck itself fails on a case, that is one claim, with the fault.
    """
    for case in cases:
        try:
            claims = list(_claims_of(case))
        except ConvcheckError:
            raise
        except Exception as error:
            claims = [Claim(case, NONE_APPLIES, None, (), error)]
        yield from claims


def _claims_of(case: Case) -> Iterator[Claim]:
    if case.candidate is not None:
        check_provable([case])
        own = _of_code(case, case.candidate) if case.has_code else case
        assert own.candidate is not None
        yield Claim(own, OWN, as_rewrite(own.layer, own.candidate), ())
        return
    if case.rewrites is not None:
        for name in case.rewrites:
            rewrite = catalogue()[name]
            yield Claim(case, name, rewrite, _refusals(case, rewrite))
        return
    holding = _held(case)
    left_out = too_costly(case, holding)
    held = [name for name in holding if name not in left_out]
    for name in held:
        yield Claim(case, name, catalogue()[name], ())
    if not held:
        reasons = tuple(
            f"{name}: {_reasons(case, rewrite)[0]}"
            for name, rewrite in catalogue().items()
            if isinstance(case.layer, rewrite.families)
        )
        yield Claim(case, NONE_APPLIES, None, reasons or (f"no rewrite is known for {case.layer.kind}",))


def _of_code(case: Case, candidate: Replacement) -> Case:
    """Return the case with sides that know its inputs, where they are code of the user's own."""
    # Whoever has such code has imported torch.
    from convcheck.user_code.user_module import bound_to

    def bound(layer: Layer) -> Layer:
        return bound_to(layer, case.input_specs, case.select, train=case.train)

    return replace(case, layer=bound(case.layer), candidate=replace(candidate, layer=bound(candidate.layer)))


def too_costly(case: Case, holding: Iterable[str] | None = None) -> dict[str, int]:
    """Return the rewrites that hold for a case but are left out unless named, and how many times as long they take.

    `holding` are those that hold, where they are known.
    """
    layer_macs = case.layer.macs(*case.inputs)
    names = _held(case) if holding is None else holding
    work = {name: catalogue()[name].macs(case.layer, *case.inputs) * catalogue()[name].relative_cost for name in names}
    limit = max(ALWAYS_CHEAP_MACS, MAX_COST_RATIO * layer_macs)
    costly = [name for name in sorted(work, key=work.__getitem__) if work[name] > limit]
    # One at least is tried, whatever it takes: the one that takes least.
    left_out = costly if len(costly) < len(work) else costly[1:]
    return {name: round(work[name] / layer_macs) for name in work if name in left_out}


def _held(case: Case) -> list[str]:
    names = applicable(case.layer, case.inputs)
    return [name for name in names if not catalogue()[name].refuse_order(case.layer, case.order)]


def _reasons(case: Case, rewrite: Rewrite) -> tuple[str, ...]:
    refused = rewrite.refuse(case.layer, case.inputs) or rewrite.refuse_order(case.layer, case.order)
    return tuple(str(refusal) for refusal in refused)


def _refusals(case: Case, rewrite: Rewrite) -> tuple[str, ...]:
    reasons = _reasons(case, rewrite)
    if not reasons:
        if not case.transplant:
            return ()
        usual = rewrite.transplant(case.layer, case.inputs, case.order)
        obstacles = usual.obstacles(case.transplant, case.layer.axis_sizes())
        return tuple(dict.fromkeys(f"transplant of {source}: {why}" for source, why in obstacles))
    others = applicable(case.layer, case.inputs)
    return (*reasons, *((f"what holds: {', '.join(others)}",) if others else ()))
