"""Writes the command line that repeats one result, or the call where no command can."""

from __future__ import annotations

import shlex
from pathlib import Path

from convcheck.catalogue.claims import NONE_APPLIES, Claim
from convcheck.config.case import Case, Expect, WeightFile
from convcheck.config.checks import PROOF_SECONDS
from convcheck.config.selection import quoted
from convcheck.layers import write_shapes
from convcheck.proof.real_weights import SAVED, ModuleTensors


def command(claim: Claim) -> str:
    """Return a command that verifies this claim alone.

    Where options can express the claim, the command has options only and runs from any folder. A claim with an order,
    transplant, weights, tolerance or expectation names its config, or calls Python if it came from there. It reads a
    module's weights from a file, which is the user's to write; without the file it fails. Of objects of the user's
    program it is the call, to be made where they are.
    """
    case = claim.case
    if case.objects:
        return _call(claim)
    options = ["-r", claim.name] if claim.name != NONE_APPLIES and case.candidate is None else []
    options += ["--dtype", case.dtype, "--seed", str(case.seed)]
    if case.device != "cpu" or case.config is not None:
        # A config may name another device than the one that an option chose.
        options += ["--device", case.device]
    if case.strict:
        options += ["--strict"]
    if case.all_sizes:
        options += ["--all-sizes"]
        options += [f"--proof-seconds={case.proof_seconds!r}"] if case.proof_seconds != PROOF_SECONDS else []
    if case.has_code:
        options += [*([] if case.select is None else [f"--select={case.select}"]), *(["--train"] if case.train else [])]
        options += ["--own-weights"] if case.held is not None and case.held_in is None else []
    if case.held_in is not None and case.config is None:
        options += ["--weights", case.held_in.reference, case.held_in.candidate]
    if case.has_code or (case.candidate is not None and case.candidate.map_by is not None):
        options += ["--trust"]
    # What code draws for itself depends on how its path is written, which starts at the config.
    elsewhere = case.has_code and case.config and Path(case.config).parent != Path()
    by_options = (case.held_in is None or case.config is None) and not elsewhere
    others = case.order or case.transplant or _written_weights(case) or case.tolerance or case.expect != Expect()
    if by_options and not others:
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
    if own.map_by is not None and own.solved:
        return ["--candidate", str(own.layer), *layout]
    if own.map_by is not None:
        return ["--candidate", str(own.layer), "--map-by", own.map_by.name, *layout]
    maps = [word for name, source in own.map.items() for word in ("--map", f"{name}={source}")]
    return ["--candidate", str(own.layer), *maps, *layout]


def _python(claim: Claim) -> str:
    return f"import convcheck; print({_call(claim)})"


def _call(claim: Claim) -> str:
    """Return the call in Python; objects stand in it as what they are, such as `Block(...)`, without quotes."""
    case = claim.case
    arguments: dict[str, object] = {"dtype": case.dtype, "device": case.device, "seed": case.seed}
    if case.order:
        arguments["order"] = " ".join(case.order)
    if case.transplant:
        arguments["transplant"] = {name: str(relayout) for name, relayout in case.transplant.items()}
    if case.tolerance:
        arguments["tolerance"] = {"atol": case.tolerance.atol, "rtol": case.tolerance.rtol}
    if case.held_in is not None:
        arguments["weights"] = {"reference": case.held_in.reference, "candidate": case.held_in.candidate}
    elif case.held is not None:
        arguments["weights"] = "own"
    elif not case.objects and (weights := _written_weights(case)):
        arguments["weights"] = weights
    if case.strict:
        arguments["strict"] = True
    if case.all_sizes:
        arguments["all_sizes"] = True
        arguments |= {"proof_seconds": case.proof_seconds} if case.proof_seconds != PROOF_SECONDS else {}
    if case.has_code:
        arguments |= {"select": case.select, "train": case.train, "trust": _needs_trust(case)}
    if case.candidate is None:
        arguments = {"rewrite": claim.name, **arguments}
    else:
        own = case.candidate
        arguments["map"] = {name: str(source) for name, source in own.map.items()}
        arguments["layout"] = None if own.layout is None else str(own.layout)
    written = [f"{name}={value!r}" for name, value in arguments.items() if value or name == "seed"]
    sides = {"reference": str(case.layer)}
    if case.candidate is not None:
        sides["candidate"] = str(case.candidate.layer)
        written[:0] = [] if case.candidate.map_by is None else [f"map_by={case.candidate.map_by}"]
    shown = {name: text if name in case.objects else repr(text) for name, text in sides.items()}
    written[:0] = [f"candidate={shown['candidate']}"] if "candidate" in shown else []
    return f"convcheck.verify({shown['reference']}, {_input(case)}, {', '.join(written)})"


def _needs_trust(case: Case) -> bool:
    sides = {"reference": case.layer} | ({} if case.candidate is None else {"candidate": case.candidate.layer})
    return any(layer.IS_USER_CODE and name not in case.objects for name, layer in sides.items())


def _written_weights(case: Case) -> dict[str, str]:
    """Return the case's weights as the argument `weights`; empty where they are drawn."""
    weights = case.weights
    if isinstance(weights, WeightFile):
        return {"file": weights.path, **weights.keys}
    if isinstance(weights, ModuleTensors) and weights.tensors:
        return {"file": SAVED, **{name: name for name in weights.tensors}}
    return {}


def _input(case: Case) -> list[object]:
    specs = list(map(str, case.input_specs))
    if specs != [",".join(map(str, shape)) for shape in case.inputs] and specs:
        return [*specs]
    shapes = case.inputs
    return list(shapes[0]) if len(shapes) == 1 else [list(shape) for shape in shapes]
