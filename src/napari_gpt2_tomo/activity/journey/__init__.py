"""Paths of tokens through the residual stream."""
