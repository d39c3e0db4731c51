"""The kinds of evidence, one a file. Every kind examines a pair of modules and knows no particular rewrite."""
