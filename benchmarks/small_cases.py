"""How long all evidence on many small cases takes, beside a loop that builds the same pairs and compares them once.

    python benchmarks/small_cases.py
    python benchmarks/small_cases.py --cases 200 --rounds 15 --format markdown
    python benchmarks/small_cases.py --page docs/performance.md     # writes the table anew where its markers stand

The loop is what there would be without evidence: for every case it builds the same two modules, moves the weights by
the same mapping, draws one input, runs both without gradients, and holds the outputs together with `torch.allclose`.
Beside it stands a loop that is written by hand for these six kinds of layers, with classes and patterns as constants.
All are in one process, on one thread, and take turns; of all rounds the median counts.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from benchmarks.tables import FORMATS, Written, markdown, print_table
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import claims_of
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.modules.build import build
from convcheck.proof.run import run

MOST = 3.0
"""What all evidence may take at most, of the loop's time."""

MARKERS = "<!-- small-cases -->", "<!-- /small-cases -->"


class Patches(nn.Module):
    """A Linear on flattened patches of an image."""

    def __init__(self, i: int, o: int, k: int) -> None:
        super().__init__()
        self.k, self.project = k, nn.Linear(i * k * k, o)

    def forward(self, x: Tensor) -> Tensor:
        k = self.k
        tokens = self.project(rearrange(x, "b i (h kh) (w kw) -> b h w (i kh kw)", kh=k, kw=k))
        y: Tensor = rearrange(tokens, "b h w o -> b o h w")
        return y


class Pieces(nn.Module):
    """A Linear on flattened pieces of a series."""

    def __init__(self, i: int, o: int, k: int) -> None:
        super().__init__()
        self.k, self.project = k, nn.Linear(i * k, o)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.project(rearrange(x, "b i (l k) -> b l (i k)", k=self.k))
        y: Tensor = rearrange(tokens, "b l o -> b o l")
        return y


class Unpatched(nn.Module):
    """A Linear on pixels, each laid out as a patch."""

    def __init__(self, i: int, o: int, k: int) -> None:
        super().__init__()
        self.k, self.project = k, nn.Linear(i, o * k * k)

    def forward(self, x: Tensor) -> Tensor:
        k, tokens = self.k, self.project(rearrange(x, "b i h w -> b h w i"))
        y: Tensor = rearrange(tokens, "b h w (o kh kw) -> b o (h kh) (w kw)", kh=k, kw=k)
        return y


class Pointwise(nn.Module):
    """A Linear on the channels of every pixel."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.project = nn.Linear(i, o)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = rearrange(self.project(rearrange(x, "b i h w -> b h w i")), "b h w o -> b o h w")
        return y


class Tokens(nn.Module):
    """A convolution of one tap over tokens."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(i, o, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = rearrange(self.conv(rearrange(x, "b n i -> b i n")), "b o n -> b n o")
        return y


class Columns(nn.Module):
    """A matrix product with the windows of an image."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(o, i * 9)), nn.Parameter(torch.empty(o, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.weight @ nn.functional.unfold(x, 3, padding=1) + self.bias
        return y.reshape(*y.shape[:2], *x.shape[2:])


class Both(NamedTuple):
    """Both modules, and what the candidate's parameters get."""

    reference: nn.Module
    candidate: nn.Module
    weight: str
    bias: str


class Kind(NamedTuple):
    """A layer as text and its inputs, a rewrite of the catalogue, and the same by hand, for channels and a kernel."""

    layer: str
    shape: Callable[[int, int], tuple[int, ...]]
    rewrite: str
    by_hand: Callable[[int, int, int], Both]


KINDS = (
    Kind(
        "Conv2d({i}, {o}, {k}, stride={k})",
        lambda i, k: (2, i, 3 * k, 4 * k),
        "patchify-linear",
        lambda i, o, k: Both(nn.Conv2d(i, o, k, stride=k), Patches(i, o, k), "o i kh kw -> o (i kh kw)", "o -> o"),
    ),
    Kind(
        "Conv1d({i}, {o}, {k}, stride={k})",
        lambda i, k: (2, i, 4 * k),
        "patchify-linear",
        lambda i, o, k: Both(nn.Conv1d(i, o, k, stride=k), Pieces(i, o, k), "o i k -> o (i k)", "o -> o"),
    ),
    Kind(
        "ConvTranspose2d({i}, {o}, {k}, stride={k})",
        lambda i, k: (2, i, 3 * k, 4 * k),
        "linear-unpatchify",
        lambda i, o, k: Both(
            nn.ConvTranspose2d(i, o, k, stride=k),
            Unpatched(i, o, k),
            "i o kh kw -> (o kh kw) i",
            f"o -> (o {k * k})",
        ),
    ),
    Kind(
        "Conv2d({i}, {o}, 1)",
        lambda i, k: (2, i, 3 * k, 4 * k),
        "pointwise-linear",
        lambda i, o, _k: Both(nn.Conv2d(i, o, 1), Pointwise(i, o), "o i 1 1 -> o i", "o -> o"),
    ),
    Kind(
        "Linear({i}, {o})",
        lambda i, k: (2, 4 * k, i),
        "linear-as-conv1x1",
        lambda i, o, _k: Both(nn.Linear(i, o), Tokens(i, o), "o i -> o i 1", "o -> o"),
    ),
    Kind(
        "Conv2d({i}, {o}, 3, padding=1)",
        lambda i, k: (2, i, 3 * k, 4 * k),
        "unfold-matmul",
        lambda i, o, _k: Both(nn.Conv2d(i, o, 3, padding=1), Columns(i, o), "o i kh kw -> o (i kh kw)", "o -> o 1"),
    ),
)


