"""`b2bpilot deploy`."""
