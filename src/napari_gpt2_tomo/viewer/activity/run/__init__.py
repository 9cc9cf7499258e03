"""The parts of the dock that runs a prompt: model, text, options, what came out."""
