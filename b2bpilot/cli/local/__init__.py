"""`b2bpilot local` and `b2bpilot demo`."""
