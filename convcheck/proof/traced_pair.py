"""Both sides of a claim about the user's own code: as they run, and as their graphs.

A layer beside such code is treated alike, so that one analysis bounds both.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.config.input_specs import InputSpec
from convcheck.config.replacement import Replacement
from convcheck.errors import CannotRunError, PatternError
from convcheck.layers import Layer
from convcheck.modules.build import build
from convcheck.proof.black_box import scatter
from convcheck.proof.evidence.probes import can_tell
from convcheck.proof.evidence.weight_shapes import misfits
from convcheck.proof.graphs import Graphs
from convcheck.proof.pair import Pair, drawn_in
from convcheck.proof.user_side import UserSide
from convcheck.proof.whole_limits import LARGEST, whole_limit
from convcheck.results import Sides
from convcheck.rewriting.user_candidate import lay_out
from convcheck.rounding.precision import arithmetic
from convcheck.sides import samples
from convcheck.sides.side import Side, side_of_layer, torch_may_refuse
from convcheck.sizes.patterns import Shape
from convcheck.tracing.asked_dtypes import place_of_other_program
from convcheck.tracing.facts import facts_of
from convcheck.tracing.float64_copy import float64_copy
from convcheck.tracing.running_error import NoErrorRule
from convcheck.tracing.trace import CannotTrace, ForwardRaises, Trace, trace
from convcheck.user_code.imports import user_code_runs
from convcheck.user_code.user_module import UserModule, draw_inputs

IN_TRAINING = (_BatchNorm, _DropoutNd, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
"""Modules that do something else in training mode."""


def build_traced_pair(claim: Claim, own: Replacement) -> Pair:
    """Build both sides of a claim about the user's own code. The reference keeps the weights that it holds.

    Raises:
        CannotRunError: a side cannot be called with the inputs.
    """
    case, mapping = claim.case, claim.transplant()
    if missing := [name for name in own.layer.parameters() if name not in mapping.shapes()]:
        raise CannotRunError(f"the map makes no {missing[0]} for the candidate")
    modules = build_modules(case, own)
    specs = _specs(case, own)
    inputs = draw_inputs(specs, torch.Generator().manual_seed(case.seed))
    graphs, why = _graphs(modules, inputs)
    if graphs is not None:
        graphs = replace(graphs, hooked=tuple(name for layer in (case.layer, own.layer) for name in _hooked(layer)))
    limits = graphs.index_limits() if graphs is not None else {}
    sides = sides_of(case, own, modules, limits)
    reference, candidate = sides.reference, sides.candidate
    pair = Pair(reference, candidate, mapping, input_scales=(1.0,) * len(case.inputs))
    pair = replace(pair, analysis=lambda sample, unit: scatter(pair, sample, unit), black_box=why)
    if graphs is None:
        return pair
    graphs = replace(graphs, elsewhere=tuple(_other_programs(sides, case.dtype, inputs)))
    pair = replace(pair, graphs=graphs)
    if any(misfits(pair)):
        # A candidate cannot run on such weights; of which degree it is is known without.
        return _of_degree(pair, graphs.degree(mapping))
    pair = _with_degree(pair, graphs)
    if unknown := _no_error_rule(pair, graphs, case):
        # Integers tell without a bound; where they cannot, nothing is left that does.
        return pair if pair.reference.degree is not None else replace(pair, black_box=unknown)
    return replace(pair, analysis=graphs.distance(mapping))


def build_modules(case: Case, own: Replacement) -> Sides[nn.Module]:
    """Build both sides as modules, the candidate's output laid out. Raises CannotRunError if one cannot be built."""
    with torch_may_refuse(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(case.seed)
        modules = Sides(_module(case.layer, case), _module(own.layer, case))
    if own.layout is not None:
        modules.candidate.register_forward_hook(lay_out(own.layout))
    return modules


def sides_of(case: Case, own: Replacement, modules: Sides[nn.Module], limits: Mapping[int, int]) -> Sides[Side]:
    """Return modules as sides. `limits` has how many rows an input of whole numbers may choose from, where known."""
    specs = _specs(case, own)
    inputs = draw_inputs(specs, torch.Generator().manual_seed(case.seed))
    whole = {
        number: whole_limit(modules, inputs, number, limits.get(number, LARGEST))
        for number, spec in enumerate(specs)
        if spec.kind == "int"
    }
    masks = frozenset(number for number, spec in enumerate(specs) if spec.kind == "bool")
    reference, candidate = (
        replace(_side(layer, case, module), whole_inputs=whole, boolean_inputs=masks)
        for layer, module in ((case.layer, modules.reference), (own.layer, modules.candidate))
    )
    return Sides(reference, replace(candidate, output_shape=_output_shape(own, case)))


def _hooked(layer: Layer) -> Iterator[str]:
    """Yield the parameters of code on whose gradients hooks stand: a copy has none."""
    if isinstance(layer, UserModule):
        yield from (name for name, tensor in layer.module.named_parameters() if tensor._backward_hooks)


def _other_programs(sides: Sides[Side], name: str, inputs: tuple[Tensor, ...]) -> Iterator[str]:
    """Yield what is to be said of sides that ask for a dtype, and call other operators than in float64."""
    dtype = getattr(torch, name)
    given = tuple(tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in inputs)
    for title, side in (("reference", sides.reference), ("candidate", sides.candidate)):
        if dtype != torch.float64 and isinstance(side, UserSide):
            with user_code_runs():
                place = place_of_other_program(nn.Module.to(copy.deepcopy(side.module), dtype), side.wide, given)
            if place is not None:
                yield f"the {title} asks for a dtype at {place}, and is another program in {name} than in float64"


def _with_degree(pair: Pair, graphs: Graphs) -> Pair:
    """Return the pair with the degree of both sides, if integers can probe polynomials of so many terms."""
    polynomial = _of_degree(pair, graphs.degree(pair.mapping))
    if polynomial.reference.degree is None or can_tell(polynomial):
        return polynomial
    return replace(pair, too_long=True)


def _of_degree(pair: Pair, degree: int | None) -> Pair:
    return replace(
        pair, reference=replace(pair.reference, degree=degree), candidate=replace(pair.candidate, degree=degree)
    )


def _output_shape(own: Replacement, case: Case) -> Shape:
    try:
        return own.output_shape(case.inputs)
    except PatternError as error:
        raise CannotRunError(f"layout: {error}") from None


def _module(layer: Layer, case: Case) -> nn.Module:
    if isinstance(layer, UserModule):
        return layer.build()
    module = build(layer, drawn_in(case.dtype)).eval()
    if case.train and any(isinstance(part, IN_TRAINING) and getattr(part, "p", 1) for part in module.modules()):
        raise CannotRunError(f"train: {layer} is another function in training mode; write it as code of your own")
    return module


def _side(layer: Layer, case: Case, module: nn.Module) -> Side:
    plain = replace(side_of_layer(layer, case.inputs, module), degree=None)
    if not isinstance(layer, UserModule):
        return plain
    given = {field.name: getattr(plain, field.name) for field in fields(plain)}
    return UserSide(**given, wide=float64_copy(module))


def _specs(case: Case, own: Replacement) -> tuple[InputSpec, ...]:
    """Return the inputs of the side that is code; those of a layer are numbers, but for its masks."""
    for layer in (case.layer, own.layer):
        if isinstance(layer, UserModule):
            return layer.specs
    masks = case.layer.boolean_inputs()
    return tuple(InputSpec(shape, "bool" if n in masks else "float") for n, shape in enumerate(case.inputs))


def _graphs(modules: Sides[nn.Module], inputs: tuple[Tensor, ...]) -> tuple[Graphs | None, str | None]:
    """Return the graphs of both sides, or None and why there are none.

    Raises:
        CannotRunError: a side raises on these inputs.
    """
    traces: list[Trace] = []
    for name in ("reference", "candidate"):
        try:
            with user_code_runs():
                traces.append(trace(getattr(modules, name), inputs))
        except ForwardRaises as error:
            raise CannotRunError(f"the {name} raises {error}") from None
        except CannotTrace as error:
            return None, f"the {name} cannot be traced: {error}"
    return Graphs(Sides(*traces), Sides(*map(facts_of, traces))), None


def _no_error_rule(pair: Pair, graphs: Graphs, case: Case) -> str | None:
    """Say which operator has an error that no rule bounds; None if all have one."""
    sample = samples.balanced(pair.reference, pair.input_scales, torch.Generator().manual_seed(case.seed))
    try:
        graphs.errors(pair.mapping, sample, arithmetic(torch.float32, torch.device("cpu")))
    except NoErrorRule as error:
        place = Trace.place_of(error.node)
        return f"no rule bounds the rounding error of {error.name}{f' at {place}' if place else ''}"
    return None
