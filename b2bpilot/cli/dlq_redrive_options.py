"""The options of `dlq redrive` that no other command has."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from b2bpilot.errors import UsageError


class Engine(StrEnum):
    TERMINAL = "terminal"
    LAMBDA = "lambda"


class Via(StrEnum):
    INVOKE = "invoke"
    ASYNC = "async"
    TOPIC = "topic"


VIA = Annotated[
    Via, typer.Option("--via", help="How: invoke, async or topic.", metavar="ROUTE", show_default=True)
]
ENGINE = Annotated[
    Engine,
    typer.Option(
        "--engine",
        help="Who does it: terminal, or lambda for a big backlog.",
        metavar="ENGINE",
        show_default=True,
    ),
]
PLAN = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        help="Write the plan to FILE and stop; if FILE exists, send exactly what it names.",
        metavar="FILE",
    ),
]
INCLUDE_COMPLETED = Annotated[
    bool, typer.Option("--include-completed", help="Send also what the database has completed.")
]
INCLUDE_POISON = Annotated[
    bool, typer.Option("--include-poison", help="Send also what came back three times.")
]
MAX_FAILURES = Annotated[
    str,
    typer.Option(
        "--max-failures",
        help="Stop after a stage in which more failed.",
        metavar="PERCENT",
        show_default=True,
    ),
]
RATE = Annotated[
    float | None, typer.Option("--rate", min=0.01, help="At most so many a second.", metavar="N")
]
CONCURRENCY = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=32, help="At most so many calls at once.", metavar="N"),
]
WAIT = Annotated[
    str,
    typer.Option(
        "--wait",
        help="How long to look at the rows for the proof; 0s looks once, at the end.",
        metavar="DURATION",
    ),
]
FORCE = Annotated[bool, typer.Option("--force", help="Take more than 1,000 letters.")]


def refuse_what_lambda_cannot(given: Mapping[str, object]) -> None:
    """Raises UsageError for an option that would be ignored, of those by their flags."""
    if meaningless := [flag for flag, value in given.items() if value]:
        raise UsageError(f"{meaningless[0]} has no meaning with --engine lambda", hint="leave it out")
