"""`b2bpilot diagnose`: from a symptom to its cause."""
