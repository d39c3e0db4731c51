# mypy: ignore-errors
"""Windows and positions: Swin's windows and bias tables, ALiBi, rotary embeddings."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from benchmarks.own_code.record import Pair


# Swin
def window_partition(x, window_size):
    B, H, W, C = x.shape
    x = x.view(B, H // window_size, window_size, W // window_size, window_size, C)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, window_size, window_size, C)


def window_reverse(windows, window_size, H, W):
    B = int(windows.shape[0] / (H * W / window_size / window_size))
    x = windows.view(B, H // window_size, W // window_size, window_size, window_size, -1)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(B, H, W, -1)


class WindowMixing(nn.Module):
    """Swin-MLP: tokens of a window are mixed, the windows shifted as asked."""

    def __init__(self, dim, window_size=2, shift=1):
        super().__init__()
        self.ws, self.shift = window_size, shift
        self.spatial_mlp = nn.Conv1d(window_size**2, window_size**2, 1)
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        B, H, W, C = x.shape
        x = torch.roll(x, shifts=(-self.shift, -self.shift), dims=(1, 2))
        windows = window_partition(x, self.ws).view(-1, self.ws * self.ws, C)
        windows = self.spatial_mlp(windows).view(-1, self.ws, self.ws, C)
        x = window_reverse(windows, self.ws, H, W)
        return self.fc(torch.roll(x, shifts=(self.shift, self.shift), dims=(1, 2)))


class WindowMixingEinops(nn.Module):
    back = "b h w (p q) c -> b (h p) (w q) c"

    def __init__(self, dim, window_size=2, shift=1):
        super().__init__()
        self.ws, self.shift = window_size, shift
        self.mix = nn.Linear(window_size**2, window_size**2)
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        x = x.roll((-self.shift, -self.shift), (1, 2))
        x = rearrange(x, "b (h p) (w q) c -> b h w c (p q)", p=self.ws, q=self.ws)
        x = self.mix(x).transpose(-1, -2)
        x = rearrange(x, self.back, p=self.ws)
        return self.fc(x.roll((self.shift, self.shift), (1, 2)))


class WindowMixingReversedWrong(WindowMixingEinops):
    back = "b h w (p q) c -> b (h q) (w p) c"


# Swin: a table of biases, and an index into it
class WindowAttention(nn.Module):
    def __init__(self, dim, window_size, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window_size - 1) ** 2, num_heads))
        coords = torch.stack(torch.meshgrid(torch.arange(window_size), torch.arange(window_size), indexing="ij"))
        coords = torch.flatten(coords, 1)
        relative_coords = (coords[:, :, None] - coords[:, None, :]).permute(1, 2, 0).contiguous()
        relative_coords += window_size - 1
        relative_coords[:, :, 0] *= 2 * window_size - 1
        self.register_buffer("relative_position_index", relative_coords.sum(-1))
        self.qkv = nn.Linear(dim, dim * 3)

    def forward(self, x):
        B_, N, C = x.shape
        qkv = self.qkv(x).reshape(B_, N, 3, self.num_heads, C // self.num_heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        attn = (q * (C // self.num_heads) ** -0.5) @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        attn = attn + bias.view(N, N, -1).permute(2, 0, 1).contiguous().unsqueeze(0)
        return (attn.softmax(-1) @ v).transpose(1, 2).reshape(B_, N, C)


# the same table as an image, of which a window is cut for every query
class WindowAttentionSlices(nn.Module):
    transposed = False

    def __init__(self, dim, window_size, num_heads):
        super().__init__()
        self.ws, self.heads = window_size, num_heads
        self.table = nn.Parameter(torch.zeros(num_heads, 2 * window_size - 1, 2 * window_size - 1))
        self.qkv = nn.Linear(dim, dim * 3)

    def bias(self):
        w, rows = self.ws, []
        for i in range(w):
            for j in range(w):
                rows.append(self.table[:, i : i + w, j : j + w].flip(1, 2).flatten(1))
        bias = torch.stack(rows, 1)
        return bias.mT if self.transposed else bias

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias()[None])
        return out.transpose(1, 2).flatten(2)


class WindowAttentionKeysForQueries(WindowAttentionSlices):
    transposed = True


# BLOOM, MPT: a slope for every head
class AlibiAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)

    def slopes(self):
        return torch.tensor([2 ** (-8 * (i + 1) / self.heads) for i in range(self.heads)])

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        position = torch.arange(n)
        bias = self.slopes()[:, None, None] * (position[None, :] - position[:, None])
        scores = q @ k.mT / (d // self.heads) ** 0.5 + bias
        scores = scores.masked_fill(torch.ones(n, n).triu(1).bool(), float("-inf"))
        return (scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, d)


# what is the same for a whole row is nothing to softmax: keys' positions are enough
class AlibiByKeys(AlibiAttention):
    diagonal = 1

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k, v = (rearrange(t, "b n (h e) -> b h n e", h=self.heads) for t in (q, k, v))
        mask = torch.triu(torch.full((n, n), float("-inf"), dtype=x.dtype), diagonal=self.diagonal)
        bias = torch.einsum("h,j->hj", self.slopes(), torch.arange(n).float())
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[:, None, :].to(x) + mask)
        return rearrange(out, "b h n e -> b n (h e)")


class AlibiOneKeyAhead(AlibiByKeys):
    diagonal = 2


# Llama, as it was published: pairs of features are complex numbers
class RotaryComplex(nn.Module):
    def __init__(self, dim, theta=10000.0):
        super().__init__()
        self.dim, self.theta = dim, theta
        self.wq = nn.Linear(dim, dim, bias=False)

    def forward(self, x):
        freqs = 1.0 / (self.theta ** (torch.arange(0, self.dim, 2)[: self.dim // 2].double() / self.dim))
        angles = torch.outer(torch.arange(x.shape[1]).double(), freqs)
        freqs_cis = torch.polar(torch.ones_like(angles), angles)
        xq = self.wq(x)
        xq_ = torch.view_as_complex(xq.reshape(*xq.shape[:-1], -1, 2))
        return torch.view_as_real(xq_ * freqs_cis.to(xq_.dtype)).flatten(-2).type_as(x)


# Llama in transformers: halves of features, and the rows of the weight permuted for it
class RotaryHalves(nn.Module):
    def __init__(self, dim, base=10000.0):
        super().__init__()
        self.dim, self.base = dim, base
        self.q_proj = nn.Linear(dim, dim, bias=False)

    def rotate_half(self, x):
        x1, x2 = x.chunk(2, dim=-1)
        return torch.cat((-x2, x1), dim=-1)

    def forward(self, x):
        inv_freq = 1.0 / (self.base ** (torch.arange(0, self.dim, 2, dtype=torch.float64) / self.dim))
        freqs = torch.arange(x.shape[1], dtype=torch.float64)[:, None] * inv_freq
        emb = torch.cat((freqs, freqs), dim=-1)
        q = self.q_proj(x)
        return q * emb.cos().to(q.dtype) + self.rotate_half(q) * emb.sin().to(q.dtype)


PAIRS = (
    Pair(
        "shifted windows by einops",
        ":WindowMixing(3)",
        ":WindowMixingEinops(3)",
        ("1,4,6,3",),
        "rows and columns exchanged on the way back from windows",
        ":WindowMixingReversedWrong(3)",
        {"mix.weight": "spatial_mlp.weight: o i 1 -> o i", "mix.bias": "spatial_mlp.bias"},
    ),
    Pair(
        "a table of relative positions by slices",
        ":WindowAttention(4, 3, 2)",
        ":WindowAttentionSlices(4, 3, 2)",
        ("2,9,4",),
        "the bias is that of key and query exchanged",
        ":WindowAttentionKeysForQueries(4, 3, 2)",
        {"table": "relative_position_bias_table: (h w) n -> n h w, h=5"},
    ),
    Pair(
        "ALiBi by the positions of keys",
        ":AlibiAttention(8, 2)",
        ":AlibiByKeys(8, 2)",
        ("2,5,8",),
        "the mask begins one position late",
        ":AlibiOneKeyAhead(8, 2)",
    ),
    Pair(
        "rotary embeddings, complex and by halves",
        ":RotaryComplex(8)",
        ":RotaryHalves(8)",
        ("1,6,8",),
        "the rows of the weight are not permuted",
        map={"q_proj.weight": "wq.weight: (d two) i -> (two d) i, two=2"},
        twin_map={"q_proj.weight": "wq.weight"},
        layout="b n (two d) -> b n (d two), two=2",
    ),
)
