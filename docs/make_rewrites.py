"""The pages of docs/rewrites/: what every rewrite of the catalogue claims, why, as code, and what it costs.

    python -m docs.make_rewrites
    python -m docs.make_rewrites --pictures     # draws the pictures anew as well, which takes matplotlib

All that is said comes from the rewrite's own file, from the table in docs/all-sizes.md, and from configs/field.yaml.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

from convcheck.catalogue.applicability import facts
from convcheck.catalogue.catalogue import catalogue, vocabulary
from convcheck.catalogue.claims import claims_of
from convcheck.catalogue.facts import RewriteFacts
from convcheck.config.load import load
from convcheck.layers import Layer, parse_layer
from convcheck.rewriting.rewrite import parameter_count

TOP = Path(__file__).resolve().parents[1]
FOLDER = TOP / "docs" / "rewrites"
INDEX = "README.md"
PICTURES = "pictures"

LAYERS = {
    "Conv": "y[o, n] = b[o] + sum over i, k of W[o, i, k] * x[i, s*n + d*k - p]",
    "ConvTranspose": "y[o, m] = b[o] + sum over i, n, k with s*n + d*k - p = m of W[i, o, k] * x[i, n]",
    "Linear": "y[n, o] = b[o] + sum over i of W[o, i] * x[n, i]",
    "Patchify": "y[n, o] = b[o] + sum over i, k of W[o, i, k] * x[s*n + k, i]",
    "Unpatchify": "y[m, o] = b[o] + sum over i, n, k with s*n + k = m of W[i, o, k] * x[n, i]",
}
"""What a layer computes, along every axis: the letters that the rewrites' formulas take up."""

LETTERS = "with stride s, dilation d, padding p, taps k, input channels i and output channels o"

HEAD = """\
# The catalogue of rewrites

A rewrite is a claim: this layer, with these settings, computes the same as that module, if its weights are laid out so.
`convcheck verify LAYER -i SHAPE -r NAME` proves it for a layer of yours. `convcheck rewrites LAYER` says which hold
for it, and why the others do not. `convcheck rewrites NAME LAYER > new.py` prints the code for this very
layer: it imports torch and einops only, and converts state dicts, back, too, where the mapping is one-to-one.

[configs/field.yaml](../../configs/field.yaml) proves them on layers of some thirty well-known models, and
[configs/seeds.yaml](../../configs/seeds.yaml) on convolutions, reshapes, matrix products and attention from scratch.

A star marks a mapping that is not one-to-one: training would let the copies or zeros of a weight drift apart.
"""


def pages() -> dict[str, str]:
    """Return all pages by the names of their files."""
    described = [facts(name) for name in catalogue()]
    return {INDEX: index(described), **{f"{one.name}.md": page(one) for one in described}}


def index(described: Sequence[RewriteFacts]) -> str:
    """Return the page that leads to all others."""
    lines = [HEAD]
    for reference, group in groupby(
        sorted(described, key=lambda one: (one.reference, one.name)), lambda one: one.reference
    ):
        lines += [f"## {reference}\n", "| rewrite | what it builds |", "|---|---|"]
        lines += [f"| [{one.name}]({one.name}.md){'' if one.one_to_one else ' *'} | {one.summary} |" for one in group]
        lines.append("")
    return "\n".join(lines)


