"""What models print, read: every layer, every chain, and the whole print, against what the models do.

    python benchmarks/printed_models.py
    python benchmarks/printed_models.py --only timm --write

It takes those of torchvision, timm, transformers and diffusers that can be imported, and says which cannot. A model
runs once, on torch's meta device where it can. Of every layer, the print is read (or what the module that holds it
prints, where the layer's own leaves something out), given the shapes of the input that the layer got. It is compared
with the shape of what the layer made, the number of its parameters, and half of what torch's FlopCounterMode counts.
The same is done of every Sequential of layers and such Sequentials alone, and of every class derived from it that has
no forward of its own; of what prints alike and has one, nothing wrong may be said. Of a whole print, the parameters of
all layers are compared with those that layers hold; those that a model holds beside its layers are not in a print.
`--write` puts the table into docs/shape.md. Returns 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.model_prints import LIBRARIES, Model
from benchmarks.print_tally import Report, Tally, table, unread
from convcheck.calculator.shapes import chain
from convcheck.errors import ConvcheckError, NotPrintedError
from convcheck.layers import Layer, accept
from convcheck.layers.kinds.keeping import Unsized
from convcheck.layers.text.pasted import parse_pasted
from convcheck.sizes.patterns import Shape, Shapes

PAGE = Path(__file__).parents[1] / "docs" / "shape.md"
BEGIN, END = "<!-- printed models -->", "<!-- /printed models -->"


@dataclass(frozen=True)
class Call:
    """What a module got and made in its first call, and half of the FLOPs that torch counted."""

    inputs: Shapes
    output: Shape
    macs: int


def is_leaf(module: nn.Module) -> bool:
    """Tell whether a module is a layer: it holds no other one, or is torch's own attention or transformer layer."""
    whole = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    holds = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
    return (not module._modules and not isinstance(module, holds)) or type(module) in whole


def is_chain(module: nn.Module) -> bool:
    """Tell whether a module is a Sequential of nothing but layers and such Sequentials."""
    return (
        type(module).forward is nn.Sequential.forward
        and bool(module._modules)
        and all(child is not None and (is_leaf(child) or is_chain(child)) for child in module._modules.values())
    )


def is_alike(module: nn.Module) -> bool:
    """Tell whether a module has layers alone, counted as those of a Sequential, and a forward of its own."""
    counted = [str(number) for number in range(len(module._modules))]
    holds = isinstance(module, (nn.ModuleList, nn.ModuleDict))
    return (
        bool(counted)
        and list(module._modules) == counted
        and not holds
        and not is_chain(module)
        and all(child is not None and is_leaf(child) for child in module._modules.values())
    )


def run(model: Model) -> tuple[nn.Module, dict[nn.Module, Call]]:
    """Make a model and run it once; return it with the first call of each of its modules."""
    for device in ("meta", "cpu"):
        torch.manual_seed(0)
        try:
            with torch.device(device):
                module = model.make().eval()
            inputs = {name: value.to(device) for name, value in model.inputs().items()}
            return module, calls_of(module, inputs)
        except Exception as error:
            fault = error
    raise fault


