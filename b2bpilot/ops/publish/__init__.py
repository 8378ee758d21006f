"""Publishing messages: one or many, from fixtures or a file, and the proof by their rows."""

from b2bpilot.ops.publish.compose import TEST_PARAMS, compose

__all__ = ["TEST_PARAMS", "compose"]
