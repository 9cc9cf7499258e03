"""Running a model on a text, and measuring inside it. The only room that imports torch."""
