"""What the pictures show: an evening on which a constraint breaks the table, in an environment of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from b2bpilot.local.demo import CONSTRAINT, LONG
from tests.local.conftest import Machine
from tests.local.polling import eventually
from tests.pictures.terminal import PROMPT, shown

TABLE = "b2b_pilot_user_submissions"
BREAK = f"ALTER TABLE {TABLE} ADD CONSTRAINT {CONSTRAINT} CHECK (length(body) < 50) NOT VALID"
REPAIR = f"ALTER TABLE {TABLE} DROP CONSTRAINT {CONSTRAINT}"
BROKEN = 3 + 1
"""Dead letters: three messages that are too long now, and one that can never be stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Somebody at a terminal, with an environment."""

    machine: Machine

    def run(self, *arguments: str) -> str:
        return shown(
            arguments, environment={"B2BPILOT_HOME": str(self.machine.home), "HOME": str(self.machine.home)}
        )

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.machine.state.database_url) as connection:
            connection.execute(statement)


def demonstration(home: Path) -> str:
    """What the whole demonstration shows; it starts and ends an environment of its own."""
    return f"{PROMPT}b2bpilot demo\n{shown(['demo'], environment={'HOME': str(home)})}"


def evening(seat: Seat) -> Iterator[tuple[str, str]]:
    """Yield each picture's name, and what the terminal showed."""
    for kind in ("text", "media", "button", "emoji"):
        seat.run(*_post(kind))
    seat.execute(BREAK)
    seat.run(*_post("text", "--count", "3", "--body", LONG))
    seat.run(*_post("poison"))
    eventually(lambda: _dead_letters(seat) >= BROKEN, "four dead letters")
    yield "status", _seen(seat, "status -e local")
    seat.execute(REPAIR)
    yield "redrive", _seen(seat, "dlq list -e local", "dlq redrive -e local --group G1 --yes")


def _seen(seat: Seat, *lines: str) -> str:
    """What stands on the screen when these commands were typed, and have ended."""
    return "\n".join(f"{PROMPT}b2bpilot {line}\n{seat.run(*line.split())}" for line in lines)


def _post(*message: str) -> tuple[str, ...]:
    return ("publish", "-e", "local", "--via", "webhook", "--real", "--yes", *message)


def _dead_letters(seat: Seat) -> int:
    asked = seat.machine.client("sqs").get_queue_attributes(
        QueueUrl=seat.machine.stack_output("DeadLetterQueueUrl"),
        AttributeNames=["ApproximateNumberOfMessages"],
    )
    return int(asked["Attributes"]["ApproximateNumberOfMessages"])
