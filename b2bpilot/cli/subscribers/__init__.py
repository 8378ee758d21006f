"""`b2bpilot subscribers`: who receives what is published to the topic."""
