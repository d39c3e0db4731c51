"""Changes of a config, told apart beforehand: faults of its structure, faults of what is in its texts, and none.

Structural is what can be seen from keys and from single values alone: unknown and missing keys, wrong types, words that
are none of a few, numbers out of range, lists that must not be empty. Everything else hangs on what a text says or on
two values at once, which no JSON Schema can see. Each change is made so that it always is what its table says.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

Config = dict[str, Any]
# Not every change has something to choose.
# ruff: noqa: ARG001

Change = Callable[[Random, Config], None]

WRONG: dict[str, list[Any]] = {
    "name": [5, 1.5, True, [], ["a"], {}, "", "x" * 201],
    "layer": [5, None, True, [], ["ReLU()"], {}, {"op": 5}, {"op": "Conv9d"}],
    "input": [5, True, {}, [], [0], [-1], [1.5], ["a"], [True], [None], [[]], [[[1, 3]]], [2**63], "big", [1] * 65],
    "rewrite": [5, None, True, {}, [], [5], [None], "none", ["none"], ["all", "fft"], ["fft", "fft"]],
    "order": [5, True, [], ["i"], {}],
    "transplant": [5, None, True, [], "o i -> o i", {"weight": 5}, {"weight": None}, {"weight": ["o i -> o i"]}],
    "weights": [5, True, [], "w.safetensors", {"file": 5}, {"file": "w.bin", "weight": "w"}, {"weight": "w"}],
    "dtype": [32, None, True, [], {}, "float31", ["float32"], "Float32"],
    "device": [0, None, True, [], {}, "gpu", "cuda:", "cuda:x", " cpu", ["cpu"]],
    "seed": [-1, 1.5, None, True, [], {}, "0", 2**63, [0]],
    "select": [1.5, True, [], {}, "", [0]],
    "train": [5, None, [], {}, "yes", 1],
    "sizes": [5, True, [], {}, "none", ["all"], "All"],
    "tolerance": [5, 1e-6, None, True, [], "none", {"atol": -1}, {"atol": "1e-6"}, {"rtol": None}, {"atol": [1]}],
    "expect": [5, None, True, [], "equal", {"verdict": "same"}, {"verdict": None}, {"output": [0]}, {"output": 5},
               {"sizes": "not-asked"}, {"sizes": 5}, {"sizes": ["proved"]},
               {"params": -1}, {"params": 1.5}, {"params": "5"}, {"params": {"reference": -1}}, {"params": []}],
    "matrix": [5, True, [], "p", {"seed": []}, {"seed": 5}, {"seed": {}}, {"seed": [-1]}, {"dtype": ["float31"]}],
}  # fmt: skip
"""By key, values of a type that it cannot have, or out of its range."""

SWAPS = [("layer", "input"), ("name", "expect"), ("rewrite", "seed"), ("dtype", "rewrite"), ("seed", "dtype"),
         ("input", "seed"), ("tolerance", "name"), ("device", "expect")]  # fmt: skip


def case_of(random: Random, config: Config) -> Config:
    """Return one of the cases, with each of some keys, so that there is something to be changed."""
    case: Config = random.choice(config["cases"])
    for key, value in {"name": f"n{random.random()}", "rewrite": "all", "dtype": "float32", "seed": 0}.items():
        case.setdefault(key, value)
    for key, value in {"tolerance": "auto", "device": "cpu", "expect": {}}.items():
        case.setdefault(key, value)
    case.setdefault("input", [2, 3])
    return case


def put(random: Random, case: Config, key: str, value: Any) -> None:
    """Set a key of a case, and take it out of what would set it besides."""
    case[key] = value
    if key != "matrix":
        case.get("matrix", {}).pop(key, None)


def misspelt(random: Random, word: str) -> str:
    """Return a word with a letter doubled, left out or appended; it is never another key."""
    at = random.randrange(len(word))
    return random.choice(
        [word[:at] + word[at] + word[at:], word[:at] + word[at + 1 :] + "_", word + "s_", word.upper()]
    )


def unknown_key(random: Random, config: Config) -> None:
    case = case_of(random, config)
    case["expect"] = {**case["expect"], "params": {"reference": 1}}
    case["tolerance"] = {"atol": 1e-6}
    places: list[Config] = [config, case, case["expect"], case["expect"]["params"], case["tolerance"]]
    place = random.choice([*places, config.setdefault("defaults", {"seed": 0})])
    place[misspelt(random, random.choice(list(place)))] = random.choice([1, "x", None, [], {}])


def renamed_key(random: Random, config: Config) -> None:
    case = case_of(random, config)
    key = random.choice([key for key in case if key != "matrix"])
    case[misspelt(random, key)] = case.pop(key)


def unknown_argument(random: Random, config: Config) -> None:
    case_of(random, config)["layer"] = {"op": "Linear", "in_features": 2, "out_features": 3, "in_chanels": 4}


def layer_key(case: Config) -> str:
    """Return what a case calls its layer: the reference, beside a candidate."""
    return "layer" if "layer" in case else "reference"


def missing_key(random: Random, config: Config) -> None:
    if random.random() < 0.3:
        config.pop("cases")
    else:
        case = case_of(random, config)
        case.pop(layer_key(case))


def missing_argument(random: Random, config: Config) -> None:
    layer = {"op": "Conv2d", "in_channels": 3, "out_channels": 8, "kernel_size": 2}
    layer.pop(random.choice(list(layer)))
    case_of(random, config)["layer"] = layer


def wrong_value(random: Random, config: Config) -> None:
    key = random.choice(list(WRONG))
    put(random, case_of(random, config), key, random.choice(WRONG[key]))


def wrong_default(random: Random, config: Config) -> None:
    key = random.choice([key for key in WRONG if key not in ("matrix", "weights")])
    config.setdefault("defaults", {})[key] = random.choice(WRONG[key])


def wrong_in_matrix(random: Random, config: Config) -> None:
    key = random.choice([key for key in WRONG if key not in ("matrix", "weights", "name")])
    case = case_of(random, config)
    case.pop(key, None)
    case["matrix"] = {**case.get("matrix", {}), key: [random.choice(WRONG[key])]}


def nested_deeper(random: Random, config: Config) -> None:
    case = case_of(random, config)
    key = random.choice(["name", layer_key(case), "dtype", "device", "seed", "tolerance", "expect"])
    put(random, case, key, random.choice([[case[key]], {key: case[key]}]))


def cases_of_another_type(random: Random, config: Config) -> None:
    config["cases"] = random.choice(
        [[], {}, None, 5, "x", [config["cases"]], [5], [None], ["ReLU()"], {"one": config["cases"][0]}]
    )


def defaults_of_another_type(random: Random, config: Config) -> None:
    config["defaults"] = random.choice([5, True, "x", [], [{"seed": 0}], {"matrix": {"seed": [1]}}])


def swapped_values(random: Random, config: Config) -> None:
    case = case_of(random, config)
    one, other = random.choice(SWAPS)
    case["seed"], case["tolerance"] = 7, {"atol": 1e-6}
    case[one], case[other] = case[other], case[one]


STRUCTURAL: dict[str, Change] = {
    "an unknown key": unknown_key,
    "a key misspelt": renamed_key,
    "an unknown argument of a layer": unknown_argument,
    "a key left out": missing_key,
    "an argument of a layer left out": missing_argument,
    "a value of another type, or out of range": wrong_value,
    "a default of another type, or out of range": wrong_default,
    "a value of a matrix of another type, or out of range": wrong_in_matrix,
    "a value in a list or mapping of its own": nested_deeper,
    "cases that are no list of mappings": cases_of_another_type,
    "defaults that are no mapping of keys": defaults_of_another_type,
    "two values swapped": swapped_values,
}


def _set(key: str, *values: Any) -> Change:
    def change(random: Random, config: Config) -> None:
        put(random, case_of(random, config), key, random.choice(values))

    return change


def unfit_input(random: Random, config: Config) -> None:
    case = case_of(random, config)
    put(random, case, "layer", "Conv2d(3, 8, 2)")
    put(
        random,
        case,
        "input",
        random.choice([[1] * 20, "3,8", [[1, 3, 8, 8], [1, 3, 8, 8]], [1, 4, 8, 8], [1, 3, 1, 1]]),
    )


def same_name(random: Random, config: Config) -> None:
    config["cases"] += [{"name": "same", "layer": "ReLU()"}, {"name": "same", "layer": "ReLU()"}]


def both_set(random: Random, config: Config) -> None:
    case = case_of(random, config)
    case["seed"], case["matrix"] = 3, {**case.get("matrix", {}), "seed": [3]}


def variables_astray(random: Random, config: Config) -> None:
    case = case_of(random, config)
    if random.random() < 0.5:
        case["name"] = "a-{nowhere}"
    else:
        case["matrix"] = {**case.get("matrix", {}), "idle": [1]}


CONTENT: dict[str, Change] = {
    "a text that is no layer": _set("layer", "Convv2d(3, 8, 2)", "Conv2d(3", "Conv2d(3, 8, 0)", "import os", ""),
    "a layer whose argument is impossible": _set("layer", {"op": "Linear", "in_features": 0, "out_features": 3}),
    "an input that does not fit": unfit_input,
    "a pattern that is none": _set("transplant", {"weight": "o i <- o i"}, {"weight": "o i -> o"}, {"none": "o -> o"}),
    "an order of no axes": _set("order", "(kh kw) i", "-> i", "x y z q"),
    "a whole number written as 4.0": _set("seed", 4.0),
    "two cases of one name": same_name,
    "a key that the matrix sets, too": both_set,
    "a variable that is nowhere, or used nowhere": variables_astray,
}


def reordered(random: Random, config: Config) -> None:
    items = list(config["cases"][0].items())
    random.shuffle(items)
    config["cases"][0] = dict(items)


def allowed_keys(random: Random, config: Config) -> None:
    case = random.choice(config["cases"])
    case.setdefault("seed", random.randrange(2**63))
    case.setdefault("tolerance", random.choice(["auto", {}, {"atol": 1e-6}, {"atol": 0, "rtol": 1}]))


def templates(random: Random, config: Config) -> None:
    matrix = {"s": [2, 3], "t": ["auto"], "v": ["equal"], "shape": [[2, 32]], "bits": [32, 64]}
    config["cases"].append(
        {
            "name": "{s}-{t}-{v}-{bits}-{shape}",
            "layer": random.choice(["Linear(32, {s})", {"op": "Linear", "in_features": 32, "out_features": "{s}"}]),
            "input": random.choice(["{shape}", ["{s}", 32], "{s},32", "{s} x 32"]),
            "dtype": "float{bits}",
            "seed": "{s}",
            "tolerance": random.choice(["{t}", {"atol": "{s}"}]),
            "expect": {
                "verdict": "{v}",
                "output": random.choice([[2, "{s}"], "2,{s}"]),
                "params": {"reference": "{s}"},
            },
            "matrix": matrix,
        }
    )


def matrix_sets_keys(random: Random, config: Config) -> None:
    case = {"name": "m-{seed}-{dtype}", "matrix": {"seed": [0, 1], "dtype": ["float32"], "layer": ["ReLU()"]}}
    config["cases"].append(case)


def layer_by_default(random: Random, config: Config) -> None:
    config["defaults"] = {**config.get("defaults", {}), "layer": "Linear(4, 3)"}
    config["cases"].append({"name": "by-default"})


def nothing_said(random: Random, config: Config) -> None:
    case = {"layer": "Tanh()", "name": None, "input": None, "order": None, "weights": None, "matrix": None}
    config["cases"].append({**case, "expect": {"output": None, "params": None}, "rewrite": ["all"]})


HARMLESS: dict[str, Change] = {
    "keys in another order": reordered,
    "keys that are allowed": allowed_keys,
    "templates in place of values": templates,
    "keys that only a matrix sets": matrix_sets_keys,
    "a layer that is a default": layer_by_default,
    "keys without a value": nothing_said,
}
