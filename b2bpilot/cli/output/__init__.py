"""The only package that prints, and that knows rich."""

from b2bpilot.cli.output.output import Output
from b2bpilot.cli.output.values import Failure, Line, OutputFailed, PipeClosed, Row, paragraphs

__all__ = ["Failure", "Line", "Output", "OutputFailed", "PipeClosed", "Row", "paragraphs"]
