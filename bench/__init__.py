"""Measurements on this machine. `python -m bench` runs those of the pipeline; each module can be run by itself."""
