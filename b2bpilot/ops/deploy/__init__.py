"""Deploying a checkout: what is there, what it takes, and `sam`, which does it."""
