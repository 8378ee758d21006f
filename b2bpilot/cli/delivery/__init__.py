"""`b2bpilot delivery`."""
