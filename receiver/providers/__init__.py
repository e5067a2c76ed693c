"""One folder for each provider, both directions in it."""
