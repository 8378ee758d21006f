"""What every command is given: the settings, the environment, a way to ask, and how it fails."""
