"""Real weights for a run, in place of drawn ones: from a file that a config names, or from a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn

from convcheck.config.case import Case, WeightFile, WeightSource
from convcheck.config.input_specs import InputSpec
from convcheck.errors import CannotRunError, ConvcheckError, shown
from convcheck.layers import Layer
from convcheck.sides.layer_like import is_module
from convcheck.sides.read_weights import read_weights
from convcheck.sides.sample import Sample
from convcheck.sizes.patterns import Shapes

SAVED = "module.safetensors"
"""Where a command that repeats a proof of a module looks for its weights."""


@dataclass(frozen=True)
class ModuleTensors:
    """The tensors of a module by the layer's names for them, and notes for the report."""

    tensors: Mapping[str, Tensor]
    notes: tuple[str, ...]
    departures: Callable[[Shapes, int], tuple[str, ...]] = lambda _inputs, _seed: ()
    """Runs the module on inputs of these shapes, drawn from a seed, and says where it is not the layer."""

    def replace(self, sample: Sample) -> Sample:
        """Return the sample with these tensors in place of drawn ones, in whatever dtype."""
        return Sample(sample.inputs, {**sample.parameters, **self.tensors})


@dataclass(frozen=True)
class FileTensors:
    """The tensors of a file, which is read when `replace` is called."""

    file: WeightFile
    layer: Layer

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence on which parameters come from the file, and which are drawn."""
        names = (*self.layer.parameters(), *self.layer.statistics())
        drawn = [name for name in names if name not in self.file.keys]
        real = ", ".join(name for name in names if name in self.file.keys)
        rest = f"; random, since no key is given: {', '.join(drawn)}" if drawn else ""
        return (f"weights: {real} of {self.file.written}{rest}",)

    def replace(self, sample: Sample) -> Sample:
        """Return the sample with the file's tensors. Raises CannotRunError if they cannot be read any more."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.file.path, framework="pt") as file:
                tensors = {name: file.get_tensor(key) for name, key in self.file.keys.items()}
        except (OSError, SafetensorError) as error:
            raise CannotRunError(f"{self.file.written} was read before, and cannot be now: {error}") from None
        return ModuleTensors(tensors, ()).replace(sample)


def weight_source(case: Case) -> WeightSource | None:
    """Return where the weights of a case's run come from; None where they are drawn."""
    weights = case.weights
    return FileTensors(weights, case.layer) if isinstance(weights, WeightFile) else weights


def with_real_weights(sample: Sample, case: Case) -> Sample:
    """Return the sample with the weights and inputs that the case brings, if it brings any."""
    source = weight_source(case)
    sample = sample if source is None else source.replace(sample)
    if not any(spec.file for spec in case.input_specs):
        return sample
    inputs = zip(sample.inputs, case.input_specs, strict=True)
    return Sample(tuple(_stored(spec) if spec.file else tensor for tensor, spec in inputs), sample.parameters)


def _stored(spec: InputSpec) -> Tensor:
    """Return a tensor of a file. Raises CannotRunError if it cannot be read any more."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(spec.file, framework="pt") as file:
            tensor: Tensor = file.get_tensor(spec.key)
    except (OSError, SafetensorError) as error:
        raise CannotRunError(f"{spec.file} was read before, and cannot be now: {error}") from None
    # Numbers are drawn in float32 or float64, and indices are as long as torch's.
    return tensor if tensor.dtype == torch.bool else tensor.double() if spec.kind == "float" else tensor.long()


def departures(case: Case) -> tuple[str, ...]:
    """Return where the module that a case's weights come from is not the case's layer; none if they are no module's.

    Raises:
        CannotRunError: torch cannot run the layer as the module would run.
    """
    source = case.weights
    return source.departures(case.inputs, case.seed) if isinstance(source, ModuleTensors) else ()


def write_weights(module: nn.Module, path: str | PathLike[str]) -> None:
    """Write the weights that a module computes with to a safetensors file, by the layer's names for them.

    Raises:
        ConvcheckError: the module cannot be described, the file cannot be written, or safetensors is not installed.
    """
    if not is_module(module):
        raise ConvcheckError(f"{shown(module)} is no module of torch, and has no weights")
    if not isinstance(path, str | PathLike):
        raise ConvcheckError(f"{shown(path)} is no path; it must be a text, such as 'module.safetensors'")
    try:
        from safetensors import SafetensorError
        from safetensors.torch import save_file
    except ImportError:
        raise ConvcheckError("files of weights are written by safetensors: pip install safetensors") from None
    # Tensors that share memory are no plain file.
    tensors = {name: tensor.cpu().clone().contiguous() for name, tensor in read_weights(module).tensors.items()}
    try:
        # Python says why a file cannot be written, and safetensors where it tried to.
        Path(path).open("ab").close()
        save_file(tensors, path)
    except (OSError, ValueError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConvcheckError(f"{shown(str(path))} cannot be written: {why}") from None
