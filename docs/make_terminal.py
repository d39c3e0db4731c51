"""The picture of a terminal, docs/terminal.svg: what `convcheck verify` prints there, in its colours.

    python -m docs.make_terminal
    python -m docs.make_terminal --columns 80 --light --to light.svg

The program runs in a pseudo-terminal, so that it breaks lines and colours as it does for a user.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, DIMMED_MONOKAI
from rich.text import Text

PICTURE = Path(__file__).with_name("terminal.svg")
COMMAND = ("verify", "wrong.yaml")
README = PICTURE.parent.parent / "README.md"
"""The page that has this config."""


def printed(columns: int) -> str:
    """Return what the program prints in a terminal of this width, with its escape codes."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    wanted = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / COMMAND[-1]).write_text(_config(), encoding="utf-8")
        running = subprocess.Popen(
            [sys.executable, "-m", "convcheck", *COMMAND],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={**wanted, "TERM": "xterm-256color", "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        )
        os.close(theirs)
        read = bytearray()
        while piece := _read(ours):
            read += piece
        running.wait()
    os.close(ours)
    return read.decode("utf-8").replace("\r\n", "\n")


def _config() -> str:
    (config,) = re.findall(rf"```yaml\n(# {COMMAND[-1]}\n(?:.*\n)*?)```", README.read_text("utf-8"))
    return str(config)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        # Linux answers so once the other end is closed.
        return b""


def picture(text: str, columns: int, *, light: bool = False) -> str:
    """Return an SVG of a terminal with a text in it; no word that fits is cut, as a terminal cuts it."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text("$ convcheck " + " ".join(COMMAND), "bold"))
    for line in Text.from_ansi(text.rstrip("\n")).split(allow_blank=True):
        for part in line.wrap(console, columns, overflow="fold") or [line]:
            console.print(part, soft_wrap=True)
    theme = DEFAULT_TERMINAL_THEME if light else DIMMED_MONOKAI
    drawn = console.export_svg(title="convcheck", theme=theme, unique_id="convcheck")
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=112, help="the terminal's width (%(default)s)")
    parser.add_argument("--light", action="store_true", help="dark letters on white")
    parser.add_argument("--to", type=Path, default=PICTURE, help="the file (%(default)s)")
    asked = parser.parse_args(arguments)
    asked.to.write_text(picture(printed(asked.columns), asked.columns, light=asked.light), encoding="utf-8")


if __name__ == "__main__":
    main()
