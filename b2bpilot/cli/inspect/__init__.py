"""`b2bpilot inspect`: the whole story of a message."""
