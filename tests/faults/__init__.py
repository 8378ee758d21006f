"""The harness of faults: traffic, faults and commands side by side, then books that must balance. `make faults` runs it."""
