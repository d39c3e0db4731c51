"""A torch module of the user's own as a layer: what it computes is not known from its name, so it is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from convcheck.config.input_specs import InputSpec
from convcheck.errors import CannotRunError, shown
from convcheck.layers import Layer, Roundings, Statistic
from convcheck.layers.text.arguments import Argument
from convcheck.sizes.patterns import KERNEL_AXES, SPACE_AXES, Group, Shape, Shapes
from convcheck.tracing.float64_copy import copied
from convcheck.user_code.failures import describe
from convcheck.user_code.imports import user_code_runs

WHOLE = 2
"""Whole numbers are drawn below it where nothing says of how many rows they choose one."""


_WEIGHT_AXES: Mapping[type[nn.Module], Mapping[str, tuple[Group, ...]]] = {
    nn.Linear: {"weight": (("o",), ("i",))},
    **{
        conv: {"weight": (("o",), ("i",), *((axis,) for axis in KERNEL_AXES[dims]))}
        for dims, conv in enumerate((nn.Conv1d, nn.Conv2d, nn.Conv3d), 1)
    },
    **{
        conv: {"weight": (("i",), ("o",), *((axis,) for axis in KERNEL_AXES[dims]))}
        for dims, conv in enumerate((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), 1)
    },
}
"""The axes of the weights of torch's own modules, which a user's module is made of."""

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


class _Run(NamedTuple):
    """What one run of a module shows: the output's shape and axes, multiply-accumulates, and the number of values."""

    output: Shape
    axes: tuple[str, ...]
    macs: int
    values: int


