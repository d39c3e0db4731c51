"""Takes what a picture shows beside the spread of errors: maps of outputs and weights. It is evidence of nothing."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from convcheck.errors import CannotRunError
from convcheck.proof.context import Context, Evidence
from convcheck.proof.evidence.floating_point import draw
from convcheck.proof.pictures.output_maps import output_maps
from convcheck.proof.pictures.weight_maps import weight_maps
from convcheck.proof.real_weights import with_real_weights
from convcheck.results import Agreement, Kind
from convcheck.results.pictures import Detail, Picture
from convcheck.sides.side import torch_may_refuse

NOTHING = Evidence(Agreement.NOT_APPLICABLE)


def examine(context: Context) -> Evidence:
    """Run both sides once more in the asked dtype; where a picture is not asked for, or they cannot run, do nothing."""
    pair, case, result = context.pair, context.case, context.result
    if case.detail is not Detail.MAPS:
        return NOTHING
    fits = all(reason.kind is not Kind.WEIGHT_SHAPES for reason in result.reasons)
    dtype, device = getattr(torch, case.dtype), torch.device(case.device)
    try:
        drawn = with_real_weights(draw(pair, case), case)
        sample = drawn.to(device, dtype)
        with torch_may_refuse(), torch.no_grad():
            ours = pair.run_reference(sample).cpu()
            theirs: Tensor | None = pair.run_candidate(sample).cpu() if fits else None
            weights = tuple(weight_maps(pair.mapping, drawn.parameters))
    except CannotRunError:
        return NOTHING
    worst = result.error.worst
    ratio = result.error.ratio
    beyond = worst is not None and (ratio is None or ratio > 1)
    outputs = output_maps(ours, theirs, pair.reference.output_axes, worst.at if worst is not None and beyond else None)
    picture = replace(result.picture or Picture(), outputs=outputs, weights=weights)
    return Evidence(Agreement.NOT_APPLICABLE, details={"picture": picture})
