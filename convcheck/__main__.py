"""`python -m convcheck`, and what the installed program calls."""

import gc
import sys

from convcheck.cli.exit_codes import INTERRUPTED
from convcheck.config.collection import without_collection


def run() -> None:
    """Run the program; an interrupt counts from its first import on."""
    try:
        with without_collection():
            from convcheck.cli.main import main
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    # What is imported is no garbage, and searching it for some would take a tenth of what a short command takes.
    gc.freeze()
    main()


if __name__ == "__main__":
    run()
