"""The program: its commands, and the one place where exceptions become exit codes."""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperCommand, TyperGroup

from convcheck.cli import console, exit_codes
from convcheck.cli.command import format_help, split_examples
from convcheck.errors import ConfigError, ConvcheckError, collecting_notes, cut, escape_line
from convcheck.version import __version__, torch_version

COMMANDS = ("verify", "solve", "scan", "transplant", "bench", "params", "shape", "rewrites", "init", "schema")
"""The commands: `x` is the function `x` of the module `convcheck.cli.x`."""

_HELP = {"help_option_names": ["-h", "--help"]}


@contextmanager
def _inert() -> Iterator[None]:
    """Escape and cut messages of click, since words of the command line may move the cursor."""
    try:
        yield
    except Exception as error:
        # Without any word, click raises the help itself.
        is_help = type(error).__name__ == "NoArgsIsHelpError"
        if isinstance(message := getattr(error, "message", None), str) and not is_help:
            error.message = cut(escape_line(message), console.LONGEST)  # type: ignore[attr-defined]
        raise


class _Command(TyperCommand):
    """A command with its help as plain text."""

    def get_help(self, ctx: Any) -> str:
        return format_help(self, ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give an option whose value may be left out, as its metavar in brackets says, the folder of this process."""
        optional = {
            name
            for option in self.params
            if option.param_type_name == "option" and str(option.metavar).startswith("[")
            for name in option.opts
        }
        given = []
        for word, following in zip(args, [*args[1:], "-"], strict=False):
            given += [word, "."] if word in optional and following.startswith("-") else [word]
        return super().parse_args(ctx, given)


class _Commands(TyperGroup):
    """The commands. Only the one that runs is imported, so that none waits for what another needs."""

    def get_help(self, ctx: Any) -> str:
        return format_help(self, ctx)

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **kwargs: Any) -> Any:
        words = list(args)
        with _inert():
            try:
                return super().make_context(info_name, args, *more, **kwargs)
            except Exception as error:
                # Typer has click's exceptions within itself, or not, by its version.
                if hasattr(error, "option_name"):
                    from convcheck.cli.no_command import explain_option

                    explain_option(error, words, {name: self.get_command(None, name) for name in COMMANDS})
                raise

    def invoke(self, ctx: Any) -> Any:
        with _inert():
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            from convcheck.cli.no_command import refuse_target

            refuse_target(args, ctx)
            # Click suggests the nearest of these.
            self.commands = {name: self.get_command(ctx, name) for name in COMMANDS}
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 (click's signature)
        if cmd_name not in COMMANDS:
            return None
        function = getattr(import_module(f"convcheck.cli.{cmd_name}"), cmd_name)
        alone = typer.Typer(rich_markup_mode=None, context_settings=_HELP, add_completion=False)
        text, examples = split_examples(function)
        # Click would cut the first sentence short in the list of commands.
        summary = text.partition("\n\n")[0]
        alone.command(cmd_name, cls=_Command, help=text, short_help=summary, epilog=examples)(_guarded(function))
        return typer.main.get_command(alone)


app = typer.Typer(
    cls=_Commands,
    name="convcheck",
    no_args_is_help=True,
    rich_markup_mode=None,
    # A fault of ours is reported by main(), briefly; Typer would exit with 1, which means a mismatch.
    pretty_exceptions_enable=False,
    context_settings=_HELP,
)


def _version(asked: bool) -> None:
    if asked:
        console.write(f"convcheck {__version__} (torch {torch_version()}, Python {sys.version.split()[0]})")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the versions of convcheck and torch."),
    ] = False,
) -> None:
    """Prove that a convolution and what replaces it compute the same.

    Examples:
      convcheck verify "Conv2d(3, 768, kernel_size=16, stride=16)" -i 1,3,224,224
      convcheck shape "Conv2d(3, 64, 7, 2, 3)" "MaxPool2d(3, 2)" -i 1,3,224,224
    """


_text, _examples = split_examples(_root)
app.callback(help=_text, epilog=_examples)(_root)


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors of the user's input into their message and exit code 2."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        with collecting_notes() as notes:
            try:
                command(*args, **kwargs)
            except ConvcheckError as error:
                _complain(error, kwargs.get("format"))
                for note in notes:
                    console.hint(note)
                raise typer.Exit(exit_codes.BAD_INPUT) from None

    return run


def _complain(error: ConvcheckError, format: str | None) -> None:
    """Print an error for people, and faults of configs for programs as well, where the format is one of theirs."""
    console.complain(error)
    if format is None or not isinstance(error, ConfigError):
        return
    from convcheck.report.formats import load_faults_format

    try:
        if render := load_faults_format(format):
            console.write(render(error.faults), commands=format == "github")
    except ConvcheckError as unwritten:
        console.complain(unwritten)


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
        sys.exit(exit_codes.INTERRUPTED)
    except Exception as error:
        console.report_faults([error])
        sys.exit(exit_codes.OUR_FAULT)
