"""Two scans in napari: their difference, what changed most, and both side by side."""
