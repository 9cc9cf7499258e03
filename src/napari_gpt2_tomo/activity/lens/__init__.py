"""What a state would predict: logit lens, next tokens, contributions to a logit."""
