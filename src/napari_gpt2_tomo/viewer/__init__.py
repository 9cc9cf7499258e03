"""Everything that touches napari and Qt: reader, layers, probe, samples, menus."""
