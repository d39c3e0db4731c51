"""How the program ends, whatever the format."""

EXPECTED = 0
"""Every verdict is as expected, and whoever waits for a report has it."""

UNEXPECTED = 1
"""A verdict is not as expected, or what was asked for does not exist."""

BAD_INPUT = 2
"""The command line, a config or a layer is at fault, or a report cannot be written."""

OUR_FAULT = 3
"""Convcheck itself is at fault, which says nothing about any layer."""

INTERRUPTED = 130
"""The user stopped the run; what was finished is reported."""
