"""Checks that a module computes what its class does: no method is overridden, and no hook changes the result."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils.parametrize import is_parametrized

from convcheck.sides.attributes import malformed
from convcheck.sides.effective_tensors import REFRESHING

# Functions of a class that make, print, save or set a module, and never run in a call of it. All others may: a torch to
# come may call them from its forward.
_NEVER_CALLED = frozenset(
    (
        *("__new__", "__init__", "__init_subclass__", "__annotate_func__", "reset_parameters", "_reset_parameters"),
        *("__repr__", "__str__", "extra_repr", "_get_name", "train"),
        *("state_dict", "_save_to_state_dict", "load_state_dict", "_load_from_state_dict"),
        *("__getstate__", "__setstate__"),
    )
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
    if issubclass(type(module), LazyModuleMixin):
        yield "has no weights yet, since it learns its sizes from its first input; call it once"
        return
    # Where one of these is another, what is asked below may be answered by the user's code.
    if faults := list(other_functions(module, base)) or list(malformed(module)):
        yield from faults
        return
    if getattr(module, "_compiled_call_impl", None) is not None:
        yield "is compiled in place, and what a compiler makes of it is not what is proved; pass it without .compile()"
    for kind, hook in _hooks(module):
        if not isinstance(hook, REFRESHING):
            yield f"has a {kind}, {_name(hook)}, which may change what it computes; pass it without that hook"
    yield from parameter_hooks(module)
    if is_parametrized(module):
        for part in module.parametrizations.modules():  # type: ignore[union-attr]  # a ModuleDict, by is_parametrized
            yield from parameter_hooks(part)


def other_functions(module: nn.Module, base: type[nn.Module]) -> Iterator[str]:
    """Yield the functions of a `base` class of which a module, or its class, has another version."""
    for name in _functions(base):
        # Libraries that move weights between devices replace `forward` on the instance.
        if inspect.getattr_static(module, name, None) is not inspect.getattr_static(base, name, None):
            yield (
                f"has a {name} of its own, so what it computes is not what {base.__name__} says; "
                f"pass a plain {base.__name__}, or say as layers what it computes"
            )


def _functions(base: type[nn.Module]) -> tuple[str, ...]:
    """Return the names of the functions that a class or one of its parents defines, and that a call of it may run."""
    names = {name: None for parent in base.__mro__ for name, value in vars(parent).items() if inspect.isroutine(value)}
    return tuple(name for name in names if name not in _NEVER_CALLED)


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
