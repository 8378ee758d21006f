"""The only package that prints, and that knows rich."""

from b2bpilot.cli.output.output import Output
from b2bpilot.cli.output.values import Line, OutputFailed, PipeClosed, Row, ShownError, paragraphs

__all__ = ["Line", "Output", "OutputFailed", "PipeClosed", "Row", "ShownError", "paragraphs"]
