"""Growth series in napari: the slider plays the training, a dock draws it."""
