"""The mode of delivery: where messages are, and what a change of it waits for."""
