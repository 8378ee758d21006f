"""`b2bpilot config`: which settings there are, and where each is from."""
