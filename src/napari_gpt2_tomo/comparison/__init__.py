"""Two checkpoints against each other: what changed, by how much, and where."""
