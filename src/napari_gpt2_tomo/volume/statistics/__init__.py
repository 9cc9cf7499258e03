"""Statistics of the weights: histograms, summaries, estimates, the exact pass."""
