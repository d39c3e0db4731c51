"""convcheck from Python: what the commands do, as functions. Torch is imported when something is proved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from os import PathLike
from typing import TYPE_CHECKING, Literal, ParamSpec, cast

from convcheck.errors import ConvcheckError, shown
from convcheck.layers import accept, parse_shape, parse_shapes
from convcheck.proof.given_case import InputLike, given_case
from convcheck.sides.layer_like import is_module, read_layer
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    import torch
    from torch import nn

    from convcheck.calculator.answers import Ranges
    from convcheck.models.records import ScanReport
    from convcheck.results import Result
    from convcheck.sides.layer_like import LayerLike
    from convcheck.solving.solution import Solution

P = ParamSpec("P")


def verify(
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
) -> Result:
    """Prove that `layer` and one rewrite of it, or your own `candidate`, compute the same on an input of shape `input`.

    Args:
        layer: as torch prints it, such as `Conv2d(3, 8, kernel_size=2, stride=2)`, or as a mapping with `op`; or a
            module of torch, which is read by its attributes, as it is in eval mode, and run on a probe: where it
            computes something else than they say, the verdict is `refused`. The numeric part is then on its own weights
            and statistics; the result's notes describe them. It is left as it was. Or code, as
            `path/to/file.py:name(args)` or `package.module:name(args)`, where you `trust` it.
        input: the input's shape, channels first, or a list of shapes where there are several inputs; small ones
            are made up if it is left out. For code each may be a text such as `int 2,7`, `mask=bool 4,4` or
            `inputs.safetensors:x`.
        rewrite: a name of the catalogue. It may be left out where just one holds for the layer.
        order: the order of the axes in a patch, such as `kh kw i`, for rewrites that have one.
        transplant: by reference parameter an einops pattern, and steps behind it such as `| flip kh`, in place of the
            catalogue's.
        dtype: float64, float32, bfloat16 or float16, as torch spells them, or torch's own objects.
        tolerance: `{"atol": ..., "rtol": ...}` in place of the derived bound, which `auto` stands for.
        weights: for a layer that is no module, real weights in place of random ones, as in a config: a safetensors file
            as `file`, and by the layer's names for parameters their keys in it. For two modules `own`: the candidate's
            weights are then held against the mapped ones of `layer`, once the mapping is proved. Those of two
            checkpoints are, too, with `{"reference": "old.safetensors:prefix", "candidate": ...}`.
        strict: whether a weak case, which could not tell a wrong rewrite, is not `ok`.
        all_sizes: whether it is to be proved for every size of the axes that may vary, too. What is refuted, or unknown
            after `proof_seconds`, is then not `ok`; the verdict stays that of `input`.
        candidate: a layer or a module of your own, in place of a rewrite. It runs on the weights of `layer`, mapped.
        map: by the candidate's name for a parameter, its source: `weight: o i kh kw -> o (i kh kw)`, or `bias`;
            what is left out comes from the parameter of the same name.
        map_by: a function from the state dict of `layer` to the candidate's, in place of `map`.
        layout: how the candidate's output is laid out as that of `layer`, such as `b (h w) o -> b o h w, h=14`.
        select: which output of code is compared, where there are several: its number in a tuple, or its name in a dict.
        train: whether code is compared in training mode.
        trust: whether code that is named as text may be imported and run.

    Raises:
        ConvcheckError: the layer, the shape, the rewrite or a pattern cannot be; or several rewrites hold; or a module
            cannot be described, as one with a forward of its own or with hooks. What torch cannot run is no exception
            but the verdict `error`; any other exception is a fault of convcheck itself.
    """
    from convcheck.catalogue.claims import claims_of
    from convcheck.config.python_options import checkpoints_option
    from convcheck.proof.verification import verify as prove
    from convcheck.solving.search import with_map

    case = given_case(
        layer,
        input,
        rewrite,
        order=order,
        transplant=transplant,
        dtype=dtype,
        device=device,
        seed=seed,
        tolerance=tolerance,
        strict=strict,
        all_sizes=all_sizes,
        proof_seconds=proof_seconds,
        weights=weights,
        candidate=candidate,
        map=map,
        map_by=map_by,
        layout=layout,
        select=select,
        train=train,
        trust=trust,
    )
    if (files := checkpoints_option(weights)) is not None:
        from convcheck.checkpoints.held import with_checkpoints

        case = with_checkpoints(case, files)
    claims = list(claims_of([case]))
    if len(claims) > 1:
        raise ConvcheckError(f"several rewrites hold for {case.layer}; name one: {', '.join(c.name for c in claims)}")
    return prove(with_map(claims[0]))


def solve(
    reference: LayerLike,
    candidate: LayerLike,
    input: InputLike | None = None,
    *,
    layout: str | None = None,
    dtype: str | torch.dtype = "float32",
    device: str = "cpu",
    seed: int = 0,
    all_sizes: bool = False,
    proof_seconds: float = 30,
    select: int | str | None = None,
    train: bool = False,
    trust: bool = False,
) -> Solution:
    """Find how the weights of `reference` become those of `candidate`, and prove it; arguments are those of `verify`.

    Returned are its `status` (`found`, `not-unique` or `none`), `map` by the candidate's names, `code` that defines
    `convert(state_dict)`, `result`, which is the proof, and `reason`, why there is no mapping or no only one.

    Raises:
        ConvcheckError: a side, the input or an option cannot be.
    """
    from convcheck.solving.solve import solve as find

    case = given_case(
        reference,
        input,
        candidate=candidate,
        layout=layout,
        dtype=dtype,
        device=device,
        seed=seed,
        all_sizes=all_sizes,
        proof_seconds=proof_seconds,
        select=select,
        train=train,
        trust=trust,
    )
    return find(case)


def save_weights(module: nn.Module, path: str | PathLike[str]) -> None:
    """Write the weights that a module computes with to a safetensors file, for the command that repeats its proof.

    Raises:
        ConvcheckError: the module cannot be described, the file cannot be written, or safetensors is not installed.
    """
    from convcheck.proof.real_weights import write_weights

    write_weights(module, path)


def scan(
    model: nn.Module,
    inputs: object,
    rewrite: str | Sequence[str] | None = None,
    *,
    only: str | Sequence[str] | None = None,
    bench: bool = False,
    dtype: str | torch.dtype | Sequence[str | torch.dtype] | None = None,
    min_speedup: float = 1.1,
) -> ScanReport:
    """Run a model on `inputs`, and return its layers that could be rewritten, with verdicts on their real weights.

    The model is left as it was: mode, hooks, gradients, caches and random numbers.

    Args:
        model: any module of torch; it is run in eval mode without gradients.
        inputs: a tensor, a tuple of tensors, a mapping of keyword inputs, a shape, or a list of shapes and texts as
            `verify` reads them, such as `int 2,7`.
        rewrite: names of the catalogue; all that hold and take little more work than the layer if it is left out.
        only: patterns of paths, such as `visual.*.proj`; other layers are left out.
        bench: whether to time both sides of what is equal, and the whole model after the swap of what is faster.
        dtype: in which dtypes to verify and time; the model's own if it is left out.
        min_speedup: with `bench`, how many times as fast a rewrite has to be to be chosen.

    Raises:
        ConvcheckError: the model raises, an input cannot be read, or nothing of the model has rewrites.
    """
    from convcheck.config.checks import check_dtype
    from convcheck.models.example import read_example
    from convcheck.models.scan import Asked
    from convcheck.models.scan import scan as scan_model

    if not is_module(model):
        raise ConvcheckError(f"{shown(model)} is no module of torch")

    def listed(value: object) -> tuple[object, ...]:
        single = isinstance(value, str) or not isinstance(value, Sequence)
        return () if value is None else (value,) if single else tuple(cast("Sequence[object]", value))

    asked = Asked(
        tuple(map(str, listed(rewrite))),
        tuple(map(str, listed(only))),
        tuple(check_dtype(one) for one in listed(dtype)),
        bench=bench,
        min_speedup=min_speedup,
    )
    return scan_model(model, read_example(inputs), type(model).__name__, asked)


def swap(model: nn.Module, report: ScanReport) -> nn.Module:
    """Swap layers of a model in place as `scan` chose them, and return it: what was named, or with `bench` is faster.

    The swap is proved on the model's own weights and inputs before. Of chains the first layer is the merged one, and
    the others are nn.Identity; that cannot be undone without the weights of before.

    Raises:
        ConvcheckError: nothing was chosen, or the swapped model computes something else; the model is left as it was.
    """
    from convcheck.models.apply import swap as swap_layers

    return swap_layers(model, report)


def _asserting(prove: Callable[P, Result]) -> Callable[P, Result]:
    @wraps(prove, assigned=("__module__",))
    def assert_equal(*args: P.args, **kwargs: P.kwargs) -> Result:
        """Do what `verify` does; return its result if the verdict is `equal`, and all that was asked for besides holds.

        Raises:
            AssertionError: it does not hold; with the cause, what would match, and what repeats it.
        """
        # pytest then shows the line that called this.
        __tracebackhide__ = True
        result = prove(*args, **kwargs)
        if not result.ok:
            from convcheck.report.result_rows import short

            raise AssertionError(f"{result.title} is {result.verdict}: " + "\n".join(short(result)))
        return result

    return assert_equal


assert_equal = _asserting(verify)


def shape(layer: LayerLike, *input: int | Sequence[int]) -> Shape:
    """Return the output's shape: `shape("Conv2d(3, 8, 2)", (1, 3, 9, 9))`, or the lengths one by one.

    A module of torch is a layer, too, on whatever device; it is not run.
    An operation with several inputs takes as many shapes: `shape("mm()", (2, 3), (3, 4))`.

    Raises:
        ConvcheckError: the layer or the shape cannot be, with what would be legal.
    """
    single = input[0] if len(input) == 1 and not isinstance(input[0], int) else input
    return accept(read_layer(layer), parse_shapes(single))


def inputs_for(layer: LayerLike, output: Sequence[int] | str) -> tuple[Mapping[str, Ranges], ...]:
    """Return every input shape that gives an output: `{"b": ((1, 1),), "i": ((3, 3),), "h": ((223, 224),), ...}`.

    Each mapping has the ranges, first and last, of every axis in order; any length of one goes with any of the others.
    Layers whose axes become one give several mappings, and none means that no input gives this output.

    Raises:
        ConvcheckError: the layer or the shape cannot be, or the layer cannot be asked backwards.
    """
    from convcheck.calculator.questions.inputs import inputs_for as backwards

    return backwards([read_layer(layer)], parse_shape(output)).inputs


def params(layer: LayerLike) -> int:
    """Return how many trainable values a layer has; where a weight is computed from others, it is counted itself.

    Raises:
        ConvcheckError: the layer cannot be.
    """
    return read_layer(layer).parameter_count()
