"""Pairs of modules written in the styles of public repositories, whose weights' mapping is to be found."""
