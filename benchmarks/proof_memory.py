"""Hold the memory and the time foretold for a proof against what it takes, every rewrite in a process of its own.

    python benchmarks/proof_memory.py
    python benchmarks/proof_memory.py --rewrite fft --rewrite winograd --images 64

The peak is that of resident memory while the claim is verified, less what was resident before: the process, torch, and
what torch loads at first use, by a proof of the rewrite's small example. glibc is asked to give back all that is freed,
so that it is what the proof holds. By itself it keeps pieces of blocks below 32 MiB, others in every run:
`--usual-malloc` shows them. The time is shown to be looked at; `benchmarks/proof_duration.py` judges it. Needs Linux
and glibc, and takes minutes.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks.memory import forget_peak, resident
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer, parse_shapes
from convcheck.proof import duration, memory
from convcheck.proof.verification import verify
from convcheck.results import Verdict
from convcheck.sizes.patterns import Shapes

LAYERS = {
    "attention-sum": ("scaled_dot_product_attention()", "2,4,96,16 2,4,96,16 2,4,96,16"),
    "blockdiagonal-conv": ("Conv2d(16, 16, 3, padding=1, groups=4)", "2,16,32,32"),
    "broadcast-sum": ("Linear(64, 64)", "8,64,64"),
    "conv1x1-unpatchify": ("ConvTranspose2d(32, 8, 4, stride=4)", "2,32,16,16"),
    "conv-depthtospace": ("ConvTranspose2d(16, 16, 4, stride=2, padding=1)", "4,16,16,16"),
    "explicit-pad": ("Conv2d(16, 16, 3, padding=1)", "2,16,32,32"),
    "fft": ("Conv2d(16, 16, 5, padding=2)", "2,16,20,20"),
    "flatten-linear": ("Conv2d(16, 100, 12)", "2,16,12,12"),
    "fold-batchnorm": ("Sequential(Conv2d(16, 16, 3, padding=1, bias=False), BatchNorm2d(16))", "2,16,32,32"),
    "fold-batchnorm-forward": ("Sequential(BatchNorm2d(16), Conv2d(16, 16, 3, bias=False))", "2,16,32,32"),
    "indexed": ("PixelShuffle(2)", "2,16,48,48"),
    "linear-as-conv1x1": ("Linear(256, 256)", "64,256"),
    "linear-unpatchify": ("ConvTranspose2d(32, 8, 4, stride=4)", "2,32,16,16"),
    "loops": ("Conv2d(16, 64, 8)", "1,16,12,12"),
    "matmul-fold": ("ConvTranspose2d(16, 16, 3, padding=1)", "4,16,16,16"),
    "merge-convs": ("Sequential(Conv2d(16, 32, 1), Conv2d(32, 16, 3))", "2,16,24,24"),
    "merge-linears": ("Sequential(Linear(256, 128), Linear(128, 256))", "8,32,256"),
    "merge-separable": ("Sequential(Conv2d(16, 16, 3, padding=1, groups=16), Conv2d(16, 32, 1))", "2,16,24,24"),
    "multihead-sum": ("MultiheadAttention(embed_dim=64, num_heads=4, batch_first=True)", "2,96,64"),
    "patches-as-conv": (
        "Sequential(rearrange('b c (h p) (w q) -> b (h w) (p q c)', p=4, q=4), Linear(256, 64))",
        "2,16,32,32",
    ),
    "patches-as-transposed": (
        "Sequential(Linear(64, 256), rearrange('b h w (p q c) -> b c (h p) (w q)', p=4, q=4))",
        "2,8,8,64",
    ),
    "patchify-conv1x1": ("Conv2d(3, 96, 8, stride=8)", "2,3,96,96"),
    "patchify-linear": ("Conv2d(3, 96, 8, stride=8)", "2,3,96,96"),
    "patchify-unfold": ("Patchify(3, 96, data_dim=2, patch_size=8)", "2,96,96,3"),
    "pointwise-linear": ("Conv2d(64, 32, 1)", "2,64,32,32"),
    "rearranged": ("PixelShuffle(2)", "2,16,48,48"),
    "shuffle-as-transposed": ("Sequential(Conv2d(16, 32, 3, padding=1), PixelShuffle(2))", "2,16,24,24"),
    "spacetobatch-conv": ("Conv2d(16, 16, 3, padding=2, dilation=2)", "2,16,32,32"),
    "spacetodepth-conv": ("Conv2d(3, 32, 7, stride=2, padding=3)", "2,3,64,64"),
    "split-concat": ("Conv2d(16, 16, 3, padding=1, groups=4)", "2,16,32,32"),
    "subsampled-conv": ("Conv2d(16, 16, 3, stride=2, padding=1)", "2,16,48,48"),
    "taps-sum": ("Conv2d(16, 16, 3, padding=1)", "2,16,32,32"),
    "time-in-channels": ("Conv3d(3, 32, (2, 8, 8), stride=(2, 8, 8))", "1,3,8,64,64"),
    "time-sum": ("Conv3d(8, 8, 3, padding=1)", "1,8,8,16,16"),
    "toeplitz-matmul": ("Conv2d(4, 8, 3, padding=1)", "1,4,14,14"),
    "transposed-as-gradient": ("ConvTranspose2d(16, 16, 4, stride=2, padding=1)", "4,16,16,16"),
    "unfold-matmul": ("Conv2d(16, 16, 3, padding=1, groups=2)", "2,16,32,32"),
    "unpatchify-fold": ("Unpatchify(32, 8, data_dim=2, patch_size=4)", "2,16,16,32"),
    "windows-sum": ("Conv2d(16, 16, 3, padding=1)", "2,16,20,20"),
    "winograd": ("Conv2d(32, 32, 3, padding=1)", "2,32,16,16"),
    "zeroinsert-conv": ("ConvTranspose2d(16, 16, 3, stride=2, padding=1)", "2,16,16,16"),
    "zerostuffed-conv": ("Conv2d(16, 16, 3, padding=2, dilation=2)", "2,16,32,32"),
}
"""For every rewrite a layer whose tensors are of about one size, and its inputs, of a few images."""

GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""glibc's setting by which every block of a tensor's size is a mapping of its own, and ends when it is freed."""

