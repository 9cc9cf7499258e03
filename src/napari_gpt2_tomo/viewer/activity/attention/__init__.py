"""What the attention dock is made of."""
