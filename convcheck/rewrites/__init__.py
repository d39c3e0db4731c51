"""One rewrite a file. To add one, add its file: the catalogue finds it, and nothing else changes."""
