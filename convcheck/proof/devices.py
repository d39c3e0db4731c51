"""Whether the devices that are asked for are there. Only to tell of one that is no CPU is torch imported."""

from __future__ import annotations

from collections.abc import Iterable

from convcheck.config.case import Case
from convcheck.errors import ConfigError, Fault, UsageError


def missing(device: str) -> str | None:
    """Return why torch has no such device here; None where it has."""
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return None
    import torch

    count = torch.cuda.device_count()
    if int(index or 0) < count:
        return None
    return f"torch {torch.__version__} sees {count or 'no'} CUDA {'device' if count <= 1 else 'devices'} here"


def check_devices(cases: Iterable[Case], *, by_option: bool) -> None:
    """Refuse cases on a device that is not there, before any is run; an option may have chosen it for all of them.

    Raises:
        ConfigError: configs chose it; with all of their keys that do.
        UsageError: it was chosen for all cases alike.
    """
    reasons: dict[str, str | None] = {}
    faults: dict[Fault, None] = {}
    for case in cases:
        if case.device not in reasons:
            reasons[case.device] = missing(case.device)
        if reason := reasons[case.device]:
            if by_option or ("device",) not in case.places:
                raise UsageError(f"--device {case.device}: {reason}; without the option, it is the CPU")
            message = f"{case.device!r} is not there: {reason}; cpu is, or choose other cases with -k"
            faults[Fault(*case.places["device",], message)] = None
    if faults:
        raise ConfigError(sorted(faults))
