"""Models on servers in napari: opening, slices that arrive, what they cost, downloads."""
