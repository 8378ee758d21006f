"""`b2bpilot load`."""
