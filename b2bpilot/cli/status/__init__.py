"""`b2bpilot status`: one screen, and the same as a document."""
