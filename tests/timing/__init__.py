"""Tests of what both sides take."""
