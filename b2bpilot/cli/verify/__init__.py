"""`b2bpilot verify`, and the permissions that each command needs."""
