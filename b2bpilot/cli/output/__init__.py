"""The only package that prints."""

from b2bpilot.cli.output.output import Output
from b2bpilot.cli.output.tone import Tone, Toned, of_state
from b2bpilot.cli.output.values import (
    Line,
    OutputFailed,
    PipeClosed,
    QueryFailed,
    Row,
    ShownError,
    pairs,
    pasted,
)

__all__ = [
    "Line",
    "Output",
    "OutputFailed",
    "PipeClosed",
    "QueryFailed",
    "Row",
    "ShownError",
    "Tone",
    "Toned",
    "of_state",
    "pairs",
    "pasted",
]
