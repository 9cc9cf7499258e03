"""Windows, presets, transfer functions, the state of a console: data and numbers, no GUI."""
