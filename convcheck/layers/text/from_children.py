"""Kinds that print the layers in them in place of their arguments: what of these the layers tell."""

from __future__ import annotations

from collections.abc import Mapping

from convcheck.layers.base import Layer
from convcheck.layers.text.call import Call


def from_children(call: Call, inner: Mapping[str | None, Call]) -> Layer | None:
    """Return the layer that a module with these layers in it is; None where it is no such kind, or has other layers."""
    if call.named or call.words:
        return None
    if call.kind == "MultiheadAttention" and inner.keys() == {"out_proj"}:
        return _attention(inner["out_proj"])
    if call.kind in ("TransformerEncoderLayer", "TransformerDecoderLayer"):
        return _transformer_layer(call.kind, inner)
    if call.kind in ("TransformerEncoder", "TransformerDecoder") and "layers" in inner:
        return _stack(call.kind, inner)
    return None


def _stack(kind: str, inner: Mapping[str | None, Call]) -> Layer | None:
    from convcheck.layers.kinds.transformer import TransformerDecoder, TransformerEncoder, TransformerEncoderLayer
    from convcheck.layers.text.parse import parse_layer
    from convcheck.layers.text.submodules import submodules

    layers = [parse_layer(layer) for _, layer in submodules(inner["layers"].positional)]
    if not layers or not isinstance(layers[0], TransformerEncoderLayer) or len(set(layers)) > 1:
        return None
    made = TransformerEncoder if kind == "TransformerEncoder" else TransformerDecoder
    return made(kind, layers[0], len(layers), parse_layer(inner["norm"]) if "norm" in inner else None)


def _attention(projection: Call) -> Layer | None:
    from convcheck.layers.kinds.linear import Linear
    from convcheck.layers.kinds.transformer import PrintedAttention
    from convcheck.layers.text.parse import parse_layer

    layer = parse_layer(projection)
    if not isinstance(layer, Linear):
        return None
    return PrintedAttention("MultiheadAttention", layer.out_features, layer.bias)


def _transformer_layer(kind: str, inner: Mapping[str | None, Call]) -> Layer | None:
    from convcheck.layers.kinds.linear import Linear
    from convcheck.layers.kinds.norms import LayerNorm
    from convcheck.layers.kinds.transformer import TransformerDecoderLayer, TransformerEncoderLayer
    from convcheck.layers.text.parse import parse_layer

    made = TransformerEncoderLayer if kind == "TransformerEncoderLayer" else TransformerDecoderLayer
    if not {"self_attn", "linear1", "linear2", "norm1"} <= inner.keys():
        return None
    linear, norm = parse_layer(inner["linear1"]), parse_layer(inner["norm1"])
    if not isinstance(linear, Linear) or not isinstance(norm, LayerNorm):
        return None
    return made(
        kind, linear.in_features, None, linear.out_features, dropout=0.1, activation="relu", layer_norm_eps=norm.eps,
        batch_first=None, norm_first=False, bias=linear.bias,
    )  # fmt: skip
