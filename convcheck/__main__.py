"""`python -m convcheck`, and what the installed program calls."""

import sys

from convcheck.cli.exit_codes import INTERRUPTED


def run() -> None:
    """Run the program; an interrupt counts from its first import on."""
    try:
        from convcheck.cli.main import main
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    main()


if __name__ == "__main__":
    run()
