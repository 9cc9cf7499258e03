"""Names and shapes to the parts of a transformer. Reads no weights."""
