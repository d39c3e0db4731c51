"""Scans models of other packages, swaps what is faster in bfloat16, and prints a table of what came out.

    python -m benchmarks.models [--only NAME]... [--out results.json]

Models are made by the classes of transformers, timm, diffusers and MONAI, where those are installed (nothing is
downloaded), and by plain torch; weights are random, drawn from a seed, and none of them tiny, as some are that await
training.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.model_classes import MODELS, Entry
from benchmarks.model_packages import PACKAGES
from convcheck.models.apply import swapped_in
from convcheck.models.choice import choices
from convcheck.models.example import Example, as_it_was, read_example
from convcheck.models.records import MIN_SPEEDUP, ScanReport
from convcheck.models.scan import Asked, scan, with_whole

ALL = {**MODELS, **PACKAGES}
DTYPES = ("float32", "bfloat16")
LEAST = 0.01
"""A weight whose entries are smaller shows nothing behind a softmax or a norm; it is drawn anew."""
BATCH = 4
"""Of how many inputs a BatchNorm takes its statistics."""

HEAD = (
    "model",
    "layers",
    "verdicts",
    "skipped",
    "swapped",
    "float32",
    "bfloat16",
    "saved in bfloat16, ms: foretold / seen",
    "check",
    "apart / bound",
)


def main() -> None:
    """Scan the models, and print a row each as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(ALL))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    # Where other programs compute at the same time, threads wait for one another.
    torch.set_num_threads(1)
    rows: dict[str, Any] = {}
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for name in given.only or ALL:
        try:
            report, worth = scanned(name, ALL[name])
        except Exception as error:
            print(f"| {name} | {type(error).__name__}: {' '.join(str(error).split())} |")
            continue
        rows[name] = {**report.fields(), "worth": worth}
        print(f"| {' | '.join(cells(name, report, worth))} |", flush=True)
        if given.out:
            from convcheck.report.json_text import json_text

            given.out.write_text(json_text(rows, indent=1))
    if given.out:
        json.loads(given.out.read_text())


def scanned(name: str, entry: Entry) -> tuple[ScanReport, bool]:
    """Return the report of a model after a swap, and whether anything was worth one in bfloat16.

    Where nothing was, the first of the rewrites is swapped in wherever it holds, to see that the swap is right.
    """
    torch.manual_seed(0)
    model = entry.make().eval()
    redraw(model)
    settle(model, read_example(list(entry.inputs)))
    asked = Asked(entry.rewrites, dtypes=DTYPES, bench=True, min_speedup=1e9)
    report = scan(model, read_example(list(entry.inputs)), name, asked)
    chosen, _ = choices(report.layers, None, DTYPES[1:], bench=True, least=MIN_SPEEDUP)
    worth = bool(chosen)
    if not worth:
        chosen, _ = choices(report.layers, entry.rewrites, DTYPES, bench=False, least=MIN_SPEEDUP)
    report = replace(report, chosen=chosen)
    if chosen:
        report, _, _ = swapped_in(model, with_whole(model, report, report.tool.threads))
    return report, worth


def redraw(model: nn.Module) -> None:
    """Draw weights of two and more axes anew where they are tiny."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1 and float(parameter.abs().mean()) < LEAST:
                parameter.normal_(0, parameter[0].numel() ** -0.5)


def settle(model: nn.Module, example: Example) -> None:
    """Give every BatchNorm the statistics of random inputs, and a scale and a shift, as training would."""
    # What a model remembers of a call in a cache is forgotten behind it.
    with as_it_was(model):
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train().momentum = 1.0
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.1)
        if any(module.training for module in model.modules()):
            model(*(torch.randn(BATCH, *tensor.shape[1:]) for tensor in example.positional))


def cells(name: str, report: ScanReport, worth: bool) -> Iterator[str]:
    """Yield a row of the table."""
    tried = [one for line in report.layers for one in line.rewrites]
    wrong = [one for one in tried if not one.ok]
    yield name
    yield str(sum(len(line.paths) for line in report.layers if line.rewrites))
    yield f"{len(tried)}, {len(wrong)} not equal" if wrong else f"{len(tried)} equal"
    yield str(sum(len(line.paths) for line in report.layers if not line.rewrites))
    yield f"{len(report.applied)}{'' if worth else ' (not faster)'}"
    for dtype in DTYPES:
        whole = report.whole.get(dtype)
        yield "-" if whole is None else f"{whole.ratio:.2f} ({whole.low:.2f} to {whole.high:.2f})"
    whole = report.whole.get("bfloat16")
    saved = [] if whole is None else [whole.before - whole.foretold, whole.before - whole.after]
    yield " / ".join(f"{1e3 * seconds:.1f}" for seconds in saved) or "-"
    check = report.check
    yield "-" if check is None else check.status
    yield "-" if check is None or check.max_abs is None else f"{check.max_abs:.1e} / {check.bound or 0:.1e}"


if __name__ == "__main__":
    main()
