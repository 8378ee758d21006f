"""Completion: what a shell offers when Tab is pressed, and how a shell is told to ask."""
