"""Hold the time foretold for a proof against what it takes, on rewrites that are proved for seconds.

    python benchmarks/proof_duration.py
    python benchmarks/proof_duration.py --rewrite fft --rewrite loops --seconds 20

Every proof is in a process of its own, on one thread, and its time is the processor's, so that what else runs on the
machine counts less. A layer gets as many images as are foretold to take the seconds that are asked for. The pace of the
machine is the median of what is measured before and after.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer, parse_shapes
from convcheck.proof import duration
from convcheck.proof.verification import verify
from convcheck.results import Verdict

LAYERS = {
    "attention-sum": ("scaled_dot_product_attention()", "1,8,128,32 1,8,128,32 1,8,128,32"),
    "broadcast-sum": ("Linear(256, 256)", "1,64,256"),
    "fft": ("Conv2d(32, 32, 5, padding=2)", "1,32,28,28"),
    "loops": ("Conv2d(32, 32, 5, padding=2)", "1,32,14,14"),
    "matmul-fold": ("ConvTranspose2d(64, 32, 4, stride=2, padding=1)", "1,64,28,28"),
    "merge-convs": ("Sequential(Conv2d(64, 256, 1), Conv2d(256, 64, 3))", "1,64,28,28"),
    "multihead-sum": ("MultiheadAttention(embed_dim=192, num_heads=3, batch_first=True)", "1,197,192"),
    "subsampled-conv": ("Conv2d(32, 64, 3, stride=4, padding=1)", "1,32,56,56"),
    "taps-sum": ("Conv2d(32, 32, 7, padding=3)", "1,32,28,28"),
    "toeplitz-matmul": ("Conv2d(8, 8, 3, padding=1)", "1,8,16,16"),
    "windows-sum": ("Conv2d(32, 32, 3, padding=1)", "1,32,28,28"),
    "winograd": ("Conv2d(64, 64, 3, padding=1)", "1,64,28,28"),
    "zeroinsert-conv": ("ConvTranspose2d(64, 32, 4, stride=4)", "1,64,14,14"),
    "zerostuffed-conv": ("Conv2d(32, 32, 3, padding=4, dilation=4)", "1,32,28,28"),
}
"""For every rewrite that takes far longer than its layer one of a model's size, and its inputs, of one image."""

MOST_IMAGES = {"loops": 5}
"""How many images a rewrite takes, where there is a limit."""

WITHIN = 3.0


def claim_of(name: str, images: int) -> Claim:
    """Return the claim of the rewrite's layer, with so many images along the first axis of every input."""
    text, inputs = LAYERS[name]
    shapes = tuple((images * batch, *rest) for batch, *rest in parse_shapes(inputs.split()))
    return Claim(Case(name, parse_layer(text), shapes, (name,)), name, catalogue()[name], ())


def images_for(name: str, work: float) -> int:
    """Return how many images take about so much work."""
    images = 1
    most = MOST_IMAGES.get(name, 1024)
    while images < most and duration.work(claim_of(name, images + 1)) <= work:
        images += 1
    return images


def pace() -> float:
    """Measure the pace of one thread anew, in time of the processor."""
    duration.pace.cache_clear()
    return duration.pace(time.process_time)


def measure(name: str, seconds: float) -> tuple[int, float, float]:
    """Return the number of images, and the seconds foretold and taken."""
    import torch

    torch.set_num_threads(1)
    verify(claim_of(name, 1))
    paces = [pace() for _ in range(5)]
    claim = claim_of(name, images_for(name, seconds * median(paces)))
    start = time.process_time()
    assert verify(claim).verdict is Verdict.EQUAL
    taken = time.process_time() - start
    paces += [pace() for _ in range(5)]
    return claim.case.inputs[0][0], duration.work(claim) / median(paces), taken


def main() -> int:
    """Print foretold, taken, and their ratio; return 1 if more than three times as long is taken, or foretold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rewrite", action="append", choices=list(LAYERS), help="this one; may be repeated (all)")
    parser.add_argument("--seconds", type=float, default=4, help="as many images as are foretold to take that (4)")
    options = parser.parse_args()
    wrong = False
    print(f"{'':20}{'images':>7}{'s foretold':>12}{'s taken':>9}{'ratio':>7}")
    for name in options.rewrite or LAYERS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            images, foretold, taken = process.submit(measure, name, options.seconds).result()
        ratio = foretold / taken
        beyond = not 1 / WITHIN <= ratio <= WITHIN
        wrong |= beyond
        row = f"{name:20}{images:7}{foretold:12.1f}{taken:9.1f}{ratio:7.2f}"
        print(f"{row}{f'  beyond {WITHIN:g}' if beyond else ''}", flush=True)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
