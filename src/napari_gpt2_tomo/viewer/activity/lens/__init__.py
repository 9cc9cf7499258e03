"""Parts of the docks of the logit lens and of the next token."""
