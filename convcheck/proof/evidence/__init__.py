"""One kind of evidence a file. Each looks at a pair of modules and knows no particular rewrite."""
