"""What is wrong on this machine, before anything is asked of an environment."""
