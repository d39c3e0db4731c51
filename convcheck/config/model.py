"""What a case may hold, as pydantic models: every fault is found, not only the first."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from convcheck.config.case import Vocabulary, parse_side
from convcheck.config.checks import (
    DEVICE,
    DTYPES,
    OTHER_DTYPES,
    DType,
    check_bound,
    check_device,
    check_dtype,
    check_seed,
    check_select,
)
from convcheck.config.input_specs import InputSpec, parse_specs
from convcheck.config.parse_source import parse_source
from convcheck.config.replacement import parse_layout
from convcheck.config.sources import Source
from convcheck.errors import ConvcheckError, LayerError, did_you_mean, shown
from convcheck.layers import Layer, parse_shape
from convcheck.sizes.limits import MAX_INT64
from convcheck.sizes.patterns import Group, Shape, parse_order
from convcheck.sizes.relayouts import Rearrangement, Relayout, parse_relayout


def _side(value: object, info: ValidationInfo) -> Layer:
    assert isinstance(info.context, Vocabulary)
    try:
        return parse_side(value, info.context.load_code, info.context.folder)
    except LayerError as error:
        inner = error.faults if isinstance(value, dict) else ()
        raise PydanticCustomError("layer", "{message}", {"message": str(error), "inner": inner}) from None
    except ConvcheckError as error:
        raise _error(str(error)) from None


def _inputs(value: object, info: ValidationInfo) -> tuple[InputSpec, ...]:
    assert isinstance(info.context, Vocabulary)
    try:
        return parse_specs(value, info.context.folder)
    except ConvcheckError as error:
        raise _error(str(error)) from None


def _error(message: str) -> PydanticCustomError:
    """Make an error whose message is for users; it is handed on whole, so that braces in it mean nothing."""
    return PydanticCustomError("message", "{message}", {"message": message})


def _by(read: Any) -> BeforeValidator:
    """Make a validator of a reader whose errors are written for users."""

    def validate(value: object) -> object:
        try:
            return read(value)
        except ConvcheckError as error:
            raise _error(str(error)) from None

    return BeforeValidator(validate)


def _rewrites(value: object, info: ValidationInfo) -> tuple[str, ...] | None:
    assert isinstance(info.context, Vocabulary)
    known = info.context.rewrites
    if value in ("all", ["all"]):
        return None
    names = value if isinstance(value, list) else [value]
    if not names:
        raise _error("must name a rewrite, or be 'all'")
    if "all" in names:
        raise _error("'all' stands alone; name either all or some")
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise _error(f"unknown rewrite {shown(name)}; {did_you_mean(str(name), known)}")
    if len(set(names)) < len(names):
        raise _error("names a rewrite twice")
    return tuple(names)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True, frozen=True)


# Pydantic cannot describe values that our own readers parse; these schemas do, for editors.
DEFINITION = "convcheck"


def _defined(name: str) -> WithJsonSchema:
    """Refer to a definition of `convcheck.config.json_schema`."""
    return WithJsonSchema({DEFINITION: name})


_TEXT = WithJsonSchema({"type": "string"})
_SOURCE = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"enum": [0, 1]}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
)
_SHAPE = _defined("shape")
_BOUND = WithJsonSchema({"type": "number", "minimum": 0, "maximum": sys.float_info.max})
# Editors complete the first choice.
_DTYPE = WithJsonSchema({"anyOf": [{"enum": list(DTYPES)}, {"enum": list(OTHER_DTYPES)}]})
_SELECT = WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "minLength": 1}]})
_SEED = WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_INT64})


def _key(description: str, *examples: object, default: Any = None, **more: Any) -> Any:
    """Make a key that may be left out; editors show the description and the examples."""
    return Field(default, description=description, examples=list(examples) or None, **more)


class SidesModel(_Strict):
    """Parameter counts that differ between the sides."""

    reference: Annotated[int, Field(ge=0)] | None = _key("Parameters of the layer itself.", 24576)
    candidate: Annotated[int, Field(ge=0)] | None = _key("Parameters of what the rewrite puts in its place.", 24576)


class ExpectModel(_Strict):
    """What must come out."""

    verdict: Literal["equal", "different", "refused"] = _key(
        "The verdict that counts as fulfilled: a wrong rewrite may be expected to be found, and one that cannot be "
        "had, to be refused.",
        default="equal",
    )
    output: Annotated[Shape, _by(parse_shape), _SHAPE] | None = _key("The shape of the output.", [4, 128, 3, 5, 6])
    params: Annotated[int, Field(ge=0)] | SidesModel | None = _key(
        "The number of parameters: one number for both sides, or one for each.", 24576, {"reference": 216}
    )
    sizes: Literal["proved", "refuted", "unknown"] | None = _key(
        "What must come of a proof for all sizes, where one is asked for. Default: proved; where no rewrite is named, "
        "unknown will do, too.",
        "refuted",
    )


_EXPECT = ExpectModel()


class ToleranceModel(_Strict):
    """A tolerance of the user's own, `|error| <= atol + rtol * |reference|`."""

    atol: Annotated[float, _by(check_bound), _BOUND] = _key("The absolute part.", 1e-6, default=0.0)
    rtol: Annotated[float, _by(check_bound), _BOUND] = _key("What is added times |reference|.", 1e-5, default=0.0)


