"""Multiply-accumulates of one layer of every kind: of convcheck, torch's FlopCounterMode, fvcore and ptflops.

    python benchmarks/macs_of_counters.py
    python benchmarks/macs_of_counters.py --write

Half of FlopCounterMode's FLOPs is what a MAC is here. fvcore and ptflops are no dependencies; where one is not there,
its column is empty. `--write` puts the table into docs/shape.md. Returns 1 where convcheck and FlopCounterMode differ
for another reason than that torch runs a layer in one kernel, which no counter knows.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from convcheck.layers import Layer, parse_layer
from convcheck.sizes.patterns import Shapes
from tests.strategies.counted import INTEGERS, module_of

PAGE = Path(__file__).parents[1] / "docs" / "shape.md"
BEGIN, END = "<!-- macs -->", "<!-- /macs -->"

LAYERS: tuple[tuple[str, Shapes], ...] = (
    ("Conv2d(6, 8, 3, padding=1)", ((1, 6, 16, 16),)),
    ("Conv2d(6, 6, 3, groups=6)", ((1, 6, 16, 16),)),
    ("ConvTranspose2d(6, 8, 2, stride=2)", ((1, 6, 16, 16),)),
    ("Linear(16, 8)", ((1, 5, 16),)),
    ("Bilinear(3, 4, 5)", ((1, 7, 3), (1, 7, 4))),
    ("BatchNorm2d(6)", ((1, 6, 16, 16),)),
    ("LayerNorm(16)", ((1, 5, 16),)),
    ("GroupNorm(2, 6)", ((1, 6, 16, 16),)),
    ("InstanceNorm2d(6)", ((1, 6, 16, 16),)),
    ("RMSNorm(16)", ((1, 5, 16),)),
    ("ReLU()", ((1, 6, 16, 16),)),
    ("PReLU(6)", ((1, 6, 16, 16),)),
    ("GELU()", ((1, 6, 16, 16),)),
    ("Softmax(-1)", ((1, 6, 16, 16),)),
    ("MaxPool2d(2)", ((1, 6, 16, 16),)),
    ("AvgPool2d(2)", ((1, 6, 16, 16),)),
    ("AdaptiveAvgPool2d(1)", ((1, 6, 16, 16),)),
    ("LPPool2d(2, 2)", ((1, 6, 16, 16),)),
    ("Upsample(scale_factor=2)", ((1, 6, 16, 16),)),
    ("Upsample(scale_factor=2, mode='bilinear')", ((1, 6, 16, 16),)),
    ("Embedding(10, 16)", ((1, 5),)),
    ("RNN(16, 8, batch_first=True)", ((1, 5, 16),)),
    ("GRU(16, 8, batch_first=True)", ((1, 5, 16),)),
    ("LSTM(16, 8, batch_first=True)", ((1, 5, 16),)),
    ("MultiheadAttention(16, 4, batch_first=True)", ((1, 5, 16),)),
    ("TransformerEncoderLayer(16, 4, 32, batch_first=True)", ((1, 5, 16),)),
)

ONE_KERNEL = ("Bilinear",)
"""What torch runs in one kernel on the CPU, whatever is switched off."""

Counter = Callable[[nn.Module, Sequence[Tensor]], int]


def flop_counter(module: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Return half of what torch counts, without kernels that do an LSTM or attention at once: it knows none."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with (
            torch.backends.mkldnn.flags(enabled=False),
            sdpa_kernel(SDPBackend.MATH),
            torch.no_grad(),
            FlopCounterMode(display=False) as counter,
        ):
            module(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return int(counter.get_total_flops()) // 2


def fvcore(module: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Return what fvcore counts: its FLOP is one multiplication with its addition."""
    analysis = import_module("fvcore.nn").FlopCountAnalysis(module, tuple(inputs))
    return int(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def ptflops(module: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Return what ptflops counts, which calls it MACs."""
    names = {"input_res": (1,), "print_per_layer_stat": False, "as_strings": False, "verbose": False}
    count = import_module("ptflops").get_model_complexity_info
    total, _ = count(nn.Sequential(_Called(module, inputs)), **names, backend="pytorch")
    return int(total)


class _Called(nn.Module):
    """A layer called with inputs of its own, whatever comes in."""

    def __init__(self, module: nn.Module, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.module, self.inputs = module, inputs

    def forward(self, _given: Tensor) -> Tensor:
        output = self.module(*self.inputs)
        made: Tensor = output[0] if isinstance(output, tuple) else output
        return made


COUNTERS: dict[str, Counter] = {"FlopCounterMode": flop_counter, "fvcore": fvcore, "ptflops": ptflops}


def counted(counter: Counter, layer: Layer, shapes: Shapes) -> int | None:
    """Return what a counter says; None where it is not installed, or fails."""
    inputs = [torch.ones(shape, dtype=torch.long if layer.kind in INTEGERS else torch.float32) for shape in shapes]
    silent = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with silent[0], silent[1], warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return counter(module_of(layer).eval(), inputs)
        except Exception:
            return None


def reason(ours: int, others: dict[str, int | None]) -> str:
    """Return why counters differ."""
    reasons = []
    if ours != others["FlopCounterMode"]:
        reasons.append("torch runs one kernel, which its counter does not know: its products are counted by hand")
    if not ours and any(others.values()):
        reasons.append("no product of matrices: others count operations on entries, by rules of their own")
    elif ours and any(other not in (ours, None) for name, other in others.items() if name != "FlopCounterMode"):
        missed = [name for name in ("fvcore", "ptflops") if others[name] is not None and (others[name] or 0) < ours]
        more = [name for name in ("fvcore", "ptflops") if (others[name] or 0) > ours]
        reasons += [f"{' and '.join(missed)}: parts that it knows no rule for"] if missed else []
        reasons += [f"{' and '.join(more)}: biases, and operations on entries, are in"] if more else []
    return "; ".join(reasons)


def table() -> Iterator[tuple[bool, str]]:
    """Yield whether convcheck counts as torch does, or has a reason not to, and the rows of a Markdown table."""
    yield True, f"| layer | input | convcheck | {' | '.join(COUNTERS)} | why |"
    yield True, f"|{'---|' * (len(COUNTERS) + 4)}"
    for text, shapes in LAYERS:
        layer = parse_layer(text)
        ours = layer.macs(*shapes)
        others = {name: counted(counter, layer, shapes) for name, counter in COUNTERS.items()}
        cells = ["-" if other is None else f"{other:,}" for other in others.values()]
        inputs = " and ".join(str(list(shape)) for shape in shapes)
        right = ours == others["FlopCounterMode"] or layer.kind in ONE_KERNEL
        yield right, f"| `{text}` | {inputs} | {ours:,} | {' | '.join(cells)} | {reason(ours, others)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    rows = list(table())
    lines = [line for _, line in rows]
    print("\n".join(lines))
    if options.write:
        text = PAGE.read_text(encoding="utf-8")
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")
    return int(not all(right for right, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
