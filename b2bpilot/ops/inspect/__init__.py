"""What is known of one message: everything that knows it is asked, and the answers become one story."""

from b2bpilot.ops.inspect.identity import find, identify

__all__ = ["find", "identify"]
