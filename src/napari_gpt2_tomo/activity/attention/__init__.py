"""Attention: what a pattern is like, head by head."""
