"""Fast forms of what the layers compute; each stands beside the plain torch operations that it must equal."""
