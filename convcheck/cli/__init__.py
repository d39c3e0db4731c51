"""The command line: load, compute, print, exit. Only here are errors caught and exit codes chosen."""
