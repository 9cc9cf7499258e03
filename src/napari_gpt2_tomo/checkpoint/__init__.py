"""Bytes to named, lazily read tensors. Knows files; knows no transformer."""
