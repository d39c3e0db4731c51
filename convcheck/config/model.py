"""What a case may hold, as pydantic models: every fault is found, not only the first."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from convcheck.config.case import DType, Vocabulary
from convcheck.errors import ConvcheckError, LayerError, did_you_mean, shown
from convcheck.layers import Layer, parse_layer, parse_shape
from convcheck.patterns import Group, Pattern, Shape, parse, parse_order

_DEVICE = re.compile(r"cpu|cuda(:\d+)?")


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


def _input(value: object) -> Shape:
    # A list of shapes is what an operation with several inputs takes; one shape in a list is the same as that shape.
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    return parse_shape(value)


def _pattern(value: object) -> Pattern:
    if not isinstance(value, str):
        raise _error("must be an einops pattern such as 'o i kh kw -> o (i kh kw)'")
    return parse(value)


def _order(value: object) -> Group:
    if not isinstance(value, str):
        raise _error("must be a row of axis names such as 'kh kw i'")
    return parse_order(value)


def _rewrites(value: object, info: ValidationInfo) -> tuple[str, ...] | None:
    assert isinstance(info.context, Vocabulary)
    known = info.context.rewrites
    if value in ("all", ["all"]):
        return None
    names = value if isinstance(value, list) else [value]
    if not names:
        raise _error("must name a rewrite, or be 'all'")
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise _error(f"unknown rewrite {shown(name)}; {did_you_mean(str(name), known)}")
    if len(set(names)) < len(names):
        raise _error("names a rewrite twice")
    return tuple(names)


def _device(value: object) -> str:
    if not isinstance(value, str) or not _DEVICE.fullmatch(value):
        raise _error(f"{shown(value)} is no device; there are: cpu, cuda, cuda:0, ...")
    return value


def _bound(value: object) -> object:
    try:
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not 0 <= number < math.inf:
        raise _error(f"{shown(value)} is no tolerance; it must be a number of at least 0, such as 1e-6")
    return number


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

    atol: Annotated[float, BeforeValidator(_bound)] = 0.0
    rtol: Annotated[float, BeforeValidator(_bound)] = 0.0


class CaseModel(_Strict):
    """One case, after its matrix was multiplied out."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    layer: Annotated[Layer, BeforeValidator(_layer)]
    input: Annotated[Shape, _told(_input)] | None = None
    rewrite: Annotated[tuple[str, ...] | None, BeforeValidator(_rewrites)] = None
    order: Annotated[Group, _told(_order)] | None = None
    transplant: dict[str, Annotated[Pattern, _told(_pattern)]] = Field(default_factory=dict)
    dtype: DType = "float32"
    device: Annotated[str, BeforeValidator(_device)] = "cpu"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    tolerance: Literal["auto"] | ToleranceModel = "auto"
    expect: ExpectModel = Field(default_factory=ExpectModel)


CASE_KEYS = frozenset(CaseModel.model_fields)
"""The keys of one case, without `matrix`, which is gone once it is multiplied out."""
