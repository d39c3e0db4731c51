"""A first config, with comments that explain it: of the pairs that ship, of a layer, or around cases of a model."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from convcheck.config.config_files import SCHEMA_FILE
from convcheck.errors import escape_line

if TYPE_CHECKING:
    from convcheck.catalogue.facts import Offer
    from convcheck.config.case import Case

EXAMPLES = """\
# What stands here holds for every case that does not say otherwise.
defaults:
  dtype: float32 # or float64, bfloat16, float16: the error in it is held against a bound that is derived

cases:
  # A layer, as print(model) shows it or as code calls it, and a rewrite that is claimed to compute the same.
  - name: notebook-down # what reports call it, and what -k chooses by
    layer: Conv3d(48, 128, kernel_size=(1, 2, 2), stride=(1, 2, 2), bias=False)
    input: [4, 48, 3, 10, 12] # batch, channels, and the axes of space
    rewrite: patchify-conv1x1 # one, a list, or all, which hold for the layer; convcheck rewrites lists them
    expect: {output: [4, 128, 3, 5, 6], params: 24576} # is compared besides; it may be left out

  - name: notebook-up
    layer: ConvTranspose3d(128, 48, kernel_size=(1, 2, 2), stride=(1, 2, 2), bias=False)
    input: [4, 128, 3, 5, 6]
    rewrite: conv1x1-unpatchify
    expect: {output: [4, 48, 3, 10, 12], params: 24576}

  # A layout of the weights that is your own, put to the test. This one has the axes of a patch in a wrong order, and is
  # expected to be found out: without `expect`, what is expected is `verdict: equal`, and the run would fail.
  - name: wrong-on-purpose
    layer: Conv2d(3, 64, kernel_size=4, stride=4)
    input: [1, 3, 32, 32]
    rewrite: patchify-linear
    transplant: {weight: "o i kh kw -> o (kh kw i)"} # "o i kh kw -> o (i kh kw)" would be right
    expect: {verdict: different} # or refused, where a rewrite must not hold

  # Every combination is a case.
  - name: patches-of-{p}-{dtype}
    layer: Conv2d(3, 64, kernel_size={p}, stride={p})
    input: [1, 3, 32, 32]
    rewrite: patchify-linear
    matrix: {p: [4, 8], dtype: [float32, bfloat16]}
"""


def head(file: str, *, has_schema: bool) -> Iterator[str]:
    """Yield the first lines; an editor is referred to the schema where that lies beside the config."""
    line = f"# yaml-language-server: $schema={SCHEMA_FILE}"
    if has_schema:
        yield line
    yield f"# convcheck verify {escape_line(file)}"
    if not has_schema:
        yield f"# An editor completes and checks it after `convcheck schema > {SCHEMA_FILE}`, if it begins with"
        yield f"#   {line}"


def of_layer(case: Case, offers: Iterable[Offer], costly: Mapping[str, int]) -> Iterator[str]:
    """Yield a case of a layer with the rewrites that hold, and in comments the others, and why.

    `costly` are those that hold and take so many times as long as the layer.
    """
    offers = list(offers)
    inputs = [list(shape) for shape in case.inputs]
    yield "cases:"
    yield f"  - name: {json.dumps(case.name)} # what reports call it, and what -k chooses by"
    yield f"    layer: {json.dumps(str(case.layer))}"
    yield f"    input: {inputs[0] if len(inputs) == 1 else inputs} # batch, channels, and the axes of space"
    yield "    dtype: float32 # or float64, bfloat16, float16: the error in it is held against a bound that is derived"
    output = list(case.layer.output_shape(*case.inputs))
    yield f"    expect: {{output: {output}}} # is compared besides; it may be left out"
    yield "    rewrite: # those that hold for this layer; without this key, all that do"
    for offer in offers:
        if offer.holds and offer.rewrite not in costly:
            yield f"      - {offer.rewrite} # {escape_line(offer.brief)}"
    slow = [f"{name} # holds, and takes {times:,} times as much work as the layer" for name, times in costly.items()]
    yield from _left_out("Too slow to be tried unasked:", slow)
    others = [f"{offer.rewrite} # {escape_line(offer.brief)}" for offer in offers if offer.fits and not offer.holds]
    yield from _left_out("Refused, and why:", others)
    foreign = ", ".join(offer.rewrite for offer in offers if not offer.fits)
    if foreign:
        yield "      # For other kinds of layers:"
        indent = "      # "
        yield from textwrap.wrap(foreign, 110, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _left_out(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"      # {title}"
        yield from (f"      # - {line}" for line in lines)
