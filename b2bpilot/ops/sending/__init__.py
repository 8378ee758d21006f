"""Sending in batches, at a pace."""
