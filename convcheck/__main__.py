"""`python -m convcheck`, and what the installed program calls."""

import sys

from convcheck.cli.exit_codes import INTERRUPTED
from convcheck.cli.garbage import no_search


def run() -> None:
    """Run the program; an interrupt counts from its first import on."""
    try:
        with no_search():
            from convcheck.cli.main import main
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    main()


if __name__ == "__main__":
    run()
