"""`b2bpilot doctor`: what is wrong on this machine."""
