"""`b2bpilot submissions`: the rows."""
