"""Plots of the logit lens, of predictions and of attributions."""
