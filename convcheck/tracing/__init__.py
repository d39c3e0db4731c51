"""What a module computes, read off its graph: its degree, its constants, its sums and its rounding errors."""
