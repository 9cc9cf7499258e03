"""The navigator: a dock to find one's way in a model, and what it does, for scripts."""
