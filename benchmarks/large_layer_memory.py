"""How much memory a proof of a large layer takes, beside the bare comparison of both sides.

    python benchmarks/large_layer_memory.py
    python benchmarks/large_layer_memory.py --dtype bfloat16 --rounds 5

Layers are the patch embedding of ViT-B/16, as a Linear on patches, for a batch and for one large image, a convolution
of one large image whose windows overlap, and a Linear of which the weights are most. The bare comparison builds both
modules, moves the weights, runs both once, and prints the largest difference. Each is a process of its own, and so is
one that does nothing but import torch; what counts is the peak of resident memory above that one's: what convcheck
loads is counted. Medians of all rounds are compared. In MB of 10^6 bytes. Needs Linux.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from typing import NamedTuple

from benchmarks.tables import FORMATS, Written, print_table

TORCH = "import torch"

COMPARED = """
import torch
from einops import rearrange
from torch import nn

dtype, shape = torch.{dtype}, {shape}
{pair}
x = torch.randn(shape).to(dtype)
with torch.no_grad():
    theirs.weight.copy_(move(ours.weight))
    theirs.bias.copy_(ours.bias)
    ours, theirs = ours.to(dtype), theirs.to(dtype)
    first, second = ours(x), run(x)
    print((first - second).abs().max().item(), torch.allclose(first, second, atol=1e-5))
"""

PATCHES = """
ours, theirs = nn.Conv2d(3, 768, 16, stride=16), nn.Linear(768, 768)
move = lambda weight: rearrange(weight, "o i p q -> o (i p q)")
patches = lambda x: rearrange(x, "b i (h p) (w q) -> b h w (i p q)", p=16, q=16)
run = lambda x: rearrange(theirs(patches(x)), "b h w o -> b o h w")
"""

PADDED = """
ours, theirs = nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 64, 3)
move = lambda weight: weight
run = lambda x: theirs(nn.functional.pad(x, (1, 1, 1, 1)))
"""

POINTWISE = """
ours, theirs = nn.Linear(4096, 4096), nn.Conv1d(4096, 4096, 1)
move = lambda weight: weight[:, :, None]
run = lambda x: theirs(x[:, :, None])[:, :, 0]
"""

PROOF = """
import torch
from benchmarks.large_layer_time import claim_of, proof

proof(claim_of("{layer}", {shape}, "{dtype}", "{rewrite}"))
"""

PEAK = "import resource, sys; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"


class Compared(NamedTuple):
    """A layer, its input's shape, a rewrite, and the same pair by hand."""

    layer: str
    shape: tuple[int, ...]
    rewrite: str
    pair: str


EMBEDDING = "Conv2d(3, 768, kernel_size=16, stride=16)"
LAYERS = {
    "ViT-B/16, batch 32": Compared(EMBEDDING, (32, 3, 224, 224), "patchify-linear", PATCHES),
    "ViT-B/16, one image of 1792x1792": Compared(EMBEDDING, (1, 3, 1792, 1792), "patchify-linear", PATCHES),
    "Conv2d(64, 64, 3, padding=1), one image of 512x512": Compared(
        "Conv2d(64, 64, 3, padding=1)", (1, 64, 512, 512), "explicit-pad", PADDED
    ),
    "Linear(4096, 4096), one row": Compared("Linear(4096, 4096)", (1, 4096), "linear-as-conv1x1", POINTWISE),
}
MOST = 2.5
"""What a proof may take at most, of the memory of the bare comparison."""

MEGABYTE = 10**6


class Taken(NamedTuple):
    """Bytes above those of a process that imports torch."""

    bare: float
    proof: float


def peak(program: str) -> int:
    """Return the most bytes that a process held that runs a program."""
    # A child begins with the peak of what starts it, until it runs another program.
    run = subprocess.run([sys.executable, "-c", f"{program}\n{PEAK}"], check=True, capture_output=True, text=True)
    return 1024 * int(run.stderr.splitlines()[-1])


def measure(compared: Compared, dtype: str, rounds: int) -> Taken:
    """Return the medians of what both take, in interleaved rounds."""
    given = {"dtype": dtype, **compared._asdict()}
    programs = [program.format(**given) for program in (TORCH, COMPARED, PROOF)]
    peaks = [[peak(program) for program in programs] for _ in range(rounds)]
    torch_alone, bare, proof = (statistics.median(column) for column in zip(*peaks, strict=True))
    return Taken(bare - torch_alone, proof - torch_alone)


def main() -> int:
    """Print the table; return 1 if a proof takes more than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", action="append", help="of the run; may be repeated (float32)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the table is written")
    options = parser.parse_args()
    rows, large = [], False
    for name, compared in LAYERS.items():
        for dtype in options.dtype or ["float32"]:
            taken = measure(compared, dtype, options.rounds)
            ratio = taken.proof / taken.bare
            large |= ratio > MOST
            sizes = (f"{size / MEGABYTE:.0f} MB" for size in taken)
            rows.append([f"{name}, {dtype}", *sizes, f"{ratio:.2f}"])
    print_table(Written(("layer", "bare comparison", "proof", "ratio"), rows), options.format)
    import torch

    print(f"\nat most {MOST:g} is allowed; torch {torch.__version__}, {torch.get_num_threads()} threads")
    return int(large)


if __name__ == "__main__":
    sys.exit(main())
