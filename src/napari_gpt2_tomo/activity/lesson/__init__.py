"""A lesson: one page that walks through a model with its own numbers for one sentence."""