def calls_of(model: nn.Module, inputs: Mapping[str, Any]) -> dict[nn.Module, Call]:
    """Run a model once, and return the first call of each of its modules that takes and makes a tensor."""
    calls: dict[nn.Module, Call] = {}
    begun: dict[nn.Module, int] = {}
    counter = FlopCounterMode(display=False)

    def before(module: nn.Module, _args: Any, _kwargs: Any) -> None:
        begun[module] = counter.get_total_flops()

    def after(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        made = output[0] if isinstance(output, tuple) and output else output
        if module not in calls and tensors and isinstance(made, Tensor):
            flops = counter.get_total_flops() - begun[module]
            calls[module] = Call(tuple(tuple(tensor.shape) for tensor in tensors), tuple(made.shape), flops // 2)

    handles = [module.register_forward_pre_hook(before, with_kwargs=True) for module in model.modules()]
    handles += [module.register_forward_hook(after, with_kwargs=True) for module in model.modules()]
    numbered = [value for name, value in inputs.items() if name.isdecimal()]
    named = {name: value for name, value in inputs.items() if not name.isdecimal()}
    # Of attention, torch has a kernel of its own that no counter knows; gradients keep it away.
    with counter, contextlib.redirect_stdout(io.StringIO()):
        model(*numbered, **named)
    for handle in handles:
        handle.remove()
    return calls


def layers_of(module: nn.Module, holder: nn.Module, name: str, call: Call) -> tuple[Layer, ...]:
    """Return the layers that a print says a module is. Raises ConvcheckError where it says none, or not all of one."""
    pasted = parse_pasted(str(module))
    if pasted.containers:
        raise ConvcheckError(f"{pasted.containers[0]} is no Sequential")
    if len(pasted.layers) == 1 and not _is_told(pasted.layers[0], call):
        around = parse_pasted(str(holder))
        layer = around.layers[around.names.index(name)]
        accept(layer, fitting(layer, call.inputs))
        return (layer,)
    return pasted.layers


def _is_told(layer: Layer, call: Call) -> bool:
    """Tell whether a layer's print leaves out nothing that its output depends on."""
    try:
        accept(layer, fitting(layer, call.inputs))
    except NotPrintedError:
        return False
    except ConvcheckError:
        # It is wrong.
        return True
    return True


def read(module: nn.Module, holder: nn.Module, call: Call, tally: Tally, where: str) -> None:
    """Read the print of a layer or a chain, and compare."""
    try:
        layers = layers_of(module, holder, where.rpartition(".")[2].rpartition(" ")[2], call)
    except (ConvcheckError, ValueError) as error:
        tally.unread += 1
        tally.why[reason(module, error)] += 1
        return
    inputs = fitting(layers[0], call.inputs)
    due = (call.output, sum(parameter.numel() for parameter in module.parameters()), call.macs)
    try:
        rows = chain(layers, inputs)
        answer: object = (rows[-1].output, sum(row.params for row in rows), sum(row.macs for row in rows))
    except ConvcheckError as error:
        answer = str(error)
    if answer == due:
        tally.agree += 1
    else:
        tally.wrong += 1
        text = " ".join(str(module).split())
        tally.faults.append(f"{where}: {text[:200]} on {call.inputs}: convcheck {answer}, the model {due}")


def fitting(layer: Layer, inputs: Shapes) -> Shapes:
    """Return as many of the inputs as the layer takes: a mask beside them is left out."""
    fit = [count for count in layer.INPUT_COUNTS if count <= len(inputs)]
    return inputs[: max(fit, default=0)]


def reason(module: nn.Module, error: Exception) -> str:
    """Return why something cannot be read, without what belongs to one model only."""
    text = re.sub(r"^[\w.-]*( and \d+ more)?: ", "", str(error).splitlines()[0])
    return f"{type(module).__name__}: {text[:160]}" if is_leaf(module) else text[:160]


def whole(model: nn.Module, tally: Tally, name: str) -> None:
    """Read the print of a model, and compare the parameters of all its layers."""
    try:
        pasted = parse_pasted(str(model))
    except ConvcheckError as error:
        tally.unread += 1
        tally.why[reason(nn.Sequential(), error)] += 1
        return
    if any(isinstance(layer, Unsized) for layer in pasted.layers):
        tally.unread += 1
        tally.why["layers that print nothing of their parameters, which is said"] += 1
        return
    due = sum(p.numel() for part in printed_layers(model) for p in part.parameters(recurse=is_leaf(part)))
    answer = sum(layer.parameter_count() for layer in pasted.layers)
    if answer == due:
        tally.agree += 1
    else:
        tally.wrong += 1
        tally.faults.append(f"{name}: convcheck {answer:,} parameters in layers, the model {due:,}")


def printed_layers(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of a model, and what prints arguments of its own, each as often as it is printed."""
    if is_leaf(model):
        yield model
        return
    if model.extra_repr():
        yield model
    for child in model._modules.values():
        if child is not None:
            yield from printed_layers(child)


def look(model: Model, library: str) -> Report:
    """Return what is found of one model."""
    report = Report(models=1)
    try:
        module, calls = run(model)
    except Exception as error:
        return Report(not_run=[f"{model.name} ({type(error).__name__}: {' '.join(str(error).split())[:160]})"])
    inside: set[nn.Module] = set()
    for path, part in module.named_modules():
        if part in inside:
            continue
        where = f"{library} {model.name} {path}"
        holder = module.get_submodule(path.rpartition(".")[0])
        if is_leaf(part):
            inside |= {*part.modules()} - {part}
            if part in calls:
                read(part, holder, calls[part], report.leaves, where)
        elif is_chain(part) and part in calls:
            read(part, holder, calls[part], report.chains, where)
        elif is_alike(part) and part in calls:
            # It is not asked that these are read, but that nothing wrong is said of them.
            alike = Tally()
            read(part, holder, calls[part], alike, where)
            alike.unread, alike.why = 0, Counter()
            report.chains.add(alike)
    whole(module, report.wholes, f"{library} {model.name}")
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, print the table and what is not read, and return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(LIBRARIES), help="a library; all of them otherwise")
    parser.add_argument("--model", action="append", help="a model, by its name; all of them otherwise")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    reports: dict[str, Report] = {}
    for library in options.only or LIBRARIES:
        report = Report()
        try:
            models = list(LIBRARIES[library]())
        except Exception as error:
            print(f"{library} cannot be imported ({type(error).__name__}: {str(error)[:200]})", file=sys.stderr)
            continue
        for model in models:
            if options.model and model.name not in options.model:
                continue
            print(f"{library} {model.name}", file=sys.stderr)
            found = look(model, library)
            report.models += found.models
            report.not_run += found.not_run
            for tally, more in zip(report.tallies().values(), found.tallies().values(), strict=True):
                tally.add(more)
        reports[library] = report
    total = Report(models=sum(report.models for report in reports.values()))
    for report in reports.values():
        for tally, more in zip(total.tallies().values(), report.tallies().values(), strict=True):
            tally.add(more)
    lines = [*table({**reports, "all": total}), "", *unread(total)]
    print("\n".join(lines))
    for report in reports.values():
        print("\n".join(f"not run: {model}" for model in report.not_run))
    faults = [fault for tally in total.tallies().values() for fault in tally.faults]
    print("\n".join(faults))
    if options.write:
        text = PAGE.read_text(encoding="utf-8")
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
