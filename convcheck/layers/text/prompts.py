"""What stands around a print that was copied from a terminal or a notebook: prompts and the commands behind them."""

from __future__ import annotations

import re

_COMMAND = re.compile(r"\s*(?:>>>|\.\.\.|\$|In \[\d*\]:)(?:\s(?P<rest>.*))?")
_OUTPUT = re.compile(r"\s*Out\[\d*\]:\s?(?P<rest>.*)")


def without_prompts(text: str) -> str:
    """Return what was printed, without lines that were typed; these alone, where nothing was printed."""
    if not re.search(r"(?m)^\s*(?:>>>|\.\.\.|\$|In \[\d*\]:|Out\[\d*\]:)", text):
        return text
    typed: list[str] = []
    shown: list[str] = []
    for line in text.splitlines():
        command, output = _COMMAND.fullmatch(line), _OUTPUT.fullmatch(line)
        if command is not None:
            typed.append(command["rest"] or "")
        else:
            shown.append(output["rest"] if output is not None else line)
    return "\n".join(shown if any(line.strip() for line in shown) else typed)
