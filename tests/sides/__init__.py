"""Modules of torch as sides."""