class _Values(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the values that operators make; views make none."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        has = {tensor.untyped_storage().data_ptr() for tensor in _strided((args, kwargs))}
        self.count += sum(tensor.numel() for tensor in _strided(made) if tensor.untyped_storage().data_ptr() not in has)
        return made


def _strided(tree: Any) -> Iterator[Tensor]:
    """Yield the tensors that have a storage, which sparse ones have not."""
    leaves = (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
    return (leaf for leaf in leaves if leaf.layout == torch.strided and not leaf.is_nested)


@dataclass(frozen=True, eq=False)
class UserModule(Layer):
    """A module with its inputs, and which of its outputs is meant; its kind is the name of its class.

    It answers for these inputs alone, and raises CannotRunError where it cannot be run on them.
    """

    SIGNATURE: ClassVar[tuple[Argument, ...]] = ()
    IS_USER_CODE: ClassVar[bool] = True

    module: nn.Module
    text: str
    """What the user calls it, such as `mine.py:PatchEmbed(3, 8)`."""
    specs: tuple[InputSpec, ...] = ()
    select: str | None = None
    """Which output, such as `0` or `last_hidden_state`; None where there is one only."""
    train: bool = False

    def __str__(self) -> str:
        return self.text

    def label(self) -> str:
        return self.kind.lower()

    def parameters(self) -> dict[str, Shape]:
        return {name: tuple(tensor.shape) for name, tensor in self.module.named_parameters()}

    def statistics(self) -> dict[str, Statistic]:
        """Return the running statistics of batch norms; other buffers are constants."""
        statistics = {}
        for name, norm in self.module.named_modules():
            if isinstance(norm, _BatchNorm) and norm.track_running_stats and not self.train:
                prefix, shape = f"{name}." if name else "", (norm.num_features,)
                statistics[f"{prefix}running_mean"] = Statistic(shape)
                statistics[f"{prefix}running_var"] = Statistic(shape, norm.eps)
        return statistics

    def held_tensors(self) -> Mapping[str, Tensor]:
        return {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}

    def constants(self) -> dict[str, Tensor]:
        """Return the buffers that are no statistics, by name, of any shape and dtype."""
        statistics = self.statistics()
        return {name: tensor for name, tensor in self.module.named_buffers() if name not in statistics}

    def output_shape(self, *_shapes: Any) -> Shape:
        return self._run.output

    def axes(self, rank: int, channels: str) -> tuple[str, ...]:
        """Return what the axes of the output are called where a convolution makes it; those of inputs are not known."""
        return self._run.axes if channels == "o" and len(self._run.axes) == rank else ()

    def parameter_axes(self, name: str) -> tuple[Group, ...]:
        owner, _, own = name.rpartition(".")
        return _WEIGHT_AXES.get(type(self.module.get_submodule(owner)), {}).get(own) or super().parameter_axes(name)

    def macs(self, *_shapes: Any) -> int:
        """Return the multiply-accumulates of products and convolutions, as torch counts them."""
        return self._run.macs

    def im2col_size(self, *_shapes: Any, **_: Any) -> int:
        """Return how many values autograd holds: all that one run makes, and a gradient of each."""
        return 2 * self._run.values

    def example_inputs(self) -> Shapes:
        return tuple(spec.shape for spec in self.specs)

    def roundings(self) -> Roundings:
        # They are read off its graph, of which this knows nothing.
        return Roundings()

    def degree(self) -> int | None:
        """Return None: whether the module is a polynomial is read off its graph."""
        return None

    def boolean_inputs(self) -> frozenset[int]:
        return frozenset(number for number, spec in enumerate(self.specs) if spec.kind == "bool")

    def mask_inputs(self) -> frozenset[int]:
        # What the user's masks mean is not known.
        return frozenset()

    def build(self) -> nn.Module:
        """Return a copy that takes its inputs one by one and returns the output that is meant; names stay.

        Raises:
            CannotRunError: it cannot be copied.
        """
        if isinstance(self.module, torch.jit.ScriptModule):
            raise CannotRunError(f"{self} is a ScriptModule, which takes no hooks; give the module that it was made of")
        with code_may_fail():
            # In one dtype, whatever it was loaded in; a class may have a method of its own of this name.
            module = nn.Module.float(copied(self.module)).train(self.train)
        keywords = tuple(spec.keyword for spec in self.specs)
        if any(keywords):
            module.register_forward_pre_hook(_by_keyword(keywords), with_kwargs=True)
        module.register_forward_hook(_selecting(self.select))
        return module

    @cached_property
    def _run(self) -> _Run:
        module, counter, values = self.build(), FlopCounterMode(display=False), _Values()  # type: ignore[no-untyped-call]
        inputs = draw_inputs(self.specs, torch.Generator().manual_seed(0))
        made: list[tuple[Any, int]] = []
        for one in module.modules():
            if isinstance(one, _CONVS):
                one.register_forward_hook(lambda conv, _inputs, output: made.append((output, len(conv.kernel_size))))
        with torch.no_grad(), counter, values, code_may_fail():
            output = module(*inputs)
        dims = next((dims for one, dims in made if one is output and one.dim() == dims + 2), None)
        axes = ("b", "o", *SPACE_AXES[dims]) if dims is not None else ()
        # A product and its addition are two operations to torch.
        return _Run(tuple(output.shape), axes, counter.get_total_flops() // 2, values.count)


@contextmanager
def code_may_fail() -> Iterator[None]:
    """Run user code apart from our output, and turn what it raises into a CannotRunError with the user's line."""
    with user_code_runs():
        try:
            yield
        except CannotRunError:
            raise
        except (Exception, SystemExit) as error:
            raise CannotRunError(describe(error)) from None


def bound_to(layer: Layer, specs: tuple[InputSpec, ...], select: str | int | None, *, train: bool) -> Layer:
    """Return a layer for these inputs; code has to know them, and which output is meant, and others need not."""
    if not isinstance(layer, UserModule):
        return layer
    return replace(layer, specs=specs, select=None if select is None else str(select), train=train)


def draw_inputs(specs: tuple[InputSpec, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
    """Draw inputs: normal numbers in float32, whole numbers of [0, 2), and True or False."""

    def one(spec: InputSpec) -> Tensor:
        if spec.kind == "float":
            return torch.randn(spec.shape, generator=generator)
        whole = torch.randint(WHOLE, spec.shape, generator=generator)
        return whole.bool() if spec.kind == "bool" else whole

    return tuple(map(one, specs))


def _by_keyword(keywords: tuple[str | None, ...]) -> Callable[..., Any]:
    def hook(_module: nn.Module, inputs: tuple[Any, ...], _keywords: dict[str, Any]) -> Any:
        pairs = list(zip(keywords, inputs, strict=True))
        return tuple(value for name, value in pairs if not name), {name: value for name, value in pairs if name}

    return hook


def _selecting(select: str | None) -> Callable[..., Tensor]:
    def hook(_module: nn.Module, _inputs: object, output: Any) -> Tensor:
        return selected(output, select)

    return hook


def selected(output: Any, select: str | None) -> Tensor:
    """Return the output that is meant, a tensor of numbers.

    Raises:
        CannotRunError: there is none of this name or number, or it is no tensor of numbers.
    """
    # The other side may return one tensor alone.
    if not isinstance(output, Tensor):
        output = _part(output, select)
    if not isinstance(output, Tensor):
        raise CannotRunError(f"its output is a {type(output).__name__}, and no tensor")
    if not output.is_floating_point():
        raise CannotRunError(f"its output is of {output.dtype}, and only floating point can be compared")
    return output


def _part(output: Any, select: str | None) -> Any:
    """Return the part of a tuple or mapping that is meant: by its name or number, or the only one there is."""
    numbered = list(output.values() if hasattr(output, "values") else output if isinstance(output, Sequence) else ())
    names = list(map(str, output.keys() if hasattr(output, "keys") else getattr(output, "_fields", ())))
    parts = {**{str(number): part for number, part in enumerate(numbered)}, **dict(zip(names, numbered, strict=False))}
    if select is None and len(numbered) == 1:
        return numbered[0]
    if select not in parts:
        choices = ", ".join(names or parts) or "it has no parts"
        what = f"no {shown(select)}" if select is not None else "several parts" if parts else "no tensor in it"
        raise CannotRunError(
            f"its output is a {type(output).__name__} with {what}; choose one with --select: {choices}"
        )
    return parts[select]
