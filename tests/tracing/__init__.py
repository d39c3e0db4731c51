"""Modules as graphs of operators."""
