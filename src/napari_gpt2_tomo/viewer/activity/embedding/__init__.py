"""The embedding space as layers: a cloud of tokens, the path of the positions, what is near."""