def page(one: RewriteFacts) -> str:
    """Return the page of one rewrite."""
    rewrite = catalogue()[one.name]
    example = parse_layer(rewrite.example)
    shapes = rewrite.example_inputs or example.example_inputs()
    other = parameter_count(rewrite.transplant(example, shapes).shapes())
    parts = [
        f"# {one.name}",
        paragraph(one.claim),
        "\n".join(summary(one)),
        "## Why it holds",
        "\n".join(derivation(one, example)),
        "## Picture",
        f"![Where the entries of a small input, weight and output lie on both sides]({PICTURES}/{one.name}.png)",
        paragraph(
            f"Equal numbers are the same entry; colours are the patches or phases. `convcheck rewrites {one.name} "
            "--figure pictures` draws it."
        ),
        "## Pattern",
        "How the weights of the example move:",
        block("text", "\n".join(one.weights) or "there are no weights"),
        paragraph(f"A patch lies in the order `{one.order}`, or in any other: `order` in a config.")
        if one.order
        else "",
        paragraph(f"Not one-to-one: {one.training}.") if one.training else "",
        "## Code",
        block("sh", f"convcheck rewrites {one.name} {quoted(one.example)}"),
        block("python", one.code.rstrip()),
        "## Cost",
        "\n".join(
            [
                "| of the example | layer | rewrite |",
                "|---|---:|---:|",
                f"| parameters | {example.parameter_count():,} | {other:,} |",
                f"| MACs | {example.macs(*shapes):,} | {rewrite.macs(example, *shapes):,} |",
            ]
        ),
        paragraph(f"What it saves beside: {rewrite.saving}.") if rewrite.saving else "",
        "[bench](../bench.md) measures what that is worth on your machine.",
        "## All sizes",
        paragraph(all_sizes(one.name)),
        "## Who has such layers",
        "\n".join(users(one.name)),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def summary(one: RewriteFacts) -> Iterator[str]:
    """Yield what it takes, as a list."""
    yield f"- takes: {escaped(one.reference)}"
    yield f"- builds: {escaped(one.summary)}"
    yield from item(f"- holds when: {escaped(one.holds_when)}")
    yield from item(f"- stated in: {escaped(one.source)}")


def derivation(one: RewriteFacts, example: Layer) -> Iterator[str]:
    """Yield the layer's formula, where it has one, then that of the rewrite, and how one becomes the other."""
    formulas = [text for name, text in LAYERS.items() if re.fullmatch(rf"{name}(\dd)?", example.kind)]
    if formulas:
        yield paragraph(f"The layer computes, along every axis, {LETTERS}:") + "\n"
        yield block("text", *formulas) + "\n"
        yield "The rewrite computes\n"
    yield block("text", "\n".join(textwrap.wrap(one.formula, 110, break_on_hyphens=False))) + "\n"
    yield paragraph(escaped(one.derivation))


def all_sizes(name: str) -> str:
    """Return what the table of docs/all-sizes.md says of a rewrite."""
    text = (TOP / "docs" / "all-sizes.md").read_text("utf-8").partition("<!-- all-sizes-table -->")[2]
    (row,) = re.findall(rf"^\| {name} \| (.*) \|$", text.partition("<!-- /")[0], re.MULTILINE)
    status, sizes, obstacle = row.split(" | ")[:3]
    table = "[the table](../all-sizes.md#the-catalogue)"
    if status == "proved":
        more = f" ({obstacle})" if obstacle != "-" else ""
        return f"`--all-sizes` proves the example for `{sizes}`{more}: {table} says it of every rewrite."
    return f"`--all-sizes` says `{status}` of the example: {escaped(obstacle)}. {table} says it of every rewrite."


def users(name: str) -> Iterator[str]:
    """Yield layers of well-known models for which it holds, and which it is worth a proof for."""
    shown = known_layers().get(name, {})
    if not shown:
        yield "None of [configs/field.yaml](../../configs/field.yaml), which has the layers of well-known models."
        return
    yield "Layers of well-known models in [configs/field.yaml](../../configs/field.yaml), which proves it on them:\n"
    yield from (f"- `{case}`: `{layer}`" for case, layer in shown.items())


@cache
def known_layers() -> Mapping[str, Mapping[str, str]]:
    """Return by rewrite the cases of configs/field.yaml that it is proved on, and their layers."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for claim in claims_of(load(TOP / "configs" / "field.yaml", "field.yaml", vocabulary())):
        if claim.rewrite and not claim.refusals:
            found[claim.name][claim.case.name] = str(claim.case.layer)
    return found


def escaped(text: str) -> str:
    """Return a text in which nothing is markup."""
    return text.replace("*", r"\*").replace("<", "&lt;")


def paragraph(text: str) -> str:
    """Return a text in lines of a readable width."""
    return "\n".join(textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False))


def item(text: str) -> Iterator[str]:
    """Yield the lines of an item of a list."""
    yield from textwrap.wrap(text, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def block(language: str, text: str) -> str:
    """Return a block of code."""
    return f"```{language}\n{text}\n```"


def quoted(example: str) -> str:
    """Return a layer and its inputs as words of a command."""
    layer, inputs, shapes = example.partition(" -i ")
    return f'"{layer}"{inputs}{shapes}'


def draw() -> None:
    """Draw all pictures, and remove those of rewrites that are gone."""
    from convcheck.cli.rewrite_figures import draw_rewrite

    folder = FOLDER / PICTURES
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name in catalogue():
        draw_rewrite(name, folder / f"{name}.png")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write all pages, and remove those of rewrites that are gone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", action="store_true", help="draw the pictures, too")
    asked = parser.parse_args(arguments)
    made = pages()
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    if asked.pictures:
        draw()
    sys.stdout.write(f"{len(made)} pages in {FOLDER.relative_to(TOP)}\n")


if __name__ == "__main__":
    main()
