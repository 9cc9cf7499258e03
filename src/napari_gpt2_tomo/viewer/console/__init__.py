"""The scanner's console: a dock of panels, each of which shows and sets a part of a `Console`."""
