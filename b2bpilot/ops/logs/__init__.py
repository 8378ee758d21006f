"""The functions' logs as one: read, chosen from, followed."""
