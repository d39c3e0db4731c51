"""What becomes of correct cases: each is verified, and put to torch's own comparisons on the very same numbers.

A user's own modes of torch, such as autocast, may be on while it is verified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from unittest.mock import patch

import torch

from benchmarks.correct_cases import THREADS, Trial
from benchmarks.torch_comparisons import Recorded, in_dtype, let_through
from convcheck.proof import observations
from convcheck.proof.verification import verify
from convcheck.results import Agreement, Verdict


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Make another dtype the default for a while."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def cuda_factors(tf32: bool) -> Iterator[None]:
    """Round the factors of CUDA's float32 products to TF32, or none of them, for a while."""
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, conv.allow_tf32
    matmul.allow_tf32 = conv.allow_tf32 = tf32
    try:
        yield
    finally:
        matmul.allow_tf32, conv.allow_tf32 = before


MODES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "none": nullcontext,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default float64": lambda: default_dtype(torch.float64),
    "default bfloat16": lambda: default_dtype(torch.bfloat16),
    "default float16": lambda: default_dtype(torch.float16),
    "tf32": lambda: cuda_factors(tf32=True),
    "no tf32": lambda: cuda_factors(tf32=False),
}
"""Modes of torch that a caller may have set; none of them changes what is true of a layer."""


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
    gradients: bool = True
    """Whether gradients were compared, or are not to be."""

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
        return not self.gradients or (self.verdict is not Verdict.EQUAL and not self.overflow)


def run(trial: Trial, mode: str = "none") -> TrialResult:
    """Verify one trial in one of MODES."""
    numbers = Recorded(trial.changed)
    claim = numbers.of(trial.claim())
    with MODES[mode](), patch.object(observations, "ENGINE", wraps=observations.ENGINE) as engine:
        result = verify(claim)
    # Gradients that nobody took are all zeros, and identical.
    taken = engine.run_backward.called and result.gradients.status is not Agreement.NOT_APPLICABLE
    compared = taken or result.exact.status is Agreement.NOT_APPLICABLE
    outcome = TrialResult(trial, result.verdict, result.error.ratio, result.reason or "", gradients=compared)
    if not outcome.compared or not numbers.samples:
        return outcome
    # The last run is the one in the asked dtype.
    return replace(outcome, passed=let_through(*in_dtype(trial.claim(), numbers.samples[-1])))


def run_all(drawn: Iterable[Trial], mode: str = "none") -> Iterator[TrialResult]:
    """Run trials in one of MODES, those with the same number of threads one after the other."""
    before = torch.get_num_threads()
    todo = list(drawn)
    try:
        for threads in THREADS:
            torch.set_num_threads(threads)
            yield from (run(trial, mode) for trial in todo if trial.threads == threads)
    finally:
        torch.set_num_threads(before)
