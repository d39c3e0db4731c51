"""Modules as people write them, with a rewrite of each and a faulty twin of the rewrite."""
