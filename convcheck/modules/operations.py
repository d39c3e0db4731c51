"""Modules for what torch has as a function, or as a module with more than one output. They know of torch alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Operation(nn.Module):
    """A function of torch, such as `matmul`, as a module."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, *inputs: Tensor) -> Tensor:
        output: Tensor = getattr(torch, self.name)(*inputs)
        return output

    def extra_repr(self) -> str:
        return self.name


class ScaledDotProductAttention(nn.Module):
    """torch's function of this name; the mask is the fourth input, so `attn_mask` says only which kind it is."""

    def __init__(
        self,
        attn_mask: str | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> None:
        super().__init__()
        # torch's version compares as one, and not as text.
        if enable_gqa and torch.__version__ < "2.5":
            raise RuntimeError(f"enable_gqa needs torch 2.5 or later, and this is {torch.__version__}")
        self.attn_mask, self.dropout_p, self.is_causal, self.scale = attn_mask, dropout_p, is_causal, scale
        # An older torch does not know this argument.
        self.grouped = {"enable_gqa": True} if enable_gqa else {}

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        if key.shape[-2] != value.shape[-2]:
            # torch's fused kernel would read past the end of the shorter one.
            raise ValueError(f"key has {key.shape[-2]} positions, and value {value.shape[-2]}")
        return functional.scaled_dot_product_attention(
            query, key, value, mask, self.dropout_p, self.is_causal, scale=self.scale, **self.grouped
        )


class AttentionOutput(nn.MultiheadAttention):
    """torch's module of several heads, with the attention as its only output.

    It takes one input for query, key and value alike, or three, or with them a mask of numbers. Its biases are drawn as
    those of a Linear are: torch starts them at 0, where a fault in them would make no difference.
    """

    def _reset_parameters(self) -> None:
        super()._reset_parameters()
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                nn.init.uniform_(bias, -(self.embed_dim**-0.5), self.embed_dim**-0.5)

    def forward(self, *inputs: Tensor) -> Tensor:  # type: ignore[override]  # one output, and inputs by position
        query, key, value = inputs[:3] if len(inputs) > 1 else inputs * 3
        mask = inputs[3] if len(inputs) > 3 else None
        output: Tensor = super().forward(query, key, value, need_weights=False, attn_mask=mask)[0]
        return output
