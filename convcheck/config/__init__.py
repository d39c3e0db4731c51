"""From YAML text to validated cases. Imports no torch, and pydantic only once a file is read."""
