# mypy: ignore-errors
"""Embeddings of integers, tied and frozen weights, nested modules that return a dict."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.own_code.record import Pair


# GPT-2: the head is the embedding
class TokensToLogits(nn.Module):
    def __init__(self, vocab_size, n_positions, n_embd):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, n_embd)
        self.wpe = nn.Embedding(n_positions, n_embd)
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, input_ids):
        position_ids = torch.arange(0, input_ids.shape[-1], dtype=torch.long, device=input_ids.device)
        return self.lm_head(self.wte(input_ids) + self.wpe(position_ids.unsqueeze(0)))


# accelerators without a gather
class OneHotLogits(nn.Module):
    offset = 0

    def __init__(self, vocab_size, n_positions, n_embd):
        super().__init__()
        self.vocab_size = vocab_size
        self.wte = nn.Parameter(torch.randn(vocab_size, n_embd))
        self.wpe = nn.Parameter(torch.randn(n_positions, n_embd))

    def forward(self, ids):
        one_hot = F.one_hot(ids, self.vocab_size).to(self.wte.dtype)
        h = one_hot @ self.wte + self.wpe[self.offset : self.offset + ids.shape[1]]
        return h @ self.wte.t()


class OneHotLogitsOffset(OneHotLogits):
    offset = 1  # RoBERTa's positions do not begin at 0


# an autoencoder whose decoder is its encoder, transposed; the mean of the data is frozen
class TiedAutoencoder(nn.Module):
    def __init__(self, n_input, n_hidden):
        super().__init__()
        self.encoder = nn.Linear(n_input, n_hidden)
        self.decoder_bias = nn.Parameter(torch.zeros(n_input))
        self.mean = nn.Parameter(torch.zeros(n_input), requires_grad=False)

    def forward(self, x):
        latents = torch.relu(self.encoder(x - self.mean))
        return F.linear(latents, self.encoder.weight.t(), self.decoder_bias) + self.mean


# sparse autoencoders: the mean goes into the biases, and einsum does the rest
class TiedEinsum(nn.Module):
    def __init__(self, n_input, n_hidden):
        super().__init__()
        self.W = nn.Parameter(torch.randn(n_input, n_hidden))
        self.b_enc = nn.Parameter(torch.zeros(n_hidden))
        self.b_dec = nn.Parameter(torch.zeros(n_input))
        self.pre_bias = nn.Parameter(torch.zeros(n_input), requires_grad=False)

    def decode(self, acts):
        return torch.einsum("bh,ih->bi", acts, self.W)

    def forward(self, x):
        hidden_bias = self.b_enc - self.pre_bias @ self.W
        acts = F.relu(torch.einsum("bi,ih->bh", x, self.W) + hidden_bias)
        return self.decode(acts) + (self.b_dec + self.pre_bias)


class TiedEinsumNotTransposed(TiedEinsum):
    def decode(self, acts):
        return torch.einsum("bh,hi->bi", acts, self.W)


# transformers: layers in layers, and an output by name
class Output(nn.Module):
    def __init__(self, hidden, wide):
        super().__init__()
        self.up = nn.Linear(hidden, wide)
        self.down = nn.Linear(wide, hidden)

    def forward(self, hidden_states):
        return self.down(F.gelu(self.up(hidden_states)))


class Layer(nn.Module):
    def __init__(self, hidden, wide):
        super().__init__()
        self.output = Output(hidden, wide)
        self.LayerNorm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, hidden_states):
        return self.LayerNorm(hidden_states + self.output(hidden_states))


class Encoder(nn.Module):
    def __init__(self, hidden, wide, layers):
        super().__init__()
        self.layer = nn.ModuleList([Layer(hidden, wide) for _ in range(layers)])

    def forward(self, hidden_states):
        all_hidden_states = (hidden_states,)
        for layer in self.layer:
            hidden_states = layer(hidden_states)
            all_hidden_states += (hidden_states,)
        return {"last_hidden_state": hidden_states, "hidden_states": all_hidden_states}


class Blocks(nn.Module):
    def __init__(self, dim, mlp, depth):
        super().__init__()
        self.blocks = nn.Sequential(
            *[
                nn.ModuleDict(
                    {"fc1": nn.Linear(dim, mlp), "fc2": nn.Linear(mlp, dim), "norm": nn.LayerNorm(dim, eps=1e-12)}
                )
                for _ in range(depth)
            ]
        )

    def forward(self, x):
        for block in self.blocks:
            x = block["norm"](x + block["fc2"](F.gelu(block["fc1"](x))))
        return {"last_hidden_state": x}


RENAMED = {"layer.": "blocks.", "output.up": "fc1", "output.down": "fc2", "LayerNorm": "norm"}


def rename(state):
    out = {}
    for key, value in state.items():
        for old, new in RENAMED.items():
            key = key.replace(old, new)
        out[key] = value
    return out


def rename_backwards(state):
    swapped = {"blocks.0.": "blocks.1.", "blocks.1.": "blocks.0."}
    return {swapped[key[:9]] + key[9:]: value for key, value in rename(state).items()}


PAIRS = (
    Pair(
        "tied embeddings by one-hot matrices",
        ":TokensToLogits(7, 6, 4)",
        ":OneHotLogits(7, 6, 4)",
        ("int 2,5",),
        "positions begin at 1",
        ":OneHotLogitsOffset(7, 6, 4)",
        {"wte": "wte.weight", "wpe": "wpe.weight"},
    ),
    Pair(
        "a tied autoencoder",
        ":TiedAutoencoder(4, 4)",
        ":TiedEinsum(4, 4)",
        ("3,4",),
        "the decoder is not transposed",
        ":TiedEinsumNotTransposed(4, 4)",
        {
            "W": "encoder.weight: h i -> i h",
            "b_enc": "encoder.bias",
            "b_dec": "decoder_bias",
            "pre_bias": "mean",
        },
    ),
    Pair(
        "layers under other names, and a dict",
        ":Encoder(4, 6, 2)",
        ":Blocks(4, 6, 2)",
        ("2,3,4",),
        "the two layers are exchanged in the conversion",
        map_by="rename",
        twin_map_by="rename_backwards",
        select="last_hidden_state",
    ),
)
