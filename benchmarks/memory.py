"""How much memory the candidates of a layer take beyond their operands, each measured in a process of its own.

    python benchmarks/memory.py
    python benchmarks/memory.py "Conv2d(64, 64, 3, padding=1)" 8,64,112,112 --rewrite fft --rewrite windows-sum

Peak resident memory of one run in float32, less what was resident just before it (the process, the input and the
weights), less the output; of a run with its backward pass, less the gradients of input and weights as well. In MB of
10^6 bytes. What torch loads at first use is loaded before, by a run of the rewrite's small example. Needs Linux.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from convcheck.catalogue.catalogue import applicable, catalogue
from convcheck.errors import ConvcheckError
from convcheck.layers import Layer, accept, parse_layer, parse_shapes, write_shapes
from convcheck.sizes.patterns import Shapes

VIT_B16 = (
    ("Conv2d(3, 768, kernel_size=16, stride=16)", ((8, 3, 224, 224),)),
    ("ConvTranspose2d(768, 3, 16, stride=16)", ((8, 768, 14, 14),)),
)
LAYER_ITSELF = "(the layer itself)"
MEGABYTE = 10**6


def resident(field: str) -> int:
    """Return a size of this process in bytes: VmRSS, all it holds now; RssFile, what of that is files; VmHWM, the most
    that it held since `forget_peak`.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def forget_peak() -> None:
    """Have VmHWM begin anew at what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def one_run(layer: Layer, shapes: Shapes, name: str, backward: bool) -> int:
    """Return how many bytes one run of a rewrite's candidate takes beyond its operands."""
    import torch
    from torch import nn

    from convcheck.modules.build import build

    module = build(layer) if name == LAYER_ITSELF else catalogue()[name].build(layer, shapes)
    inputs = [torch.randn(shape, requires_grad=backward) for shape in shapes]
    for parameter in module.parameters():
        nn.init.normal_(parameter)  # memory that was never written to is not resident
    cotangent = torch.randn(layer.output_shape(*shapes))
    forget_peak()
    before, read = resident("VmRSS"), resident("RssFile")
    with torch.set_grad_enabled(backward):
        y = module(*inputs)
        if backward:
            y.backward(cotangent)
    gradients = [operand.grad for operand in (*inputs, *module.parameters()) if operand.grad is not None]
    results = sum(int(result.nbytes) for result in (y, *gradients))
    # Libraries' code that was read in meanwhile is no memory of the candidate's.
    read = resident("RssFile") - read
    return resident("VmHWM") - before - results - read


def measure(text: str, shapes: Shapes, name: str, backward: bool) -> int:
    """Return what `one_run` does, once all that torch loads at first use is loaded."""
    layer = parse_layer(text)
    small, its_inputs = layer, layer.example_inputs()
    if name != LAYER_ITSELF:
        small = parse_layer(catalogue()[name].example)
        its_inputs = catalogue()[name].example_inputs or small.example_inputs()
    one_run(small, its_inputs, name, backward)
    return one_run(layer, shapes, name, backward)


def in_a_fresh_process(text: str, shapes: Shapes, name: str, backward: bool) -> float | None:
    """Return what `measure` does, in MB, or None where the system ended the process: it ran out of memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        try:
            return process.submit(measure, text, shapes, name, backward).result() / MEGABYTE
        except BrokenProcessPool:
            return None


def rows(
    text: str, shapes: Shapes, names: list[str] | None, backward: bool
) -> Iterator[tuple[str, list[float | None]]]:
    """Yield every rewrite that holds for a layer, and what it takes: forward, and with the backward pass if asked."""
    held = [name for name in applicable(parse_layer(text), shapes) if names is None or name in names]
    for name in [LAYER_ITSELF, *held]:
        runs = (False, True) if backward else (False,)
        yield name, [in_a_fresh_process(text, shapes, name, run) for run in runs]


def main() -> int:
    """Print a table a layer; return 1 if a candidate's forward run takes more than the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layer", nargs="?", help="as torch prints it; left out, the two of ViT-B/16 at batch 8")
    parser.add_argument("input", nargs="*", help="the inputs' shapes: 8,3,224,224; left out, small ones")
    parser.add_argument("--rewrite", action="append", help="measure this one; may be repeated (default: all that hold)")
    parser.add_argument("--forward-only", action="store_true", help="leave out the runs with a backward pass")
    parser.add_argument("--limit", type=float, default=512, help="MB beyond its operands that a forward run may take")
    options = parser.parse_args()
    if unknown := set(options.rewrite or ()) - set(catalogue()):
        parser.error(f"unknown rewrite {', '.join(sorted(unknown))}; known are {', '.join(catalogue())}")
    layers: tuple[tuple[str, Shapes], ...] = VIT_B16
    if options.layer:
        try:
            layer = parse_layer(options.layer)
            shapes = parse_shapes(options.input) if options.input else layer.example_inputs()
            accept(layer, shapes)
        except ConvcheckError as error:
            parser.error(str(error))
        layers = ((options.layer, shapes),)
    above = False
    for text, shapes in layers:
        print(f"{text} {write_shapes(shapes)}: MB beyond operands\n{'':24}{'forward':>12}{'+ backward':>12}")
        for name, taken in rows(text, shapes, options.rewrite, not options.forward_only):
            over = name != LAYER_ITSELF and (taken[0] is None or taken[0] > options.limit)
            above |= over
            written = "".join(f"{'killed' if each is None else f'{each:.1f}':>12}" for each in taken)
            print(f"{name:24}{written}{f'  above {options.limit:g}' if over else ''}", flush=True)
        print()
    return int(above)


if __name__ == "__main__":
    sys.exit(main())
