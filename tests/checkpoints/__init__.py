"""Tests of checkpoints and of the command that moves weights between them."""
