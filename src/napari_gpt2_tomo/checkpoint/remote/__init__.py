"""Checkpoints on servers, read by byte range."""
