"""The built-in models: made by number, the same on every machine."""
