"""What becomes of correct cases: each is verified, and put to torch's own comparisons on the very same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from benchmarks.correct_cases import THREADS, Trial
from benchmarks.torch_comparisons import Recorded, in_dtype, let_through
from convcheck.proof.verification import verify
from convcheck.results import Verdict


@dataclass(frozen=True)
class TrialResult:
    """What became of one trial. `passed` names torch's comparisons that find no difference, where both sides ran.

    `ratio` is the largest error / bound of all entries; None where there is no such number.
    """

    trial: Trial
    verdict: Verdict
    ratio: float | None
    reason: str = ""
    passed: tuple[str, ...] = ()

    @property
    def false_alarm(self) -> bool:
        return self.verdict is Verdict.DIFFERENT

    @property
    def overflow(self) -> bool:
        """Whether the dtype cannot hold the numbers, so that nothing is learnt."""
        return self.verdict is Verdict.ERROR and "overflow: " in self.reason

    @property
    def compared(self) -> bool:
        return self.verdict in (Verdict.EQUAL, Verdict.DIFFERENT)

    @property
    def failure(self) -> bool:
        """Whether convcheck was wrong: it accused a correct case, or could not tell though the numbers were fine."""
        return self.verdict is not Verdict.EQUAL and not self.overflow


def run(trial: Trial) -> TrialResult:
    """Verify one trial."""
    numbers = Recorded(trial.changed)
    result = verify(numbers.of(trial.claim()))
    outcome = TrialResult(trial, result.verdict, result.error.ratio, result.reason or "")
    if not outcome.compared or not numbers.samples:
        return outcome
    # The last run is the one in the asked dtype.
    passed = let_through(*in_dtype(trial.claim(), numbers.samples[-1]))
    return TrialResult(trial, result.verdict, result.error.ratio, result.reason or "", passed)


def run_all(drawn: Iterable[Trial]) -> Iterator[TrialResult]:
    """Run trials, those with the same number of threads one after the other."""
    before = torch.get_num_threads()
    todo = list(drawn)
    try:
        for threads in THREADS:
            torch.set_num_threads(threads)
            yield from (run(trial) for trial in todo if trial.threads == threads)
    finally:
        torch.set_num_threads(before)
