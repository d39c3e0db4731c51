"""The kinds of faults that are planted."""

from __future__ import annotations

from enum import StrEnum


class FaultKind(StrEnum):
    """One row of the table each, in this order."""

    PATCH_AXES = "two patch axes swapped"
    CHANNELS = "channels and patch swapped"
    FLIP = "an axis flipped"
    IN_OUT = "in and out swapped"
    GROUPS = "groups rotated or mixed"
    TAP_OUT = "a tap dropped"
    TAP_TWICE = "a tap doubled"
    OFF_BY_ONE = "pad or crop off by one"
    BIAS_OUT = "bias left out"
    BIAS_TWICE = "bias doubled"
    BIAS_TILED = "bias tiled, not repeated"
    PART_IN_A_MILLION = "one entry off by 2^-20"
    ENTRIES = "two entries swapped"
    STRIDE = "stride ignored"
    DILATION = "dilation ignored"
    SETTING = "another setting ignored"
    ZEROS = "zeros for an output"
    SHAPE_ONLY = "nothing but the shape"
