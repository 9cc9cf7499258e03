"""Shapes of what a layer does: norms, neurons, directions that share a space."""
