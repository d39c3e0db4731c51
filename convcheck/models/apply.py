"""Swaps layers of a model as a scan chose them, proves the swap, and writes it."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from convcheck.config.stored_tensors import ENDING
from convcheck.errors import ConvcheckError, shown
from convcheck.models.choice import keys_of
from convcheck.models.example import placed
from convcheck.models.gate import cases_text, gate_text
from convcheck.models.records import Files, Place, ScanReport
from convcheck.models.swap_file import Key, load_text, swap_text
from convcheck.models.whole_check import check


def swapped_in(model: nn.Module, report: ScanReport) -> tuple[ScanReport, str, Mapping[Place, Key]]:
    """Prove the swap of what was chosen on the model's own inputs; return the report with it, the code, and the swaps.

    The model is left as it was.

    Raises:
        ConvcheckError: nothing was chosen, or what is swapped cannot be copied, called, or brought back.
    """
    if report.example is None or not report.chosen:
        raise ConvcheckError(f"{report.model}: nothing to swap: {_why_none(report)}")
    swaps = keys_of(report.layers, report.chosen)
    text = swap_text(report.model, swaps)
    code = load_text(text)
    try:
        copied = copy.deepcopy(model)
    except Exception as error:
        raise ConvcheckError(f"{report.model} cannot be copied, and a swap is proved on a copy: {error}") from None
    before = {name: tensor.clone() for name, tensor in copied.state_dict().items()}
    code.swap(copied)
    code.swap_back(copied, before)
    after = copied.state_dict()
    if before.keys() != after.keys() or any(not _same(tensor, after[name]) for name, tensor in before.items()):
        raise ConvcheckError(f"{report.model}: the way back of its weights is not bit for bit; nothing was written")
    done = check(model, placed(model, report.example), code, swaps)
    return replace(report, check=done, applied=tuple(place[0] for place in swaps) if done.ok else ()), text, swaps


def _same(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Tell whether two tensors are the same bit for bit, NaN included."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return False
    # The stride of an axis of length 1 may be any, and a view of bytes takes none but 1.
    flat = [tensor.contiguous().as_strided((tensor.numel(),), (1,)).view(torch.uint8) for tensor in (ours, theirs)]
    return torch.equal(*flat)


def _why_none(report: ScanReport) -> str:
    if any(one.bench for line in report.layers for one in line.rewrites):
        return "no rewrite that holds is faster by enough here; see --min-speedup"
    return "no rewrite that was named holds for a layer that can be swapped; name one with -r, or add --bench"


def files_for(out: str, *, overwrite: bool) -> Files:
    """Return the names of the files of a swap.

    Raises:
        ConvcheckError: OUT is no path of a safetensors file, its folder is not there, or a file is, unless overwritten.
    """
    path = Path(out)
    if path.suffix != ENDING or not path.stem:
        raise ConvcheckError(f"--apply {shown(out)} does not end in {ENDING}; write a name such as model{ENDING}")
    try:
        from safetensors.torch import save  # noqa: F401  (it is missing where the extra is)
    except ImportError:
        raise ConvcheckError("files of weights are written by safetensors: pip install safetensors") from None
    if not path.parent.is_dir():
        raise ConvcheckError(f"--apply {shown(out)}: there is no folder {shown(str(path.parent))}")
    if not os.access(path.parent, os.W_OK):
        raise ConvcheckError(f"--apply {shown(out)}: the folder {shown(str(path.parent))} cannot be written to")
    stem = re.sub(r"\W", "_", path.stem)
    names = (out, *(str(path.with_name(f"{stem}_{end}")) for end in ("swap.py", "swap.yaml", f"before{ENDING}")))
    for name in names:
        check_free("--apply", name, overwrite=overwrite)
    return Files(*names)


def check_free(option: str, name: str, *, overwrite: bool) -> None:
    """Raise ConvcheckError if a file of this name is there, unless it may be written over."""
    if os.path.lexists(name) and not overwrite:
        raise ConvcheckError(f"{option}: {shown(name)} is there already; add --overwrite, or choose another name")


def write(model: nn.Module, report: ScanReport, text: str, swaps: Mapping[Place, Key], files: Files) -> ScanReport:
    """Write the files of a proved swap: beside their names first, and renamed when all are whole.

    Raises:
        ConvcheckError: a file cannot be written; none of the names is touched then.
    """
    from safetensors.torch import save_file

    state = load_text(text).convert_state(model.state_dict())
    metadata = {
        "format": "pt",
        "convcheck": f"swapped layers of {report.model}; {Path(files.code).name} has the way back",
    }
    # A file has no two names for one tensor; tied ones are written twice, and loaded into one again.
    tensors = _stored(state)
    merged = tuple(f"{path}." for place in swaps if len(place) > 1 for path in place)
    before = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(merged)}
    if not before:
        files = replace(files, before=None)
    config = gate_text(report, swaps, Path(files.code).name)
    written: dict[str, Callable[[str], object]] = {
        files.weights: lambda name: save_file(tensors, name, metadata),
        files.code: lambda name: Path(name).write_text(text, encoding="utf-8"),
        files.config: lambda name: Path(name).write_text(config, encoding="utf-8"),
    }
    if files.before is not None:
        written[files.before] = lambda name: save_file(_stored(before), name, {"format": "pt"})
    beside = {name: str(Path(name).with_name(f".{Path(name).name}.{os.getpid()}.part")) for name in written}
    try:
        for name, write_to in written.items():
            write_to(beside[name])
            with Path(beside[name]).open("rb+") as file:
                os.fsync(file.fileno())
        _see(files, beside, model, state)
        for name, part in beside.items():
            Path(part).replace(name)
    except ConvcheckError:
        raise
    except Exception as error:
        why = getattr(error, "strerror", None) or error
        raise ConvcheckError(f"{shown(files.weights)} cannot be written: {why}") from None
    finally:
        for part in beside.values():
            with suppress(OSError):
                Path(part).unlink()
    return replace(report, files=files)


def _stored(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}


def _see(files: Files, beside: Mapping[str, str], model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Read what was written, and hold it against the model: its weights, and their way back, bit for bit."""
    from safetensors.torch import load_file

    stored = load_file(beside[files.weights])
    code = load_text(Path(beside[files.code]).read_text(encoding="utf-8"))
    before = load_file(beside[files.before]) if files.before is not None else None
    original, back = model.state_dict(), code.convert_state_back(stored, before)
    whole = stored.keys() == state.keys() and all(_same(state[name].cpu(), stored[name]) for name in stored)
    if not whole or back.keys() != original.keys() or any(not _same(original[n].cpu(), back[n]) for n in back):
        raise ConvcheckError(f"{shown(files.weights)}: what was written is not what was to be; nothing is left of it")


def save_cases(report: ScanReport, name: str) -> None:
    """Write a config with all layers that have rewrites. Raises ConvcheckError if it cannot be written."""
    path = Path(name)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(cases_text(report), encoding="utf-8")
        beside.replace(path)
    except (OSError, ValueError) as error:
        raise ConvcheckError(f"--save: {shown(name)} cannot be written: {getattr(error, 'strerror', error)}") from None
    finally:
        with suppress(OSError):
            beside.unlink()


def swap(model: nn.Module, report: ScanReport) -> nn.Module:
    """Swap layers in place as a scan chose them, once the swap is proved on the model's inputs.

    Raises:
        ConvcheckError: it is not proved; the model is left as it was.
    """
    done, text, _ = swapped_in(model, report)
    assert done.check is not None
    if not done.check.ok:
        raise ConvcheckError(f"{report.model}: the swapped model computes something else: {done.check.reason}")
    swapped: nn.Module = load_text(text).swap(model)
    return swapped
