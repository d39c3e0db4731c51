"""One format of results a file, found by the name of the file."""
