"""A plan in a file: exactly these dead letters, decided now, sent later; nothing that came in between."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from b2bpilot.advice import our_command
from b2bpilot.errors import PartlyFailed, UsageError
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.recipient import place_in_words
from b2bpilot.ops.redrive.plan import Plan
from b2bpilot.ops.table.asked import Table
from b2bpilot.ops.table.row_state import Asked, RowState, row_states
from b2bpilot.paths import open_private
from b2bpilot.pipeline.message import format_time, parse_time

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenPlan:
    """The dead letters to send, by their id in the queue, with the message in each."""

    environment: str
    queue_url: str
    made_at: datetime
    dead_letters: dict[str, str]
    subscriber: str | None = None
    """Whose they are, where they are not the processor's."""
    subscription: str | None = None
    """The ARN of that subscriber's subscription: a name may come to mean another one."""
    tests: frozenset[str] = frozenset()
    """The dead letters of test messages; a plan of a version that did not write them names none."""

    def gone(self, queue_message_ids: Iterable[str]) -> list[Asked]:
        """Return the messages of dead letters that are not in the queue any more."""
        there = set(queue_message_ids)
        return [
            Asked(message_id, dead_letter in self.tests)
            for dead_letter, message_id in self.dead_letters.items()
            if dead_letter not in there
        ]

    def require_the_others(self, plan: Plan, table: Table) -> None:
        """Raises PartlyFailed when some were not there, and the rows do not say that somebody saw to them."""
        states = row_states(table, self.gone(item.dead_letter.queue_message_id for item in plan.items))
        open_ = [message.message_id for message, state in states.items() if state is not RowState.COMPLETED]
        if open_:
            raise PartlyFailed(
                f"{len(open_):,} of the plan neither seen in the queue nor completed, such as {open_[0]}",
                hint="another process may have received them: apply the plan again, or see "
                + our_command("inspect", open_[0]),
            )


def freeze(plan: Plan, path: Path, *, environment: Environment, now: datetime) -> FrozenPlan:
    """Write the dead letters that the plan sends or removes. The file holds ids only. Raises UsageError if it exists."""
    chosen = [item for item in plan.items if item.acts]
    dead_letters = {
        item.dead_letter.queue_message_id: item.dead_letter.message.message_id
        for item in chosen
        if item.dead_letter.message
    }
    tests = frozenset(
        item.dead_letter.queue_message_id
        for item in chosen
        if item.dead_letter.message and item.dead_letter.message.test
    )
    queue_url, other = environment.recipient.dead_letter_queue_url, environment.other
    frozen = FrozenPlan(
        environment=environment.name,
        queue_url=queue_url,
        made_at=now,
        dead_letters=dead_letters,
        subscriber=other.name if other else None,
        subscription=other.subscription_arn if other else None,
        tests=tests,
    )
    document = {
        "schema_version": SCHEMA_VERSION,
        "environment": environment.name,
        **({"subscriber": other.name, "subscription": other.subscription_arn} if other else {}),
        "queue_url": queue_url,
        "made_at": format_time(now),
        "letters": dead_letters,
        "tests": sorted(tests),
    }
    try:
        with open_private(path, "x") as file:
            json.dump(document, file, indent=2)
    except OSError as exc:
        raise UsageError(f"the plan cannot be written to {path}: {exc.strerror}") from exc
    return frozen


def thaw(path: Path, *, environment: Environment) -> FrozenPlan:
    """Read a plan. Raises UsageError when it is none, or was made for another environment or subscriber."""
    try:
        document = json.loads(path.read_text())
        frozen = FrozenPlan(
            environment=document["environment"],
            queue_url=document["queue_url"],
            made_at=parse_time(document["made_at"]),
            dead_letters=dict(document["letters"]),
            subscriber=document.get("subscriber"),
            subscription=document.get("subscription"),
            tests=frozenset(document.get("tests", ())),
        )
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise UsageError(f"{path} is not a plan of `dlq redrive --plan`") from exc
    if not _is_of(frozen, environment):
        made_for = place_in_words(frozen.environment, frozen.subscriber)
        this = place_in_words(environment.name, environment.subscriber)
        other = "another subscription or queue of " if made_for == this else ""
        raise UsageError(
            f"{path} was made for {other}{made_for}, not for {'this one' if other else this}",
            hint="make a new plan",
        )
    return frozen


def _is_of(frozen: FrozenPlan, environment: Environment) -> bool:
    """Two subscribers may share a queue, and one may have the name that another had. An earlier version's plan tells no more
    than the name."""
    other = environment.other
    subscription = other.subscription_arn if other and frozen.subscription else None
    return (frozen.environment, frozen.queue_url, frozen.subscriber, frozen.subscription) == (
        environment.name,
        environment.recipient.dead_letter_queue_url,
        environment.subscriber,
        subscription,
    )
