"""Layers read backwards: from an output's shape to every input shape that gives it."""
