"""`b2bpilot subscriptions`: who gets what the topic takes."""
