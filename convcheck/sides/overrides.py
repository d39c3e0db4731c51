"""Checks that a module computes what its class does: no method is overridden, and no hook changes the result."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils.parametrize import is_parametrized

from convcheck.sides.effective_tensors import REFRESHING

# What runs when one of the modules that can be described is called, in all of their classes.
_RUNS = (
    *("__call__", "_wrapped_call_impl", "_call_impl", "__getattr__", "__getattribute__", "forward"),
    *("_conv_forward", "_output_padding", "__iter__"),
    *("_channels_first", "_channels_last", "_output_size"),
)

_HOOKS = {
    "_forward_pre_hooks": "forward pre-hook",
    "_forward_hooks": "forward hook",
    "_backward_pre_hooks": "backward pre-hook",
    "_backward_hooks": "backward hook",
}

_TENSOR_HOOKS = {"hook": "_backward_hooks", "post-accumulate-grad hook": "_post_accumulate_grad_hooks"}


def overrides(module: nn.Module, base: type[nn.Module]) -> Iterator[str]:
    """Yield reasons why the outputs or gradients of `module` may not be those of a `base` with the same attributes."""
    if isinstance(module, LazyModuleMixin):
        yield "has no weights yet, since it learns its sizes from its first input; call it once"
        return
    for name in _RUNS:
        # Libraries that move weights between devices replace `forward` on the instance.
        if inspect.getattr_static(module, name, None) is not inspect.getattr_static(base, name, None):
            yield (
                f"has a {name} of its own, so what it computes is not what {base.__name__} says; "
                f"pass a plain {base.__name__}, or say as layers what it computes"
            )
    if getattr(module, "_compiled_call_impl", None) is not None:
        yield "is compiled in place, and what a compiler makes of it is not what is proved; pass it without .compile()"
    for kind, hook in _hooks(module):
        if not isinstance(hook, REFRESHING):
            yield f"has a {kind}, {_name(hook)}, which may change what it computes; pass it without that hook"
    yield from parameter_hooks(module)
    if is_parametrized(module):
        for part in module.parametrizations.modules():  # type: ignore[union-attr]  # a ModuleDict, by is_parametrized
            yield from parameter_hooks(part)


def parameter_hooks(module: nn.Module) -> Iterator[str]:
    """Yield the hooks on gradients of the parameters that a module itself holds."""
    for name, parameter in module._parameters.items():
        for kind, attribute in _TENSOR_HOOKS.items():
            for hook in (getattr(parameter, attribute, None) or {}).values():
                yield (
                    f"has a {kind} on {name}, {_name(hook)}, which may change its gradient; pass it without that hook"
                )


def global_hooks() -> Iterator[str]:
    """Yield torch's hooks on every module there is."""
    for attribute, kind in _HOOKS.items():
        for hook in getattr(nn.modules.module, f"_global{attribute}").values():
            yield (
                f"has a {kind}, {_name(hook)}, as all modules have, which may change what it computes; remove that hook"
            )


def computed_attributes(module: nn.Module, base: type[nn.Module], plain: nn.Module) -> Iterator[str]:
    """Yield the attributes that a `plain` module of a `base` class stores, and this one's class computes."""
    stored = {*vars(plain), *plain._parameters, *plain._buffers, *plain._modules}
    computed = {*module.parametrizations} if is_parametrized(module) else set()  # type: ignore[misc]  # a ModuleDict
    for name in sorted(stored - computed):
        attribute = inspect.getattr_static(type(module), name, None)
        if hasattr(attribute, "__get__") and attribute is not inspect.getattr_static(base, name, None):
            yield (
                f"has a {name} that its class computes whenever it is read, so it may be another each time; "
                f"pass a plain {base.__name__}"
            )


def uncalled_hooks(module: nn.Module) -> Iterator[str]:
    """Yield the hooks of a module that never run, since its parent uses its weights and never calls it."""
    for kind, hook in _hooks(module):
        yield f"has a {kind}, {_name(hook)}, which never runs, since its parent takes its weights and calls it never"


def _hooks(module: nn.Module) -> Iterator[tuple[str, object]]:
    for attribute, kind in _HOOKS.items():
        for hook in getattr(module, attribute).values():
            yield kind, hook


def _name(hook: object) -> str:
    return str(getattr(hook, "__name__", type(hook).__name__))
