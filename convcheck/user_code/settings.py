"""Settings of the process that the import of user code may change."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch.utils import _device

from convcheck.rounding.determinism import determinism, set_determinism


@contextmanager
def settings_restored() -> Iterator[None]:
    """Give back what user code may have changed.

    That is torch's default dtype and device, grad mode, precision of products, determinism and number of threads, the
    random numbers of torch on the CPU, numpy and Python, and the filters of warnings. What stays as the code left it:
    the environment, signal handlers, logging, other devices' random numbers, and what it changed in other modules.
    """
    with ExitStack() as stack:
        stack.callback(_set_device, _device.CURRENT_DEVICE)
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
        stack.callback(set_determinism, *determinism())
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(warnings.catch_warnings())
        # No filter of the caller's, such as pytest's, turns a remark on the user's code into an exception.
        filters = [("default" if kind == "error" else kind, *rest) for kind, *rest in warnings.filters]
        warnings.filters[:] = filters  # type: ignore[index]  # it is a list
        yield


def seed_all(seed: int) -> None:
    """Seed the random numbers of torch on the CPU, numpy and Python."""
    # torch.manual_seed would set the generators of other devices, too, for good.
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


def _set_device(device: torch.device | None) -> None:
    if device != _device.CURRENT_DEVICE:
        torch.set_default_device(device)
