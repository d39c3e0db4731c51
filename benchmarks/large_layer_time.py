"""How long a proof of a large layer takes, beside one forward of both sides in float32.

    python benchmarks/large_layer_time.py
    python benchmarks/large_layer_time.py --rounds 20 --threads 1

The layer is the patch embedding of ViT-L/14, as a Linear on patches. Proof and forward take turns in one process, so
that what else the machine does falls on both; medians are compared, of wall time and of processor time. The forward is
what a hand-written comparison runs: both modules exist, and their weights are moved. `verify` starts anew every time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

from benchmarks.tables import FORMATS, Written, print_table
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.cli.jobs import let_waiting_threads_sleep
from convcheck.config.case import Case
from convcheck.config.checks import DType
from convcheck.layers import parse_layer
from convcheck.results import Verdict

REWRITE = "patchify-linear"
LAYERS = {"ViT-L/14": ("Conv2d(3, 1024, kernel_size=14, stride=14)", (8, 3, 224, 224))}
MOST = 8.0
"""What a proof may take at most, of the time of one forward of both sides."""


def claim_of(text: str, shape: tuple[int, ...], dtype: DType = "float32", rewrite: str = REWRITE) -> Claim:
    """Return the claim about one rewrite of a layer."""
    case = Case("large", parse_layer(text), (shape,), (rewrite,), dtype=dtype)
    return Claim(case, rewrite, catalogue()[rewrite], ())


def forward(claim: Claim) -> Callable[[], object]:
    """Return what runs both modules once in float32, on the same numbers."""
    import torch

    from convcheck.modules.build import build

    layer, shapes = claim.case.layer, claim.case.inputs
    reference, candidate = build(layer).eval(), catalogue()[REWRITE].build(layer, shapes).eval()
    candidate.load_state_dict(claim.transplant().forward(dict(reference.state_dict())))
    x = torch.randn(shapes[0])

    def run() -> object:
        with torch.no_grad():
            return reference(x), candidate(x)

    return run


def measure(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    """Return seconds of the clock, and of all processors, of every run in all rounds; a first round does not count."""
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            wall, processor = time.perf_counter(), time.process_time()
            run()
            if number:
                taken[name][0].append(time.perf_counter() - wall)
                taken[name][1].append(time.process_time() - processor)
    return taken


def proof(claim: Claim) -> None:
    """Prove a claim, and see that it holds."""
    from convcheck.proof.verification import verify

    assert verify(claim).verdict is Verdict.EQUAL


def main() -> int:
    """Print the table; return 1 if a proof takes longer than it may."""
    # As `convcheck verify` does; it is for the forward as well.
    let_waiting_threads_sleep()
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="rounds (10)")
    parser.add_argument("--threads", type=int, help="threads of torch (as it is)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the table is written")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    rows, slow = [], False
    for name, (text, shape) in LAYERS.items():
        claim = claim_of(text, shape)
        taken = measure({"forward": forward(claim), "proof": partial(proof, claim)}, options.rounds)
        (bare, bare_busy), (proved, proved_busy) = (
            [statistics.median(seconds) for seconds in taken[run]] for run in ("forward", "proof")
        )
        ratio = proved / bare
        slow |= ratio > MOST
        numbers = [f"{1000 * bare:.0f} ms", f"{1000 * proved:.0f} ms", f"{ratio:.1f}", f"{proved_busy / bare_busy:.1f}"]
        rows.append([f"{name}, batch {shape[0]}", *numbers])
    print_table(
        Written(("layer", "forward of both sides", "proof", "ratio", "ratio of processor time"), rows), options.format
    )
    print(f"\nat most {MOST:g} is allowed; torch {torch.__version__}, {torch.get_num_threads()} threads")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
