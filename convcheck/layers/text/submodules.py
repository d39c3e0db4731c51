"""Modules that hold others, and what is known of those that print arguments of their own as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from convcheck.errors import LayerError, cut
from convcheck.layers.families import kind_names
from convcheck.layers.text.call import Call, read_call

# timm.layers.norm_act: a BatchNorm2d by its arguments, and on what it gives, its submodules in this order.
_FOLLOWED: Mapping[str, tuple[str, tuple[str, ...]]] = {"BatchNormAct2d": ("BatchNorm2d", ("drop", "act"))}


def submodules(values: Sequence[object]) -> Iterator[tuple[str | None, Call]]:
    """Yield the layers among the arguments of a call, each with its name, if it has one."""
    for value in values:
        if isinstance(value, Call):
            yield None, value
        elif isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[1], Call):
            yield str(value[0]), value[1]
        elif isinstance(value, (list, tuple)):
            yield from submodules(value)


def in_a_row(call: Call) -> list[tuple[str, Call]] | None:
    """Return the layers that a module with arguments and submodules amounts to, by name; None if it has not both.

    Its own layer comes first, and has no name.

    Raises:
        LayerError: it is of a class that is not known, so that neither its arguments nor its submodules say what it is.
    """
    if call.kind in kind_names() and not call.words:
        # Its arguments are those of torch, and layers among them are read as such.
        return None
    inner = list(submodules(call.positional))
    arguments = _arguments(call)
    if not arguments or not (inner or call.words):
        return None
    kind, names = _FOLLOWED.get(call.kind, ("", ()))
    if kind and call.words and [name for name, _ in inner] in (list(names), list(names[1:])):
        layer = read_call(f"{kind}({call.words})", kind_names())
        return [("", layer), *((str(name), submodule) for name, submodule in inner)]
    raise LayerError(
        f"has arguments of its own, {cut(arguments)!r}, besides its layers, and what it makes of both cannot be seen; "
        "write the layers that it amounts to in its place, or leave these arguments out if they only describe it",
        kind=call.kind,
    )


def _arguments(call: Call) -> str:
    """Return what stands in a call beside the layers that it holds."""
    rest = [str(value) for value in call.positional if not any(submodules([value]))]
    return call.words or ", ".join([*rest, *(f"{name}={value}" for name, value in call.named.items())])
