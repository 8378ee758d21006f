"""Runs: what a changing command did, written down before it did it."""
