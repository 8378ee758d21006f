"""b2bpilot: a business-messaging pipeline on AWS and the command line that operates it."""

__version__ = "0.1.0"
