"""The functional scan in napari: docks, layers and what they share."""
