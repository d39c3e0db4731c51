"""From the words on the command line to cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from convcheck.calculator.formulas import has_names, parse_formulas
from convcheck.cli import console
from convcheck.cli.target_files import config_files, saved_layers
from convcheck.errors import ConfigError, ConvcheckError, Fault, ShapeError, UsageError, escape_line, shown
from convcheck.layers import Layer, accept, parse_layer, parse_shape
from convcheck.layers.user_code import parse_user_code
from convcheck.sizes.patterns import Shapes

# A layer on the command line is answered at once; what only configs and rewrites need is imported where it is used.
if TYPE_CHECKING:
    from convcheck.catalogue.claims import Claim
    from convcheck.config.case import Case, CodeLoader, MapLoader
    from convcheck.config.input_specs import InputSpec
    from convcheck.layers.text.pasted import Pasted

T = TypeVar("T")

DEFAULT = "notebook.yaml"

STANDARD_INPUT = "-"


def shipped() -> Path:
    """Return the path of the config that ships: inside the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "configs" / DEFAULT
    return inside if inside.is_file() else package.parent / "configs" / DEFAULT


@dataclass(frozen=True)
class Targets:
    """What the words of the command line name: config files, and layers."""

    files: tuple[tuple[Path, str], ...]
    """Paths, with the names that messages show."""
    layers: tuple[Layer | Pasted, ...]

    def chain(self) -> tuple[tuple[Layer, ...], tuple[str | None, ...]]:
        """Return all layers in order, and their names, if any; print on standard error what is not known of them."""
        layers: list[Layer] = []
        names: list[str | None] = []
        for target in self.layers:
            if isinstance(target, Layer):
                layers.append(target)
                names.append(None)
                continue
            layers += target.layers
            names += target.names
        for note in self.notes:
            console.hint(note)
        return tuple(layers), tuple(names)

    @property
    def is_open(self) -> bool:
        """Whether some layers are of a print whose forward is not known, or cannot be read."""
        return any(not isinstance(target, Layer) and target.is_open for target in self.layers)

    @property
    def has_unread(self) -> bool:
        """Whether some layers of a print cannot be read."""
        return any(not isinstance(target, Layer) and target.faults for target in self.layers)

    def refuse_unread(self) -> None:
        """Say which layers of a print cannot be read. Raises UsageError where there are any."""
        faults = [fault for target in self.layers if not isinstance(target, Layer) for fault in target.faults]
        if faults:
            raise UsageError("\n".join(faults))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not known of the layers, such as how those of a printed model are connected."""
        notes = [[it.assumption()] if isinstance(it, Layer) else it.notes() for it in self.layers]
        return tuple(dict.fromkeys(note for group in notes for note in group if note))

    @property
    def count(self) -> int:
        """How many layers there are."""
        return sum(1 if isinstance(target, Layer) else len(target.layers) for target in self.layers)


def hint_shipped(words: Sequence[str] | None, done: str) -> None:
    """Print on standard error that the config that ships is taken, where no target is given."""
    if not words:
        shipping = f"the pairs that ship are {done}, those of configs/{DEFAULT}"
        console.hint(f"no target given, so {shipping}; name a layer or a config of your own")


def parse_targets(words: Sequence[str] | None, load_code: CodeLoader | None = None) -> Targets:
    """Tell files, folders and layers apart; code is a layer that `load_code` makes, and is refused where there is none.

    Raises:
        UsageError: some words are none of these; with a line for each of them.
    """
    if not words:
        return Targets(((shipped(), f"configs/{DEFAULT}"),), ())
    files: dict[Path, str] = {}
    layers: list[Layer | Pasted] = []
    faults: list[str] = []
    for word in words:
        try:
            if word == STANDARD_INPUT:
                if words.count(word) > 1:
                    raise UsageError("standard input, -, can be read only once")
                from convcheck.cli import stdin

                layers.append(stdin.read_pasted())
                continue
            if code := parse_user_code(word):
                from convcheck.config.case import UNTRUSTED

                layers.append((load_code or UNTRUSTED)(code))
                continue
            if (saved := saved_layers(word)) is not None:
                layers.append(saved)
                continue
            configs = config_files(word)
            files.update(configs)
            if not configs:
                layers.append(parse_layer(word))
        except ConvcheckError as error:
            faults.append(str(error))
    if faults:
        raise UsageError("\n".join(dict.fromkeys(faults)))
    return Targets(tuple(files.items()), tuple(layers))


def read_cases(
    files: Sequence[tuple[Path, str]], load_code: CodeLoader | None = None, load_map: MapLoader | None = None
) -> list[Case]:
    """Read all files, and report the faults of all of them together; code in them is refused without `load_code`."""
    from convcheck.catalogue.catalogue import vocabulary
    from convcheck.checkpoints.held import with_checkpoints
    from convcheck.config.load import load

    words = replace(vocabulary(), load_weights=with_checkpoints)
    words = replace(words, load_code=load_code or words.load_code, load_map=load_map or words.load_map)
    cases: list[Case] = []
    faults: list[Fault] = []
    for path, name in files:
        try:
            # A command without a target reads the config that ships.
            read = load(path, name, words)
            cases += [replace(case, config="") for case in read] if path == shipped() else read
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(faults)
    return cases


def parse_inputs(inputs: Sequence[str] | None, *, names: bool = False) -> Shapes | None:
    """Read the shapes given with -i, one for every input of a layer; with `names`, they may stand for lengths."""
    if not inputs:
        return None
    return tuple(parse_formulas(text) if names and has_names(text) else parse_shape(text) for text in inputs)


def layer_case(layer: Layer, shapes: Shapes | None, specs: tuple[InputSpec, ...] = ()) -> Case:
    """Make a case of a layer from the command line, with `specs` where a side is code.

    Raises:
        ShapeError: the layer cannot take inputs of these shapes.
    """
    from convcheck.config.case import Case

    case = Case(name=layer.label(), layer=layer, inputs=shapes or layer.example_inputs(), input_specs=specs)
    if layer.IS_USER_CODE:
        return case
    try:
        accept(layer, case.inputs)
    except ShapeError as error:
        raise ShapeError(f"{layer}: {error}") from None
    return case


def cases_of(
    targets: Targets,
    inputs: Sequence[str] | None,
    load_code: CodeLoader | None = None,
    load_map: MapLoader | None = None,
    *,
    has_code: bool = False,
) -> list[Case]:
    """Return the cases of targets, configs first; `has_code` says that a side on the command line is code.

    Raises:
        ConvcheckError: one is no case by itself, as a model's print is none, or cannot take the input.
    """
    specs = _parse_specs(inputs, has_code=has_code)
    shapes = tuple(spec.shape for spec in specs) or None
    if shapes is not None and not targets.layers:
        raise UsageError("-i is the input of a layer on the command line; a config brings its own")
    cases = read_cases(targets.files, load_code, load_map) if targets.files else []
    layers = [target if isinstance(target, Layer) else target.as_layer() for target in targets.layers]
    return cases + [layer_case(layer, shapes, specs if has_code else ()) for layer in layers]


def _parse_specs(inputs: Sequence[str] | None, *, has_code: bool) -> tuple[InputSpec, ...]:
    """Read the inputs given with -i, one for every input. Raises UsageError where only code could take one."""
    from convcheck.config.input_specs import needless, parse_specs

    specs = parse_specs(list(inputs)) if inputs else ()
    if has_code and not specs:
        raise UsageError(
            "code does not say what it takes; add -i with the shape of every input, such as -i 1,3,224,224"
        )
    if faults := [] if has_code else [f"-i {text}" for _, text in needless(specs, None, train=False)]:
        raise UsageError("\n".join(faults))
    return specs


def check_provable(cases: Sequence[Case]) -> None:
    """Check that something can be proved of all layers of cases. Raises UsageError where not."""
    from convcheck.catalogue import claims

    claims.check_provable(cases)


def choose_claims(cases: Sequence[Case], rewrites: Sequence[str] | None, expression: str | None) -> list[Claim]:
    """Return the claims to look at: with the rewrites asked for, and named as `-k` asks.

    Raises:
        UsageError: an unknown rewrite, an expression that cannot be read, or nothing left.
    """
    from convcheck.catalogue.catalogue import find
    from convcheck.catalogue.claims import claims_of
    from convcheck.config.collection import without_collection

    if rewrites:
        for name in rewrites:
            find(name)
        cases = [replace(case, rewrites=tuple(dict.fromkeys(rewrites))) for case in cases]
    with without_collection():
        claims = list(claims_of(cases))
    return choose(claims, expression, lambda claim: claim.id)


def choose(items: Sequence[T], expression: str | None, name: Callable[[T], str]) -> list[T]:
    """Return the items whose name matches as `-k` asks; as in pytest, an empty expression chooses all.

    Raises:
        UsageError: the expression cannot be read, or nothing is left.
    """
    if not expression:
        return list(items)
    from convcheck.config.selection import matcher

    matches = matcher(expression)
    selected = [item for item in items if matches(name(item))]
    if not selected:
        names = ", ".join(escape_line(name(item)) for item in items[:8]) + (", ..." if len(items) > 8 else "")
        raise UsageError(f"-k {shown(expression)} selects nothing; there are: {names}")
    return selected
