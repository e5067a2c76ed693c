"""`hookline doctor`: what runs here, beside what the providers have and what the web sees."""
