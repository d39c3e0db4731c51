"""`python -m convcheck`."""

from convcheck.cli.main import main

main()