class CaseModel(_Strict):
    """One case, after its matrix was multiplied out."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = _key(
        "What the case is called in results and for -k; no two may be called alike. Default: made from the layer and "
        "the rewrite.",
        "notebook-down",
        "vit-sweep-p{p}-{dtype}",
    )
    layer: Annotated[Layer, BeforeValidator(_side), _defined("layer")] = Field(
        description="The layer as torch prints it, or as a mapping with its kind as `op`.",
        examples=[
            "Conv2d(3, 768, kernel_size=(16, 16), stride=(16, 16))",
            {"op": "Linear", "in_features": 32, "out_features": 20},
        ],
    )
    input: Annotated[tuple[InputSpec, ...], BeforeValidator(_inputs), _defined("inputs")] | None = _key(
        "The shape of the input, or a list of shapes for an operation with several inputs. Default: a small one that "
        "leaves no axis trivial. For code of one's own also with a type, a keyword or as real values.",
        [1, 3, 224, 224],
        [[2, 3, 4], [2, 4, 5]],
        ["int 2,7", "mask=bool 2,7"],
        "inputs.safetensors:x",
    )
    rewrite: Annotated[tuple[str, ...] | None, BeforeValidator(_rewrites), _defined("rewrite")] = _key(
        "The rewrite to prove, or a list of them. Default: all that hold.", "patchify-linear", default=None
    )
    order: Annotated[Group, _by(parse_order), _TEXT] | None = _key(
        "The order of the features of a patch, for the rewrites that have one: axis names in a row.", "kh kw i"
    )
    transplant: dict[str, Annotated[Relayout, _by(parse_relayout), _TEXT]] = Field(
        default_factory=dict,
        description="A mapping of weights of one's own, put to the test in place of the catalogue's: by the layer's "
        "name for a parameter, an einops pattern over the axes o i g and kl, kh kw or kt kh kw, and steps behind it.",
        examples=[{"weight": "o i kh kw -> o (kh kw i)"}, {"weight": "o i kh kw -> o i kh kw | flip kh | pad kw 0 1"}],
    )
    candidate: Annotated[Layer, BeforeValidator(_side), _defined("layer")] | None = _key(
        "A layer of one's own that is claimed to compute the same, in place of a rewrite.",
        'Sequential(rearrange("b i (h p) (w q) -> b (h w) (i p q)", p=16, q=16), Linear(768, 768))',
    )
    map: dict[str, Annotated[Source, _by(parse_source), _SOURCE]] = Field(
        default_factory=dict,
        description="Where the candidate's parameters come from: by its name for one, the reference's name, and behind "
        "a colon how it is laid out anew; or 0 or 1; or several, joined, added or multiplied. One that is left out "
        "comes from the parameter of the same name.",
        examples=[
            {"1.weight": "weight: o i kh kw -> o (i kh kw)", "1.bias": "bias"},
            {"qkv.weight": "[q.weight; k.weight; v.weight]", "qkv.bias": 0},
            {"weight": "einsum('o m kh kw, m i x y -> o i kh kw', 1.weight, 0.weight)"},
        ],
    )
    layout: Annotated[Rearrangement, _by(parse_layout), _TEXT] | None = _key(
        "How the candidate's output is laid out as the reference's. Default: as it is.", "b (h w) o -> b o h w, h=14"
    )
    select: Annotated[str | int, _by(check_select), _SELECT] | None = _key(
        "Which output of code of one's own is compared, where there are several: its number in a tuple, or its name.",
        0,
        "last_hidden_state",
    )
    train: bool = _key("Whether code of one's own is compared in training mode.", default=False)
    sizes: Literal["all"] | None = _key(
        "all: prove it for every size of the axes that may vary as well, not for this input's shape alone.", "all"
    )
    weights: Annotated[dict[str, object], _defined("weights")] | None = _key(
        "Real tensors in place of random ones for the numeric part: a safetensors file, and by the layer's name for a "
        "parameter its key in the file. Beside a candidate also what both sides hold, to be compared: own, or a "
        "checkpoint for each.",
        {"file": "model.safetensors", "weight": "proj.weight"},
        {"reference": "old.safetensors:visual", "candidate": "new.safetensors:visual"},
    )
    """Judged by `convcheck.config.weights`, which knows the layer and the config's folder, too."""
    dtype: Annotated[DType, _by(check_dtype), _DTYPE] = _key("The dtype of the numeric part.", default="float32")
    device: Annotated[str, _by(check_device), WithJsonSchema({"type": "string", "pattern": f"^({DEVICE})$"})] = _key(
        "Where it is computed: cpu, cuda or cuda:N.", "cpu", "cuda:0", default="cpu"
    )
    seed: Annotated[int, _by(check_seed), _SEED] = _key("The seed of all random numbers.", 0, default=0)
    tolerance: Literal["auto"] | ToleranceModel = _key(
        "auto, which is derived from the sums' lengths, or bounds of one's own: |error| <= atol + rtol * |reference|.",
        {"atol": 1e-6, "rtol": 1e-5},
        default="auto",
    )
    expect: ExpectModel = Field(
        # Not made anew for every case, and no default of the JSON schema.
        default_factory=lambda: _EXPECT,
        description="What must come out for the case to count as fulfilled. Default: the verdict equal.",
        examples=[{"output": [4, 128, 3, 5, 6], "params": 24576}, {"verdict": "different"}],
    )


REFERENCE = "reference"
"""What `layer` is called beside a candidate."""

CASE_KEYS = frozenset(CaseModel.model_fields) | {REFERENCE}
"""The keys of one case, without `matrix`, which is gone once it is multiplied out."""