MOST_IMAGES = {"loops": 40}
"""How many times as many images a rewrite takes, where there is a limit."""


def claim_of(name: str, images: int = 1) -> Claim:
    """Return the claim of the rewrite's layer, with `images` times as many along the first axis of every input."""
    text, inputs = LAYERS[name]
    times = min(images, MOST_IMAGES.get(name, images))
    shapes = tuple((times * batch, *rest) for batch, *rest in parse_shapes(inputs.split()))
    return _claim(name, text, shapes)


def _claim(name: str, text: str, shapes: Shapes | None) -> Claim:
    layer = parse_layer(text)
    shapes = shapes or layer.example_inputs()
    return Claim(Case(name, layer, shapes, (name,)), name, catalogue()[name], ())


def measure(name: str, images: int) -> tuple[int, float, float]:
    """Return the bytes and seconds that the proof of `claim_of` takes, once all that torch loads at first use is
    loaded, and the seconds that are foretold.
    """
    verify(_claim(name, catalogue()[name].example, catalogue()[name].example_inputs))
    claim = claim_of(name, images)
    # What the small example freed would be taken again, and not be counted.
    ctypes.CDLL(None).malloc_trim(0)
    forget_peak()
    before, read = resident("VmRSS"), resident("RssFile")
    result = verify(claim)
    assert result.verdict is Verdict.EQUAL
    # Libraries' code that was read in meanwhile is no memory of the proof's.
    return resident("VmHWM") - before - (resident("RssFile") - read), result.seconds, duration.seconds(claim)


def main() -> int:
    """Print foretold, measured, and their ratio; return 1 if more than twice as much memory is taken, or foretold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rewrite", action="append", choices=list(LAYERS), help="this one; may be repeated (all)")
    parser.add_argument("--images", type=int, default=24, help="times as many images as the small layers have (24)")
    parser.add_argument("--usual-malloc", action="store_true", help="leave the allocator as it is")
    options = parser.parse_args()
    if not options.usual_malloc:
        # glibc reads it when a process starts.
        os.environ.update(GIVES_BACK)
    wrong = False
    print(f"{'':24}{'foretold':>12}{'measured':>12}{'ratio':>8}{'s foretold':>12}{'s taken':>8}")
    for name in options.rewrite or LAYERS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            measured, took, expected = process.submit(measure, name, options.images).result()
        foretold = memory.needed(claim_of(name, options.images))
        ratio = foretold / measured
        wrong |= not 0.5 <= ratio <= 2
        sizes = f"{memory.write_bytes(foretold):>12}{memory.write_bytes(measured):>12}"
        sizes += f"{ratio:8.2f}{expected:10.1f}{took:10.1f}"
        print(f"{name:24}{sizes}{'' if 0.5 <= ratio <= 2 else '  beyond 2'}", flush=True)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
