"""What happens to the logits when something is taken out or put in from elsewhere."""
