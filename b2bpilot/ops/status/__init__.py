"""One look at an environment: what runs through it, what waits in it, and what is wrong first."""
