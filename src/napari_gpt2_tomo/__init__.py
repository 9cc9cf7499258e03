"""Scan language models in napari the way a hospital scans a body."""
