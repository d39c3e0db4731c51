"""Questions to the shape calculator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from benchmarks.behaviour.asking import Question
from benchmarks.behaviour.layers import any_layer
from benchmarks.behaviour.windows import Shape, Window, conv, pool, transposed

SECTION = "shapes"
SHOWN: Sequence[Sequence[str]] = (
    [],
    [],
    ["-v"],
    ["--explain"],
    ["-f", "json"],
    ["-f", "json"],
    ["-v", "--dtype", "bfloat16"],
    ["-f", "json", "--explain"],
    ["-v", "--explain", "--color", "always"],
)
SIMPLE = ("ReLU()", "GELU()", "Dropout(0.1)", "Identity()", "LeakyReLU(0.1)", "Hardswish()")


def written(shape: Sequence[int | str]) -> str:
    """Return a shape as the command line takes it."""
    return ",".join(map(str, shape))


def shape_questions(random: Random, count: int) -> Iterator[Question]:
    """Yield questions of all kinds, in turn."""
    kinds = [_forwards] * 6 + [_symbolic] * 4 + [_chain] * 4 + [_pasted] + [_backwards] * 3 + [_which, _same, _sizes]
    for number in range(count):
        words, stdin = kinds[number % len(kinds)](random)
        yield Question(SECTION, ["shape", *words], stdin=stdin)


Asked = tuple[list[str], str]


def _forwards(random: Random) -> Asked:
    """A layer and its input, whose lengths are not what they should be, at times."""
    drawn = any_layer(random)
    shapes = [list(shape) for shape in drawn.inputs]
    if random.random() < 0.2:
        spoilt = random.choice(shapes)
        spoilt[random.randrange(len(spoilt))] = random.choice((0, 1, 2, 5, 31))
    words = [drawn.layer]
    for shape in shapes:
        words += ["-i", written(shape)]
    return [*words, *random.choice(SHOWN)], ""


def _named(random: Random, shape: Sequence[int]) -> str:
    words: list[int | str] = list(shape)
    for axis, name in ((-1, "W"), (-2, "H"), (0, "b")):
        if random.random() < 0.7 and len(words) > 2:
            words[axis] = random.choice((name, name, f"2*{name}", f"{name}=16*n", f"{name}//2 + 1", f"{name} + 3"))
    return written(words)


def _symbolic(random: Random) -> Asked:
    if random.random() < 0.5:
        layers, shape = _stack(random, random.randint(2, 4))
        return [*layers, "-i", _named(random, shape), *random.choice(SHOWN)], ""
    drawn = any_layer(random)
    return [drawn.layer, *(w for shape in drawn.inputs for w in ("-i", _named(random, shape)))] + [
        *random.choice(SHOWN)
    ], ""


def _stack(random: Random, depth: int, *, image: int = 40) -> tuple[list[str], Shape]:
    """Draw layers that follow each other, mostly with a classifier at their end, and their input."""
    into = random.choice((1, 3, 4))
    shape: Shape = (random.randint(1, 4), into, *(random.randint(20, image) for _ in range(2)))
    layers, at = [], shape
    for _ in range(depth):
        drawn = random.choice(
            (conv(random, 2, at[1]), conv(random, 2, at[1]), transposed(random, 2, at[1]), pool(random, 2))
        )
        after = drawn.output(at)
        if min(after[2:]) < 1 or max(after[2:]) > 100:
            continue
        at = after
        layers.append(str(drawn))
        layers += [random.choice((*SIMPLE, f"BatchNorm2d({at[1]})"))] if random.random() < 0.5 else []
    if random.random() < 0.4:
        features = at[1] * at[2] * at[3] + (random.random() < 0.15)
        layers += ["Flatten()", f"Linear({features}, 10)"]
    return layers or ["ReLU()"], shape


def _chain(random: Random) -> Asked:
    layers, shape = _stack(random, random.randint(2, 5))
    if random.random() < 0.3:
        layers = [f"Sequential({', '.join(layers)})"]
    rest = ["-k", random.choice(("Conv2d", "not ReLU", "nothing"))] if random.random() < 0.1 else random.choice(SHOWN)
    return [*layers, "-i", written(shape), *rest], ""


def _pasted(random: Random) -> Asked:
    """What `print(model)` prints, read from standard input."""
    layers, shape = _stack(random, 3)
    name = random.choice(("Sequential", "Sequential", "Net"))
    lines = "".join(f"  ({number}): {layer}\n" for number, layer in enumerate(layers))
    return ["-", "-i", written(shape), *random.choice(SHOWN)], f"{name}(\n{lines})\n"


def _window(random: Random) -> tuple[Window, Shape]:
    layer = random.choice((conv, conv, transposed, pool))(random)
    space = tuple(n + random.randint(0, 9) for n in layer.space(random))
    return layer, (random.randint(1, 3), layer.channels[0] if layer.channels else 2, *space)


def _backwards(random: Random) -> Asked:
    if random.random() < 0.5:
        layer, shape = _window(random)
        layers, output = [str(layer)], layer.output(shape)
    else:
        windows = [conv(random, 2, 3, "any"), pool(random, 2)]
        output = tuple(random.randint(1, 9) for _ in range(2))
        layers, output = [str(each) for each in windows], (1, (windows[0].channels or (0, 3))[1], *output)
        if random.random() < 0.3:
            layers, output = [*layers, "Flatten()", f"Linear({output[1] * random.randint(1, 40)}, 10)"], (1, 10)
    return [*layers, "--output", written(output), *random.choice(([], [], ["-f", "json"]))], ""


def _which(random: Random) -> Asked:
    """Which padding, `output_padding` or stride gives an output."""
    layer, shape = _window(random)
    output = [*layer.output(shape)]
    output[-1] += random.choice((0, 1, -1, 2))
    return [str(layer), "-i", written(shape), "--output", written(output), *random.choice(([], ["-f", "json"]))], ""


def _same(random: Random) -> Asked:
    layer, shape = _window(random)
    given = ["-i", written(shape)] if random.random() < 0.7 else []
    return [str(layer), *given, "--same", *random.choice(([], ["-f", "json"]))], ""


def _sizes(random: Random) -> Asked:
    layer = random.choice((transposed, transposed, conv))(random)
    shape = (2, layer.channels[0] if layer.channels else 1, *layer.space(random))
    more = ["ReLU()"] if random.random() < 0.2 else []
    return [str(layer), *more, "-i", written(shape), "--sizes", *random.choice(([], ["-f", "json"]))], ""
