"""Paths in three dimensions: the layers, the strip of their steps, and what they borrow."""
