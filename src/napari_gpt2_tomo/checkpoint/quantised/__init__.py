"""Quantised tensors: packed codes and their scales to values, per block."""
