"""The values that travel upwards: computed once, frozen, then only rendered."""

from convcheck.results.all_sizes import SizesCounterexample, SizesProof, SizesStatus
from convcheck.results.evidence import (
    Agreement,
    Deviation,
    Exact,
    Finding,
    Gradients,
    HeldStatus,
    HeldWeight,
    Kind,
    Sides,
    Verdict,
    Worst,
)
from convcheck.results.result import Report, Result, Tool

__all__ = [
    "Agreement",
    "Deviation",
    "Exact",
    "Finding",
    "Gradients",
    "HeldStatus",
    "HeldWeight",
    "Kind",
    "Report",
    "Result",
    "Sides",
    "SizesCounterexample",
    "SizesProof",
    "SizesStatus",
    "Tool",
    "Verdict",
    "Worst",
]
