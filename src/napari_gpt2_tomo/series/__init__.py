"""Checkpoints of one training run as a series in time."""
