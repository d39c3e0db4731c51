"""The modes of torch in which convcheck computes, whatever those of its caller are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.backends import cudnn
from torch.nn.modules import module as module_hooks
from torch.overrides import _pop_mode_temporarily
from torch.utils._python_dispatch import _disable_current_modes

from convcheck.rounding.determinism import determinism, set_determinism


@contextmanager
def known_modes() -> Iterator[None]:
    """Compute as torch does when it has just been imported; the caller's modes and random state are given back.

    Gradients are recorded, in no inference mode; nothing is cast by autocast, traced, vectorised or watched by modes of
    the user's own; hooks on all modules or on saved tensors rest; the default device is the CPU, the default dtype
    float32. Settings that trade precision for speed stay as they are: `precision` reads them.
    """
    with ExitStack() as stack:
        _leave_transforms(stack)
        stack.enter_context(_disable_current_modes())
        # The default device is one of these modes.
        for _ in range(torch._C._len_torch_function_stack()):
            stack.enter_context(_pop_mode_temporarily())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            stack.enter_context(torch.autocast(device, enabled=False))
        stack.enter_context(torch.autograd.set_detect_anomaly(False))
        _lay_hooks_aside(stack)
        _set_defaults(stack)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        # What torch warns of is shown; no filter of the user's turns it into an exception.
        stack.enter_context(warnings.catch_warnings())
        filters = [("default" if kind == "error" else kind, *rest) for kind, *rest in warnings.filters]
        warnings.filters[:] = filters  # type: ignore[index]  # it is a list
        yield


def _leave_transforms(stack: ExitStack) -> None:
    """Leave vmap, grad and other transforms of torch.func."""
    if torch._C._functorch.peek_interpreter_stack() is not None:
        from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

        stack.enter_context(temporarily_clear_interpreter_stack())


def _lay_hooks_aside(stack: ExitStack) -> None:
    """Take away the hooks that torch would call for every module and for every tensor that is saved for a gradient."""
    for name, hooks in vars(module_hooks).items():
        if name.startswith("_global_") and isinstance(hooks, dict) and hooks:
            stack.callback(hooks.update, dict(hooks))
            hooks.clear()
    # An older torch cannot tell which there are.
    top = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda _tracing: None)
    while (pair := top(True)) is not None:
        stack.callback(torch._C._autograd._push_saved_tensors_default_hooks, *pair)
        torch._C._autograd._pop_saved_tensors_default_hooks()


def _set_defaults(stack: ExitStack) -> None:
    """Set what torch has once for the process, and have it set back."""
    stack.callback(torch.set_default_dtype, torch.get_default_dtype())
    torch.set_default_dtype(torch.float32)
    stack.callback(set_determinism, *determinism())
    # It makes torch refuse what it can only do in an order that varies, within the bound.
    set_determinism(False, False)
    for name, value in (("benchmark", False), ("deterministic", True)):
        stack.callback(setattr, cudnn, name, getattr(cudnn, name))
        setattr(cudnn, name, value)
