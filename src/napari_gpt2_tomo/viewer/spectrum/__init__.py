"""A section as a signal in napari: spectrum, singular values, smoothed layers."""
