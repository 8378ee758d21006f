"""`b2bpilot dlq`: a file for each command, and one for each thing that several of them show."""
