"""`b2bpilot explain`: what a name means that the tool, an alarm or a script shows."""
