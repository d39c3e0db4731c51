"""Whether torch may add in an order that varies."""

from __future__ import annotations

import torch


def determinism() -> tuple[bool, bool]:
    """Return whether torch is to use deterministic algorithms only, and whether it warns of others or refuses them."""
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def set_determinism(enabled: bool, warns: bool) -> None:
    """Have torch use deterministic algorithms only, or any.

    Setting it, even to what it is, loads torch's compiler, which takes a second.
    """
    if determinism() != (enabled, warns):
        torch.use_deterministic_algorithms(enabled, warn_only=warns)
