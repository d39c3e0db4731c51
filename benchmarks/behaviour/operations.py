"""Operations, and layers that move entries or have attention, as texts, with inputs, drawn from random numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from benchmarks.behaviour.windows import Shape, numbers


@dataclass(frozen=True)
class Drawn:
    """A layer, and the shapes of its inputs."""

    layer: str
    inputs: tuple[Shape, ...]


def batch(random: Random) -> Shape:
    """Draw the leading axis, or none."""
    return random.choice(((), (1,), (2,), (2,), (3,)))


def shuffle(random: Random) -> Drawn:
    """Draw PixelShuffle or PixelUnshuffle."""
    factor, more = random.randint(1, 3), batch(random)
    if random.random() < 0.5:
        return Drawn(f"PixelShuffle({factor})", ((*more, factor**2 * 2, *numbers(random, 2, 1, 3)),))
    return Drawn(f"PixelUnshuffle({factor})", ((*more, 2, *(factor * n for n in numbers(random, 2, 1, 3))),))


def flatten(random: Random) -> Drawn:
    """Draw Flatten or Unflatten."""
    shape = numbers(random, 4, 1, 4)
    if random.random() < 0.5:
        start = random.randint(0, 3)
        return Drawn(f"Flatten({start}, {random.choice((-1, random.randint(start, 3)))})", (shape,))
    sizes = numbers(random, 2, 1, 3)
    at = random.randrange(3)
    return Drawn(f"Unflatten({at}, {sizes})", ((*shape[:at], math.prod(sizes), *shape[at + 1 :]),))


def rearrange(random: Random) -> Drawn:
    """Draw a pattern of four axes."""
    axes = ["b", "c", "h", "w"]
    sizes = dict(zip(axes, numbers(random, 4, 1, 3), strict=True))
    left = ["b", "c h", "w"] if random.random() < 0.5 else ["b", "c", "h w"]
    right = random.sample(axes, 4)
    joined = [right[0], " ".join(right[1:3]), right[3]] if random.random() < 0.5 else right
    sides = (" ".join(f"({each})" if " " in each else each for each in side) for side in (left, joined))
    shape = tuple(math.prod(sizes[axis] for axis in each.split()) for each in left)
    told = ", ".join(f"{axis}={sizes[axis]}" for axis in "ch")
    return Drawn(f'rearrange("{" -> ".join(sides)}", {told})', (shape,))


def patches(random: Random) -> Drawn:
    """Draw Patchify or Unpatchify."""
    dims = random.randint(1, 3)
    into, out = numbers(random, 2, 1, 4)
    size = random.randint(1, 3)
    stride = random.choice((f", stride={random.randint(1, 3)}", ""))
    kind = random.choice(("Patchify", "Unpatchify"))
    space = numbers(random, dims, size, size + 4) if kind == "Patchify" else numbers(random, dims, 1, 3)
    text = f"{kind}({into}, {out}, data_dim={dims}, patch_size={size}{stride}{random.choice(('', ', bias=False'))})"
    return Drawn(text, ((*batch(random), *space, into),))


def product(random: Random) -> Drawn:
    """Draw a matrix product."""
    m, n, p = numbers(random, 3, 1, 5)
    kind = random.choice(("mm", "bmm", "matmul", "matmul"))
    lead = {"mm": (), "bmm": (random.randint(1, 3),), "matmul": numbers(random, random.randint(0, 2), 1, 3)}[kind]
    other = tuple(random.choice((each, 1)) for each in lead) if kind == "matmul" else lead
    return Drawn(f"{kind}()", ((*lead, m, n), (*other, n, p)))


def attention(random: Random) -> Drawn:
    """Draw scaled_dot_product_attention, with a mask at times."""
    rows, keys, features, values = numbers(random, 4, 1, 5)
    lead = (*batch(random), random.randint(1, 3))
    inputs = [(*lead, rows, features), (*lead, keys, features), (*lead, keys, values)]
    words = [f"scale={random.choice((0.5, 2.0))}"] if random.random() < 0.3 else []
    how = random.choice(("", "causal", "bool", "float"))
    words += ["is_causal=True"] if how == "causal" else [f"attn_mask={how}"] if how else []
    inputs += [(rows, keys)] if how in ("bool", "float") else []
    return Drawn(f"scaled_dot_product_attention({', '.join(words)})", tuple(inputs))


def heads(random: Random) -> Drawn:
    """Draw MultiheadAttention, of its input or of others."""
    heads = random.randint(1, 3)
    width, batch, (rows, keys) = heads * random.randint(1, 3), random.choice((1, 2)), numbers(random, 2, 1, 5)
    names = ("bias=False", "add_bias_kv=True", "add_zero_attn=True", "batch_first=True")
    words = [each for each in names if random.random() < 0.3]
    first = "batch_first=True" in words
    query, others = (
        ((batch, rows, width), (batch, keys, width)) if first else ((rows, batch, width), (keys, batch, width))
    )
    text = f"MultiheadAttention({', '.join([str(width), str(heads), *words])})"
    return Drawn(text, (query, others, others) if random.random() < 0.5 else (query,))
