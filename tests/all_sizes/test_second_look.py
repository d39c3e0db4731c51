"""A proof is held against torch: a reader that is wrong of both sides alike is found out, and is a fault of convcheck."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from convcheck.all_sizes import reading
from convcheck.all_sizes.value import Value
from convcheck.cli import main
