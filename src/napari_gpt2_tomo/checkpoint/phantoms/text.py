"""What the functional phantom has read: the text whose letter pairs its neurons know."""

__all__ = ["TEXT"]

TEXT = """\
The scanner turns around the model and looks at every weight that it can reach.
A head reads the tokens before this one and writes what it has found to the stream.
Where two words are the same, the second time is easier than the first.
The cat sat on the mat and the dog sat on the log; then the cat met the dog.
Each layer adds a little to what was there before, and the last one reads it all.
In the morning the children ran to the garden to see whether the seeds had grown.
Numbers are tokens too: 1, 2, 3 and 4 come before 10, and 100 comes after 99.
What is the answer? It is in the section that you are looking at now.
An hour later the rain had stopped, and there was light on the water again.
Nothing is hidden here: this phantom was made by hand, and each of its parts is known.
Some heads look back by one, others look for what came after the same letter.
When Mary and John went to the store, John gave a drink to Mary.
She thanked him, and they walked home together along the river.
The quick brown fox jumps over the lazy dog while the zebra and the ox just gaze.
"""
