"""Torch's compiler, where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from convcheck.errors import UsageError, cut, escape_line


def check_compiler() -> None:
    """Compile a small function, which takes seconds. Raises UsageError where torch cannot."""
    try:
        torch.compile(torch.square)(torch.ones(2))
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UsageError(f"--compile: torch.compile cannot run here: {cut(escape_line(lines[0]), 500)}") from None


@contextmanager
def compiling() -> Iterator[None]:
    """Compile everything anew, and so that one graph takes its backward pass many times."""
    # Of one class only so many are compiled; those behind them would run as they are.
    torch.compiler.reset()
    from torch._functorch import config

    # An older torch frees nothing that a second pass needs.
    if hasattr(config, "donated_buffer"):
        with config.patch(donated_buffer=False):
            yield
    else:
        yield


def compiled(module: nn.Module) -> Callable[..., Tensor]:
    """Return a module that is compiled when it is first called."""
    made: Callable[..., Tensor] = torch.compile(module)
    return made
