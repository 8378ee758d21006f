"""`b2bpilot twilio`: reconcile, route, cutover, rollback."""
