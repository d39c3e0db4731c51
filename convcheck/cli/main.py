"""The program: its commands, and the one place where exceptions become exit codes."""

from __future__ import annotations

import functools
import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from convcheck.cli import console
from convcheck.cli.params import params
from convcheck.cli.rewrites import rewrites
from convcheck.cli.shape import shape
from convcheck.cli.verify import verify
from convcheck.errors import ConvcheckError
from convcheck.version import __version__

BAD_INPUT, OUR_FAULT, INTERRUPTED = 2, 3, 130

app = typer.Typer(
    name="convcheck",
    help="Prove that a convolution and what replaces it compute the same.",
    no_args_is_help=True,
    # A fault of ours is reported by main(), briefly; Typer would exit with 1, which means a mismatch.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            torch = version("torch")
        except PackageNotFoundError:
            torch = "not installed"
        console.write(f"convcheck {__version__} (torch {torch}, Python {sys.version.split()[0]})")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the versions of convcheck and torch."),
    ] = False,
) -> None:
    """Prove that a convolution and what replaces it compute the same."""


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors of the user's input into their message and exit code 2."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ConvcheckError as error:
            console.complain(error)
            raise typer.Exit(BAD_INPUT) from None

    return run


for _command in (verify, params, shape, rewrites):
    app.command()(_guarded(_command))


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def main() -> None:
    """Run the program and exit: 0, 1 and 2 from the commands, 3 for a fault of convcheck itself, 130 if interrupted."""
    # Python starts without a stream that was closed; what would go there goes nowhere.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        # A name or a table line that the terminal's encoding lacks must not become a crash.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="convcheck")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception:
        sys.stderr.write(traceback.format_exc())
        sys.stderr.write(
            "error: this is a fault of convcheck itself, and says nothing about your layers; please "
            "report it with the lines above\n"
        )
        sys.exit(OUR_FAULT)
