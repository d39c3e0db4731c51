"""What becomes of one mutant: found, shown to be the same function, said to be beyond the case, or missed."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks import equivalence
from benchmarks.fault_kinds import FaultKind
from benchmarks.given_weights import GivenWeights
from benchmarks.planting import Fault
from benchmarks.torch_comparisons import Recorded, in_dtype, let_through
from convcheck.catalogue.claims import Claim
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence.weight_shapes import misfits
from convcheck.proof.verification import verify
from convcheck.results import Agreement, Kind, Result, SizesProof, Verdict
from convcheck.sides import samples


class Status(StrEnum):
    """How a mutant ended. What torch could not even build or run never was one."""

    KILLED = "killed"
    EQUIVALENT = "equivalent"
    WEAK = "weak"
    SURVIVED = "survived"
    ACCUSED = "accused of nothing"
    CRASHED = "crashed"
    UNBUILT = "could not be built"


FAILURES = (Status.SURVIVED, Status.ACCUSED, Status.CRASHED)
"""A fault that was missed, one that was found where none is, and one that convcheck itself fell over."""

ORDERS = (FaultKind.PATCH_AXES, FaultKind.CHANNELS, FaultKind.FLIP, FaultKind.IN_OUT, FaultKind.GROUPS)
"""What a case with one channel, or with weights that are symmetric in their effect, cannot tell."""


@dataclass(frozen=True)
class MutantResult:
    """A mutant's status, with the evidence that found it, or the reason why it was not found.

    `passed` names the comparisons of torch that would have let it through, on the numbers of the same run; `sizes` is
    what is proved of it for all sizes, if that was asked.
    """

    claim: Claim
    fault: Fault
    status: Status
    by: str
    passed: tuple[str, ...] = ()
    sizes: SizesProof = field(default_factory=SizesProof)


def mutant(claim: Claim, fault: Fault) -> str:
    """Return a mutant in words, enough to plant it again."""
    case = claim.case
    given = f", {case.weights}" if case.weights else ""
    shapes = ", ".join(str(list(shape)) for shape in case.inputs)
    return f"{claim.name}: {case.layer} on {shapes} in {case.dtype}{given}; {fault.kind}: {fault.place}"


def judge(claim: Claim, fault: Fault) -> MutantResult:
    """Verify a mutant, and look closer if it was not found."""
    planted = dataclasses.replace(claim, rewrite=fault.rewrite)
    reason = unbuilt(planted)
    if reason is not None:
        return MutantResult(claim, fault, Status.UNBUILT, reason)
    weights = claim.case.weights
    numbers = Recorded(weights.replace) if isinstance(weights, GivenWeights) else Recorded()
    try:
        result = verify(numbers.of(planted))
    except Exception as error:  # that nothing falls over a fault is part of what is tested
        return MutantResult(claim, fault, Status.CRASHED, f"{type(error).__name__}: {error}")
    if result.verdict is Verdict.ERROR:
        return MutantResult(claim, fault, Status.UNBUILT, str(result.reason))
    passed = let_through(*in_dtype(planted, numbers.samples[-1]))
    if result.verdict is not Verdict.EQUAL:
        status = Status.ACCUSED if equivalence.unchanged(fault) else Status.KILLED
        return MutantResult(claim, fault, status, found_by(result), passed)
    argument = equivalence.shown(claim, fault)
    if argument is not None:
        return MutantResult(claim, fault, Status.EQUIVALENT, argument)
    untested = [str(note) for note in result.weaknesses if note.kind is Kind.STRENGTH]
    weak = "; ".join(note for note in untested if excuses(note, fault))
    return MutantResult(claim, fault, Status.WEAK if weak else Status.SURVIVED, weak or "nothing differed", passed)


def excuses(note: str, fault: Fault) -> bool:
    """Tell whether what a weak case could not tell is what was planted; another weakness is no excuse."""
    unseen = re.search(r"entries of (\S+)( \d+)? ever meet|weak: no output has a gradient in (input)( \d+)?", note)
    if unseen is None:
        return "outputs are" in note or fault.kind in ORDERS
    name, number = unseen.groups()[:2] if unseen[1] else unseen.groups()[2:]
    if name == "input":
        return fault.parameter is None and fault.number in (None, int(number or 0))
    return fault.number is None and "bias" not in (fault.parameter or "")


def unbuilt(claim: Claim) -> str | None:
    """Return why a mutant cannot be built or run, or has another shape, which any comparison would see; else None."""
    layer, shapes = claim.case.layer, claim.case.inputs
    try:
        pair = build_pair(claim)
        faults = "; ".join(misfits(pair))
        output = None if faults else pair.run_candidate(samples.ones(pair.reference))
    except Exception as error:  # whatever it is that a faulty module raises
        return f"{type(error).__name__}: {error}"
    if output is None:
        return faults
    wanted = layer.output_shape(*shapes)
    return None if tuple(output.shape) == wanted else f"its output is {list(output.shape)}, not {list(wanted)}"


def found_by(result: Result) -> str:
    """Return which evidence found a fault: the first that did, from the strongest on."""
    if result.verdict is Verdict.REFUSED:
        return "refused"
    if result.exact.status is Agreement.DIFFERENT:
        return "outputs on integers"
    if result.gradients.status is Agreement.DIFFERENT:
        return "gradients on integers"
    if result.exact.status is Agreement.IDENTICAL:
        return "rounding bound, and not by integers"
    return "rounding bound, where there is no exact argument"
