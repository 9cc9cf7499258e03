"""Coarse levels: the quick look, the streaming pass, and the cache that keeps them."""
