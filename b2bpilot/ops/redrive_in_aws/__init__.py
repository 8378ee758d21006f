"""The redrive inside AWS: a function works through the queue while no terminal is open (decision 6)."""
