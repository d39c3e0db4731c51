"""A case as a program writes it, in arguments instead of a config. Torch is imported when a module is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

from convcheck.catalogue.catalogue import find, vocabulary
from convcheck.config.case import Case
from convcheck.config.checks import check_device, check_dtype, check_proof_seconds, check_seed, check_select
from convcheck.config.input_specs import needless, parse_specs
from convcheck.config.layout_checks import layout_problems
from convcheck.config.python_options import checkpoints_option, mapping_option, tolerance_option, weights_option
from convcheck.config.replacement import replacement_problems
from convcheck.errors import ConvcheckError, shown
from convcheck.layers import accept
from convcheck.proof.given_sides import held_by_both, module_side, read_replacement, takes_parametrized
from convcheck.sides.layer_like import WAY_IN_PYTHON, is_module, read_layer
from convcheck.sides.user_sides import code_loader
from convcheck.sizes.patterns import parse_order
from convcheck.sizes.relayouts import parse_relayout

if TYPE_CHECKING:
    import torch

    from convcheck.config.case import WeightFile
    from convcheck.config.checks import DType
    from convcheck.proof.real_weights import ModuleTensors
    from convcheck.sides.layer_like import LayerLike

InputLike = Sequence[int] | Sequence[Sequence[int] | str] | str
"""A shape, or a list of shapes for an operation with several inputs."""


def given_case(
    layer: LayerLike,
    input: InputLike | None = None,
    rewrite: str = "all",
    *,
    order: str | None = None,
    transplant: Mapping[str, str] | None = None,
    dtype: str | torch.dtype = "float32",
    device: str = "cpu",
    seed: int = 0,
    tolerance: Mapping[str, float] | Literal["auto"] | None = None,
    strict: bool = False,
    all_sizes: bool = False,
    proof_seconds: float = 30,
    weights: Mapping[str, str] | Literal["own"] | None = None,
    candidate: LayerLike | None = None,
    map: Mapping[str, str] | None = None,
    map_by: Callable[[dict[str, torch.Tensor]], Mapping[str, torch.Tensor]] | None = None,
    layout: str | None = None,
    select: int | str | None = None,
    train: bool = False,
    trust: bool = False,
) -> Case:
    """Return the case that arguments of `convcheck.verify` describe; checkpoints in `weights` are not read yet.

    Raises:
        ConvcheckError: a side, the input or an option cannot be, or they do not go together.
    """
    if not isinstance(rewrite, str):
        raise ConvcheckError(f"rewrite: {shown(rewrite)} is no name; write one, such as 'patchify-linear', or 'all'")
    load_code = code_loader(trust=trust, way=WAY_IN_PYTHON)
    source: ModuleTensors | WeightFile | None = None
    keep = isinstance(weights, str) and weights == "own"
    files = checkpoints_option(weights)
    if is_module(layer):
        if weights is not None and not keep and files is None:
            raise ConvcheckError("weights: a module brings its own; leave them out, or write the layer as text")
        parsed, source = module_side(layer, own=candidate is not None, train=train)
    else:
        parsed = read_layer(layer, load_code)
        if weights is not None and not keep and files is None:
            source = weights_option(cast("Mapping[str, str]", weights), parsed)
    patterns = mapping_option("transplant", transplant, "{'weight': 'o i kh kw -> o (i kh kw)'}")
    own = read_replacement(candidate, map, map_by, layout, load_code)
    if is_module(layer) and own is not None and not parsed.IS_USER_CODE and takes_parametrized(layer, own):
        from convcheck.sides.user_sides import layer_of_module

        parsed, source = layer_of_module(layer), None
    has_code = parsed.IS_USER_CODE or (own is not None and own.layer.IS_USER_CODE)
    specs = parse_specs(input) if input is not None else ()
    which = None if select is None else check_select(select)
    if has_code and (candidate is None or not specs):
        raise ConvcheckError("code is compared with a `candidate`, and does not say what `input` it takes; give both")
    if needs := [] if has_code else [f"{key}: {text}" for key, text in needless(specs, which, train=train)]:
        raise ConvcheckError("; ".join(needs))
    shapes = tuple(spec.shape for spec in specs) or parsed.example_inputs()
    if not parsed.IS_USER_CODE:
        accept(parsed, shapes)
    if rewrite != "all":
        find(rewrite)
    if all_sizes:
        from convcheck.all_sizes.installed import check_installed

        check_installed()
    # Beside them a module of torch, too, has to be the very object, whose weights no text has.
    by_objects = is_module(candidate) or map_by is not None
    case = Case(
        name=parsed.label(),
        layer=parsed,
        inputs=shapes,
        rewrites=None if rewrite == "all" else (rewrite,),
        order=parse_order(order) if order is not None else None,
        transplant={name: parse_relayout(text) for name, text in patterns.items()},
        dtype=cast("DType", check_dtype(dtype)),
        device=check_device(device),
        seed=check_seed(seed),
        weights=source,
        tolerance=tolerance_option(tolerance),
        strict=strict,
        all_sizes=all_sizes,
        proof_seconds=check_proof_seconds(proof_seconds),
        candidate=own,
        input_specs=specs if has_code else (),
        select=which,
        train=train,
        in_python=True,
        objects=frozenset(
            name
            for name, is_object in (
                ("reference", is_module(layer) and (parsed.IS_USER_CODE or keep or by_objects)),
                ("candidate", is_module(candidate)),
                ("map_by", map_by is not None),
            )
            if is_object
        ),
        held=held_by_both(parsed, source, own) if keep else None,
    )
    if case.candidate is not None and (rewrite != "all" or order is not None or transplant):
        raise ConvcheckError("rewrite, order and transplant belong to a rewrite; a candidate has map and layout")
    wrong = list(layout_problems(case, vocabulary()))
    if case.candidate is not None:
        wrong += replacement_problems(parsed, shapes, case.candidate)
    problems = [f"{path[-1]}: {message}" for path, message in wrong]
    if problems:
        raise ConvcheckError("; ".join(problems))
    return case
