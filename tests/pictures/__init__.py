"""README's pictures: what the commands show at a terminal, taken from a real run (`make pictures`)."""
