"""`b2bpilot publish`."""
