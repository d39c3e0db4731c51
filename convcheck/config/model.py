"""What a case may hold, as pydantic models: every fault is found, not only the first."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from convcheck.config.case import DType, Vocabulary, check_bound, check_device, check_dtype, check_seed
from convcheck.errors import ConvcheckError, LayerError, did_you_mean, shown
from convcheck.layers import Layer, parse_layer, parse_shape, parse_shapes
from convcheck.patterns import Group, Pattern, Shape, Shapes, parse, parse_order


def _layer(value: object) -> Layer:
    try:
        return parse_layer(value)
    except LayerError as error:
        inner = error.faults if isinstance(value, dict) else ()
        raise PydanticCustomError("layer", "{message}", {"message": str(error), "inner": inner}) from None


def _error(message: str) -> PydanticCustomError:
    """Make an error whose message is for users; it is handed on whole, so that braces in it mean nothing."""
    return PydanticCustomError("told", "{message}", {"message": message})


def _told(read: Any) -> BeforeValidator:
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


class SidesModel(_Strict):
    """Parameter counts that differ between the sides."""

    reference: Annotated[int, Field(ge=0)] | None = None
    candidate: Annotated[int, Field(ge=0)] | None = None


class ExpectModel(_Strict):
    """What must come out."""

    verdict: Literal["equal", "different", "refused"] = "equal"
    output: Annotated[Shape, _told(parse_shape)] | None = None
    params: Annotated[int, Field(ge=0)] | SidesModel | None = None


class ToleranceModel(_Strict):
    """A tolerance of the user's own, `|error| <= atol + rtol * |reference|`."""

    atol: Annotated[float, _told(check_bound)] = 0.0
    rtol: Annotated[float, _told(check_bound)] = 0.0


class CaseModel(_Strict):
    """One case, after its matrix was multiplied out."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    layer: Annotated[Layer, BeforeValidator(_layer)]
    input: Annotated[Shapes, _told(parse_shapes)] | None = None
    rewrite: Annotated[tuple[str, ...] | None, BeforeValidator(_rewrites)] = None
    order: Annotated[Group, _told(parse_order)] | None = None
    transplant: dict[str, Annotated[Pattern, _told(parse)]] = Field(default_factory=dict)
    weights: dict[str, object] | None = None
    """Judged by `convcheck.config.weights`, which knows the layer and the config's folder, too."""
    dtype: Annotated[DType, _told(check_dtype)] = "float32"
    device: Annotated[str, _told(check_device)] = "cpu"
    seed: Annotated[int, _told(check_seed)] = 0
    tolerance: Literal["auto"] | ToleranceModel = "auto"
    expect: ExpectModel = Field(default_factory=ExpectModel)


CASE_KEYS = frozenset(CaseModel.model_fields)
"""The keys of one case, without `matrix`, which is gone once it is multiplied out."""
