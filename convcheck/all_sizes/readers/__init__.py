"""How operators are read, a family a file: each has READERS, by torch's names."""
