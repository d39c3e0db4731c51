"""`python -m convcheck`, and what the installed program calls."""

import gc
import sys

from convcheck.cli.exit_codes import INTERRUPTED


def run() -> None:
    """Run the program; an interrupt counts from its first import on."""
    # What is imported is no garbage, and searching it for some would take a tenth of what a short command takes.
    gc.disable()
    try:
        from convcheck.cli.main import main
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    gc.freeze()
    gc.enable()
    main()


if __name__ == "__main__":
    run()
