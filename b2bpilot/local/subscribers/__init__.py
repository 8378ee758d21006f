"""Other teams' subscribers beside the environment: their folders, their stacks, their databases."""
