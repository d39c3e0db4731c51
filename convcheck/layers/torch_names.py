"""The layers that torch has, read off its files, so that an error can name one without importing torch."""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_ADVICE = {
    "ModuleList": "it holds layers and calls none; write those that are called, or paste the whole print",
    "ModuleDict": "it holds layers and calls none; write those that are called, or paste the whole print",
    "ParameterList": "it holds parameters and is not called; leave it out",
    "ParameterDict": "it holds parameters and is not called; leave it out",
    "Container": "it is the base of others; write what is in it",
    "RNNBase": "it is the base of others; write RNN, LSTM or GRU",
    "RNNCellBase": "it is the base of others; write RNNCell, LSTMCell or GRUCell",
    "CosineSimilarity": "of two inputs alike it makes one without axis dim; write the layers before it apart",
    "PairwiseDistance": "of two inputs alike it makes one without the last axis; write the layers before it apart",
    "FractionalMaxPool2d": "AdaptiveMaxPool2d of its output_size makes the same shape",
    "FractionalMaxPool3d": "AdaptiveMaxPool3d of its output_size makes the same shape",
    "MaxUnpool1d": "ConvTranspose1d of one channel with its kernel_size, stride and padding makes the same length",
    "MaxUnpool2d": "ConvTranspose2d of one channel with its kernel_size, stride and padding makes the same size",
    "MaxUnpool3d": "ConvTranspose3d of one channel with its kernel_size, stride and padding makes the same size",
    "Transformer": "it is a TransformerEncoder and a TransformerDecoder, each of which can be read",
    "AdaptiveLogSoftmaxWithLoss": "it takes a target beside its input, and makes one number; leave it out",
}


def advice(kind: str) -> str:
    """Return what to do about a layer of torch that cannot be read; empty where nothing is known."""
    if kind.startswith("Lazy"):
        sizes = {"Linear": "in_features", "BatchNorm": "num_features", "InstanceNorm": "num_features"}
        eager = kind.removeprefix("Lazy")
        size = next((name for start, name in sizes.items() if eager.startswith(start)), "in_channels")
        return f"it gets its {size} from the first input; write {eager} with them"
    if "Loss" in kind and kind not in _ADVICE:
        return "a loss takes a target beside its input, and makes one number; ask about what is before it"
    return _ADVICE.get(kind, "")


@cache
def torch_names() -> frozenset[str]:
    """Return the classes that `torch.nn.modules` offers; none where torch's files are not as expected."""
    spec = find_spec("torch")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        try:
            tree = ast.parse((Path(folder) / "nn" / "modules" / "__init__.py").read_text(encoding="utf-8"))
        except (OSError, ValueError, SyntaxError):
            continue
        imports = (node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level == 1)
        return frozenset(entry.name for node in imports for entry in node.names) - {"Module"}
    return frozenset()
