"""The space of the embeddings: tokens and positions. Needs weights only."""
