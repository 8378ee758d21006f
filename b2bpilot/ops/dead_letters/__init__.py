"""Dead letters: see them, understand them, send them back, prove it."""
