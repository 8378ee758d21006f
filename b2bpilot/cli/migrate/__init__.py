"""`b2bpilot migrate`."""
