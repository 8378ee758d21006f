"""`b2bpilot logs`: all functions' lines, merged by time."""
