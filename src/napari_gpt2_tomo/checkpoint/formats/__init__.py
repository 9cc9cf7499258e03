"""File formats: bytes to named tensors."""
