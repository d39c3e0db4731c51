"""Writes the command line that repeats one result, or the call where no command can."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from convcheck.catalogue.claims import NONE_APPLIES, Claim
from convcheck.config.case import Case, Expect, WeightFile
from convcheck.config.selection import quoted
from convcheck.layers import Layer, write_shapes
from convcheck.proof.real_weights import SAVED, ModuleTensors

_USUAL: Mapping[str, object] = {"dtype": "float32", "device": "cpu", "seed": 0}


def command(claim: Claim) -> str:
    """Return a command that verifies this claim alone.

    Where options can express the claim, the command has options only and runs from any folder. A claim with an order,
    transplant, weights, tolerance or expectation names its config, or calls Python if it came from there. It reads a
    module's weights from a file, which is the user's to write; without the file it fails. A candidate, or a map, that
    is an object of a Python program is in no command; then the line says which call of that program repeats it.
    """
    case = claim.case
    if _is_in_program(case):
        return f"in the program that has these modules: {_call(claim)}"
    options = ["-r", claim.name] if claim.name != NONE_APPLIES and case.candidate is None else []
    options += ["--dtype", case.dtype, "--seed", str(case.seed)]
    if case.device != "cpu" or case.config is not None:
        # A config may name another device than the one that an option chose.
        options += ["--device", case.device]
    if case.strict:
        options += ["--strict"]
    if case.has_code:
        options += [*([] if case.select is None else [f"--select={case.select}"]), *(["--train"] if case.train else [])]
    if case.held is not None:
        options += ["--own-weights"]
    if case.has_code or (case.candidate is not None and case.candidate.map_by is not None):
        options += ["--trust"]
    if not (case.order or case.transplant or _written_weights(case) or case.tolerance or case.expect != Expect()):
        sides = [str(case.layer), *_candidate_options(case)]
        return shlex.join(["convcheck", "verify", *sides, *_inputs(case), *options])
    if case.config is None:
        return shlex.join(["python", "-c", _python(claim)])
    config = [case.config] if case.config else []
    return shlex.join(["convcheck", "verify", *config, "-k", quoted(case.name), *options])


def _inputs(case: Case) -> list[str]:
    if not case.has_code:
        return write_shapes(case.inputs).split()
    return [word for spec in case.input_specs for word in ("-i", str(spec))]


def _candidate_options(case: Case) -> list[str]:
    own = case.candidate
    if own is None:
        return []
    layout = [] if own.layout is None else ["--layout", str(own.layout)]
    if own.map_by is not None:
        return ["--candidate", str(own.layer), "--map-by", own.map_by.name, *layout]
    maps = [word for name, source in own.map.items() for word in ("--map", f"{name}={source}")]
    return ["--candidate", str(own.layer), *maps, *layout]


def _python(claim: Claim) -> str:
    return f"import convcheck; print({_call(claim)})"


def _is_in_program(case: Case) -> bool:
    """Tell whether a side beside a candidate, or the map, is an object of Python that no text names."""
    own = case.candidate
    if own is None:
        return False
    held = case.held is not None and isinstance(case.weights, ModuleTensors)
    by_object = own.map_by is not None and not own.map_by.named
    return held or by_object or any(_is_object(layer) for layer in (case.layer, own.layer))


def _is_object(layer: Layer) -> bool:
    if not layer.IS_USER_CODE:
        return False
    from convcheck.user_code.user_module import UserModule

    return isinstance(layer, UserModule) and not layer.named


def _needs_trust(case: Case) -> bool:
    sides = (case.layer,) if case.candidate is None else (case.layer, case.candidate.layer)
    return any(layer.IS_USER_CODE and not _is_object(layer) for layer in sides)


class _Name(str):
    """A text that is written without quotes."""

    __repr__ = str.__str__


def _call(claim: Claim) -> str:
    """Return the call of Python; what is an object there is called `reference`, `candidate` and by its name."""
    case = claim.case
    arguments: dict[str, object] = {"dtype": case.dtype, "device": case.device, "seed": case.seed}
    if case.order:
        arguments["order"] = " ".join(case.order)
    if case.transplant:
        arguments["transplant"] = {name: str(relayout) for name, relayout in case.transplant.items()}
    if case.tolerance:
        arguments["tolerance"] = {"atol": case.tolerance.atol, "rtol": case.tolerance.rtol}
    if (weights := _written_weights(case)) and not _is_in_program(case):
        arguments["weights"] = weights
    if case.strict:
        arguments["strict"] = True
    if case.held is not None:
        arguments["weights"] = "own"
    if case.has_code:
        arguments |= {"select": case.select, "train": case.train, "trust": _needs_trust(case)}
    if case.candidate is None:
        arguments = {"rewrite": claim.name, **arguments}
    else:
        own = case.candidate
        arguments["candidate"] = _Name("candidate") if _is_object(own.layer) else str(own.layer)
        if own.map_by is not None:
            arguments["map_by"] = _Name(own.map_by)
        arguments |= {
            "map": {name: str(source) for name, source in own.map.items()} or None,
            "layout": None if own.layout is None else str(own.layout),
        }
    if in_program := _is_in_program(case):
        arguments = {name: value for name, value in arguments.items() if value not in (None, False, _USUAL.get(name))}
    is_object = _is_object(case.layer) or (in_program and isinstance(case.weights, ModuleTensors))
    layer = "reference" if is_object else repr(str(case.layer))
    written = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return f"convcheck.verify({layer}, {_input(case)}, {written})"


def _written_weights(case: Case) -> dict[str, str]:
    """Return the case's weights as the argument `weights`; empty where they are drawn."""
    weights = case.weights
    if isinstance(weights, WeightFile):
        return {"file": weights.path, **weights.keys}
    if isinstance(weights, ModuleTensors) and weights.tensors:
        return {"file": SAVED, **{name: name for name in weights.tensors}}
    return {}


def _input(case: Case) -> list[object]:
    if not all(spec.is_plain for spec in case.input_specs):
        return list(map(str, case.input_specs))
    shapes = case.inputs
    return list(shapes[0]) if len(shapes) == 1 else [list(shape) for shape in shapes]
