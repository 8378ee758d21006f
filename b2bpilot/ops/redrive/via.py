"""The names of the routes."""

from __future__ import annotations

from enum import StrEnum


class RedriveVia(StrEnum):
    """A route's name on the command line and in the journal."""

    INVOKE = "invoke"
    ASYNC = "async"
    TOPIC = "topic"
    QUEUE = "queue"
    """Of a subscriber with a queue: back into that."""
