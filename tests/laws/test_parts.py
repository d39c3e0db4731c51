"""What is written in two ways is the same in parts, and nothing that is wrong ever is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convcheck.proof.evidence.probes import FALSE_ACCEPT
from convcheck.proof.parts.fields import Unproven
from convcheck.proof.parts.probe import probe
from convcheck.results import Agreement
from tests.proof.parts.pairs import pair_of

Body = Callable[..., Tensor]
WIDTH, HEADS, TOKENS = 12, 3, (2, 5, 12)


class Attention(nn.Module):
    """The projections of an attention, and what a function makes of q, k and v, `[b, n, d]`, and a mask."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.body = body

    def forward(self, x: Tensor, *mask: Tensor) -> Tensor:
        output: Tensor = self.out(self.body(self.q(x), self.k(x), self.v(x), *mask))
        return output


def split(x: Tensor) -> Tensor:
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def join(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    return join(functional.scaled_dot_product_attention(split(q), split(k), split(v), mask))


def by_hand(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    scale: float = (WIDTH // HEADS) ** -0.5,
    axis: int = -1,
    shift: float = 0.0,
    negate: bool = False,
) -> Tensor:
    scores = (split(q) * scale) @ split(k).mT + shift
    if mask is not None:
        scores = scores.masked_fill(mask if negate else ~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    return join(scores.softmax(axis) @ split(v))


def head_by_head(q: Tensor, k: Tensor, v: Tensor, *, order: Any = range(HEADS)) -> Tensor:
    heads = []
    for i in range(HEADS):
        d = WIDTH // HEADS
        a, b, c = (x[..., i * d : (i + 1) * d] for x in (q, k, v))
        powers = (torch.einsum("bnd,bmd->bnm", a, b) / math.sqrt(d)).exp()
        heads.append(powers @ c / powers.sum(-1, keepdim=True))
    return torch.cat([heads[i] for i in order], -1)


def causal(q: Tensor, k: Tensor, v: Tensor, *, fill: float = -math.inf, diagonal: int = 1) -> Tensor:
    scores = split(q) @ split(k).mT / math.sqrt(WIDTH // HEADS)
    ahead = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(diagonal)
    return join(scores.masked_fill(ahead, fill).softmax(-1) @ split(v))


def fused_causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return join(functional.scaled_dot_product_attention(split(q), split(k), split(v), is_causal=True))


class Mlp(nn.Module):
    """Two linear layers, and what a function does between, or instead."""

    def __init__(self, body: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.up, self.down, self.norm = nn.Linear(WIDTH, 8), nn.Linear(8, WIDTH), nn.LayerNorm(WIDTH)
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self, x)


def mlp(act: Callable[[Tensor], Tensor]) -> Mlp:
    return Mlp(lambda self, x: x + self.down(act(self.up(self.norm(x)))))


def norm_by_hand(self: Any, x: Tensor, *, unbiased: bool = False, eps: float = 1e-5, axis: int = -1) -> Tensor:
    centred = x - x.mean(axis, keepdim=True)
    variance = centred.pow(2).mean(axis, keepdim=True)
    if unbiased:
        variance = x.var(axis, keepdim=True)
    return centred / torch.sqrt(variance + eps) * self.norm.weight + self.norm.bias


def normed(**options: Any) -> Mlp:
    return Mlp(lambda self, x: x + self.down(functional.gelu(self.up(norm_by_hand(self, x, **options)))))


def as_convolutions(self: Any, x: Tensor) -> Tensor:
    y = functional.conv1d(self.norm(x).mT, self.up.weight[..., None], self.up.bias)
    y = y * 0.5 * (1 + torch.erf(y / math.sqrt(2)))
    return x + functional.conv1d(y, self.down.weight[..., None], self.down.bias).mT


def one_by_one(self: Any, x: Tensor) -> Tensor:
    return torch.stack([one + self.down(functional.gelu(self.up(self.norm(one)))) for one in x])


class Stem(nn.Module):
    """A ConvNeXt block behind a stem, which a function computes."""

    def __init__(self, stem: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.stem, self.depthwise = nn.Conv2d(3, 4, 2, 2), nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.norm, self.up, self.down = nn.LayerNorm(4), nn.Linear(4, 6), nn.Linear(6, 4)
        self.body = stem

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(self, x)
        y = self.norm(self.depthwise(x).movedim(1, -1))
        return x + self.down(functional.gelu(self.up(y))).movedim(-1, 1)


def patches(order: tuple[int, ...]) -> Callable[[Any, Tensor], Tensor]:
    def stem(self: Any, x: Tensor) -> Tensor:
        cut = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).permute(0, 2, 4, *order).flatten(3)
        y: Tensor = functional.linear(cut, self.stem.weight.flatten(1), self.stem.bias).movedim(-1, 1)
        return y

    return stem


class Convs(nn.Module):
    """Two convolutions with batch norms, one after the other by a function."""

    def __init__(
        self, layer: Callable[[nn.Conv2d, nn.BatchNorm2d, Tensor], Tensor], act: Any = functional.relu
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(4)])
        self.layer, self.act = layer, act

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.act(self.layer(conv, norm, x))  # type: ignore[arg-type]  # as they were made
        return functional.max_pool2d(x, 2)


def plain(conv: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    y: Tensor = norm(conv(x))
    return y


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor, *, mean: bool = True) -> Tensor:
    assert conv.bias is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    bias = (conv.bias - norm.running_mean if mean else conv.bias) * scale + norm.bias
    return functional.conv2d(x, conv.weight * scale[:, None, None, None], bias, padding=conv.padding)  # type: ignore[arg-type]  # two numbers


def folded_without_means(conv: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    return folded(conv, norm, x, mean=False)


class Case(NamedTuple):
    """A reference, right candidates, wrong ones, and the inputs."""

    reference: nn.Module
    right: dict[str, nn.Module]
    wrong: dict[str, nn.Module]
    shapes: tuple[tuple[int, ...], ...] = (TOKENS,)
    masks: tuple[int, ...] = ()
    added: tuple[int, ...] = ()


def attention(body: Body, **options: Any) -> Attention:
    return Attention(lambda *given: body(*given, **options))


CASES = {
    "attention": Case(
        attention(fused),
        {"by hand": attention(by_hand), "head by head": attention(head_by_head)},
        {
            "q and k": Attention(lambda q, k, v: fused(k, q, v)),
            "k and v": Attention(lambda q, k, v: fused(q, v, k)),
            "no scale": attention(by_hand, scale=1.0),
            "another scale": attention(by_hand, scale=0.5 + 1e-9),
            "a scale of all features": attention(by_hand, scale=WIDTH**-0.5),
            "the other axis": attention(by_hand, axis=-2),
            "the heads": attention(by_hand, axis=1),
            "the order of heads": attention(head_by_head, order=(1, 0, 2)),
            "causal": attention(fused_causal),
            "twice": Attention(lambda q, k, v: fused(q, k, v) * 2),
            "one more residual": Attention(lambda q, k, v: fused(q, k, v) + v),
            "features for heads": Attention(
                lambda q, k, v: fused(*(x.unflatten(-1, (-1, HEADS)).mT.flatten(2) for x in (q, k)), v)
            ),
        },
    ),
    "causal attention": Case(
        attention(fused_causal),
        {"by hand": attention(causal)},
        {
            "no mask": attention(fused),
            "a finite mask": attention(causal, fill=-1e4),
            "ahead by one": attention(causal, diagonal=2),
            "zeros": attention(causal, fill=0.0),
        },
    ),
    "masked attention": Case(
        attention(fused),
        {"once more": Attention(lambda q, k, v, mask: fused(q, k, v, ~~mask))},
        {
            "no mask": Attention(lambda q, k, v, _: fused(q, k, v)),
            "what the mask hides": attention(by_hand, negate=True),
            "across": Attention(lambda q, k, v, mask: fused(q, k, v, mask.mT)),
        },
        (TOKENS, (5, 5)),
        masks=(1,),
    ),
    "attention with a bias": Case(
        attention(fused),
        {"once more": Attention(lambda q, k, v, mask: fused(q, k, v, mask + 0))},
        {
            "no bias": Attention(lambda q, k, v, _: fused(q, k, v)),
            "nothing is hidden": Attention(
                lambda q, k, v, mask: fused(q, k, v, mask.masked_fill(mask == -math.inf, -1e4))
            ),
            "twice": Attention(lambda q, k, v, mask: fused(q, k, v, mask * 2)),
            "before the scale": Attention(lambda q, k, v, mask: by_hand(q, k, v, mask * 0.5)),
        },
        (TOKENS, (5, 5)),
        added=(1,),
    ),
    "an mlp": Case(
        mlp(functional.gelu),
        {
            "convolutions": Mlp(as_convolutions),
            "a norm by hand": normed(),
            "one by one": Mlp(one_by_one),
        },
        {
            "relu": mlp(functional.relu),
            "tanh": mlp(lambda x: functional.gelu(x, approximate="tanh")),
            "silu": mlp(functional.silu),
            "one more relu": mlp(lambda x: functional.gelu(x).relu()),
            "gelu twice": mlp(lambda x: functional.gelu(functional.gelu(x))),
            "a shift": mlp(lambda x: functional.gelu(x + 1e-6)),
            "an unbiased variance": normed(unbiased=True),
            "another eps": normed(eps=1e-6),
            "no residual": Mlp(lambda self, x: self.down(functional.gelu(self.up(self.norm(x))))),
            "no norm": Mlp(lambda self, x: x + self.down(functional.gelu(self.up(x)))),
            "the norm behind": Mlp(lambda self, x: self.norm(x + self.down(functional.gelu(self.up(x))))),
        },
    ),
    "a relu": Case(
        mlp(functional.relu),
        {"clamp": mlp(lambda x: x.clamp(min=0)), "clamp_min": mlp(lambda x: x.clamp_min(0.0))},
        {
            "relu6": mlp(functional.relu6),
            "leaky": mlp(lambda x: functional.leaky_relu(x, 1e-6)),
            "none": mlp(lambda x: x),
            "elu": mlp(functional.elu),
            "abs": mlp(torch.abs),
            "above zero": mlp(lambda x: (x > 0) * x + 1e-9),
            "the other way": mlp(lambda x: -functional.relu(-x)),
        },
    ),
    "a stem": Case(
        Stem(lambda self, x: self.stem(x)),
        {"patches": Stem(patches((1, 3, 5)))},
        {"columns first": Stem(patches((1, 5, 3))), "channels last": Stem(patches((3, 5, 1)))},
        ((2, 3, 6, 4),),
    ),
    "convolutions": Case(
        Convs(plain),
        {"folded": Convs(folded), "clamp": Convs(plain, lambda x: x.clamp(min=0))},
        {
            "no means": Convs(folded_without_means),
            "no norms": Convs(lambda conv, _, x: conv(x)),
            "no relu": Convs(plain, lambda x: x),
            "a bias behind the relu": Convs(plain, lambda x: functional.relu(x - 0.5) + 0.5),
        },
        ((2, 2, 6, 6),),
    ),
}
RIGHT = [(case, name) for case in CASES for name in CASES[case].right]
WRONG = [(case, name) for case in CASES for name in CASES[case].wrong]


@pytest.mark.parametrize(("case", "name"), RIGHT)
def test_two_ways_to_write_one_function_are_the_same_in_parts(case: str, name: str) -> None:
    reference, right, _, shapes, masks, added = CASES[case]
    found = probe(pair_of(reference, right[name], *shapes, masks=masks, added=added), 3)
    assert found.exact.status is Agreement.IDENTICAL
    assert found.exact.false_accept is not None
    assert found.exact.false_accept < FALSE_ACCEPT
    assert {found.gradients.input, found.gradients.weight, found.gradients.bias} == {Agreement.IDENTICAL}
    assert found.cuts


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("case", "name"), WRONG)
def test_what_is_wrong_is_not_the_same_in_parts(case: str, name: str, seed: int) -> None:
    reference, _, wrong, shapes, masks, added = CASES[case]
    with pytest.raises(Unproven, match="the parts differ"):
        probe(pair_of(reference, wrong[name], *shapes, masks=masks, added=added), seed)
