"""What a subscriber's folder gets a copy of. Nothing of b2bpilot imports it, and it imports nothing of b2bpilot."""