class Drawn(NamedTuple):
    """A kind with its channels and its kernel."""

    kind: Kind
    i: int
    o: int
    k: int


def draw(cases: int, seed: int = 0) -> Iterator[Drawn]:
    """Draw so many cases."""
    drawn = random.Random(seed)
    for _ in range(cases):
        yield Drawn(drawn.choice(KINDS), drawn.randint(1, 8), drawn.randint(1, 8), drawn.choice((2, 3)))


def case_of(number: int, drawn: Drawn) -> Case:
    """Return a drawn case as convcheck takes it."""
    layer = parse_layer(drawn.kind.layer.format(i=drawn.i, o=drawn.o, k=drawn.k))
    return Case(f"case-{number}", layer, (drawn.kind.shape(drawn.i, drawn.k),), (drawn.kind.rewrite,))


def compare(case: Case) -> bool:
    """Do for a case what the loop does."""
    assert case.rewrites is not None
    rewrite = catalogue()[case.rewrites[0]]
    reference, candidate = build(case.layer), rewrite.build(case.layer, case.inputs)
    mapping = rewrite.transplant(case.layer, case.inputs)
    with torch.no_grad():
        candidate.load_state_dict(mapping.forward(reference.state_dict()))
        x = torch.randn(case.inputs[0])
        return torch.allclose(reference(x), candidate(x), atol=1e-6)


def compare_by_hand(drawn: Drawn) -> bool:
    """Do the same by hand."""
    both = drawn.kind.by_hand(drawn.i, drawn.o, drawn.k)
    with torch.no_grad():
        for parameter, pattern in zip(both.candidate.parameters(), (both.weight, both.bias), strict=True):
            source = both.reference.weight if pattern is both.weight else both.reference.bias
            assert isinstance(source, Tensor)
            parameter.copy_(_moved(source, pattern))
        x = torch.randn(drawn.kind.shape(drawn.i, drawn.k))
        return torch.allclose(both.reference(x), both.candidate(x), atol=1e-6)


def _moved(tensor: Tensor, pattern: str) -> Tensor:
    if pattern.startswith("o -> (o "):
        # A bias for every sub-pixel.
        return tensor.repeat_interleave(int(pattern[8:-1]))
    moved: Tensor = rearrange(tensor, pattern)
    return moved


class Round(NamedTuple):
    """Seconds of a round: wall time and processor time."""

    wall: float
    processor: float


def timed(work: Callable[[], object]) -> Round:
    """Take the time of a call."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Round(time.perf_counter() - wall, time.process_time() - processor)


BY_HAND, LOOP, PROVED = "by hand", "loop", "convcheck"


def measure(cases: int, rounds: int) -> dict[str, list[Round]]:
    """Return the rounds of both, which take turns; the first of each is not counted."""
    torch.set_num_threads(1)
    drawn = list(draw(cases))
    given = [case_of(number, one) for number, one in enumerate(drawn)]

    def by_hand() -> None:
        assert all(map(compare_by_hand, drawn))

    def loop() -> None:
        assert all(map(compare, given))

    def prove() -> None:
        assert run(list(claims_of(given))).ok

    taken: dict[str, list[Round]] = {BY_HAND: [], LOOP: [], PROVED: []}
    for turn in range(rounds + 1):
        for name, work in ((BY_HAND, by_hand), (LOOP, loop), (PROVED, prove)):
            one = timed(work)
            if turn:
                taken[name].append(one)
    return taken


def main() -> int:
    """Measure, print the table, and return 1 if all evidence takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="how many (1,000)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of both (7)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the table is printed (table)")
    parser.add_argument("--page", type=Path, help="a page between whose markers the table is written")
    options = parser.parse_args()
    taken = measure(options.cases, options.rounds)
    walls = {name: statistics.median(one.wall for one in rounds) for name, rounds in taken.items()}
    busy = {name: statistics.median(one.processor for one in rounds) for name, rounds in taken.items()}
    ratio = walls[PROVED] / walls[LOOP]
    head = ["cases", *(f"{name}, a case" for name in taken), "ratio to the loop", "of processor time", "to by hand"]
    each = [f"{1000 * seconds / options.cases:.2f} ms" for seconds in walls.values()]
    ratios = (ratio, busy[PROVED] / busy[LOOP], walls[PROVED] / walls[BY_HAND])
    rows = [[f"{options.cases:,}", *each, *(f"{one:.2f}" for one in ratios)]]
    print_table(Written(head, rows), options.format)
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    under = f"{versions}, one thread; medians of {options.rounds} rounds in turn."
    print(f"\n{under}\nallowed: {MOST:g}; too slow: {'yes' if ratio > MOST else 'no'}")
    if options.page:
        write_between(options.page, MARKERS, [*markdown(head, rows), "", under])
    return int(ratio > MOST)


def write_between(page: Path, markers: tuple[str, str], lines: list[str]) -> None:
    """Write lines anew between the markers of a page."""
    before, _, rest = page.read_text().partition(markers[0])
    _, _, after = rest.partition(markers[1])
    text = "\n".join(lines)
    page.write_text(f"{before}{markers[0]}\n\n{text}\n\n{markers[1]}{after}")


if __name__ == "__main__":
    sys.exit(main())
