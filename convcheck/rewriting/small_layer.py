"""A smaller layer of the same make as a rewrite's example, to draw: of few channels and small kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from convcheck.errors import ConvcheckError
from convcheck.layers import Layer, parse_layer
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, Shapes

FEW, FEATURES, GROUPS = 2, 4, 2
"""How many channels, of each group, features, and groups a small layer has at most."""

KERNEL, EVEN_KERNEL = 3, 4
"""The largest odd and even kernels that are left as they are."""

PATCH = 2
"""The stride of a small layer whose windows are as long as its strides, or a few of them."""


def small_layer(rewrite: Rewrite) -> tuple[Layer, Shapes]:
    """Return the smallest of a few layers for which a rewrite holds, and inputs of one image; else its example."""
    example = parse_layer(rewrite.example)
    for layer in (_smaller(example), example):
        for shapes in _inputs(layer):
            try:
                if not rewrite.refuse(layer, shapes):
                    layer.output_shape(*shapes)
                    return layer, shapes
            except ConvcheckError:
                continue
    return example, tuple((1, *shape[1:]) for shape in rewrite.example_inputs or example.example_inputs())


def _inputs(layer: Layer) -> Iterator[Shapes]:
    """Yield the usual inputs for one entry of a batch, and those that are one window."""
    try:
        usual = tuple((1, *shape[1:]) for shape in layer.example_inputs())
    except ConvcheckError:
        return
    yield usual
    if isinstance(kernel := getattr(layer, "kernel_size", None), tuple):
        yield tuple((*shape[: -len(kernel)], *kernel) for shape in usual)


def _smaller(layer: Layer) -> Layer:
    """Return a layer with fewer channels, smaller kernels and strides, that is of no other make."""
    old: dict[str, Any] = {field.name: getattr(layer, field.name) for field in fields(layer)}
    new: dict[str, Any] = {}
    if isinstance(old.get("layers"), tuple):
        new["layers"] = tuple(map(_smaller, old["layers"]))
    groups = old.get("groups", 1)
    for name in ("in_channels", "out_channels", "num_features", "in_features", "out_features"):
        if isinstance(old.get(name), int):
            most = FEATURES if name in ("in_features", "out_features") else FEW
            new[name] = min(groups, GROUPS) * min(old[name] // groups, most)
    if groups > GROUPS:
        new["groups"] = GROUPS
    new.update(_smaller_windows(old))
    if old.get("output_spatial_shape") is not None:
        new["output_spatial_shape"] = None
    try:
        return replace(layer, **new)
    except (ConvcheckError, ValueError, TypeError):
        return layer


def _smaller_windows(old: dict[str, Any]) -> dict[str, Any]:
    """Return smaller kernels, strides and paddings, by field."""
    if isinstance(patch := old.get("patch_size"), int):
        stride = old.get("stride") or patch
        count = patch // stride
        return {"patch_size": PATCH * count, "stride": PATCH} if patch == count * stride and stride > PATCH else {}
    if not isinstance(kernels := old.get("kernel_size"), tuple):
        return {}
    windows = [_smaller_window(kernel, stride) for kernel, stride in zip(kernels, old["stride"], strict=True)]
    new = {
        "kernel_size": tuple(kernel for kernel, _ in windows),
        "stride": tuple(stride for _, stride in windows),
    }
    if isinstance(old["padding"], tuple):
        new["padding"] = tuple(
            kernel // 2 * (padding // (before // 2)) if before > 1 else padding
            for padding, before, kernel in zip(old["padding"], kernels, new["kernel_size"], strict=True)
        )
    return new


def _smaller_window(kernel: int, stride: int) -> Shape:
    if stride > PATCH and kernel % stride == 0:
        return PATCH * (kernel // stride), PATCH
    return min(kernel, KERNEL if kernel % 2 else EVEN_KERNEL), min(stride, PATCH)
