"""What each command that keeps a journal is about: how it is typed, what its keys name, and its own words for what it did."""

from __future__ import annotations

import pkgutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from b2bpilot.cli.frame.context import Pilot
    from b2bpilot.ops.runs.record import MessageState, RunRecord

IN_QUEUE = "id in the queue"
UNKNOWN, NOT_BEGUN, LEFT = "unknown", "not_begun", "left"
DONE_AT_LAST = "deleted"
PERHAPS = {"sending": "perhaps sent", "unknown": "perhaps sent", "removing": "perhaps deleted"}
"""What is under way counts as unknown from the moment it begins, until its result is written."""
TO_BE_DONE = (None, "send", "second", "remove")


class Resumer(Protocol):
    """Goes on with a run that ended early: asks, changes, tells. It finds nothing left to do for what is done."""

    def __call__(self, pilot: Pilot, record: RunRecord, *, yes: bool) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKind:
    """The runs of one command. `key` is the heading of what a journal calls `queue_message_id`, None where that is the
    message_id once more."""

    typed: str
    unit: str = "dead letters"
    """What its counts count."""
    key: str | None = IN_QUEUE
    well: str = DONE_AT_LAST
    """The last thing that the journal says of a message when all went well."""
    perhaps: Mapping[str, str] = field(default_factory=dict)
    """What else is unknown while the run is under way, and other words for what is."""
    words: Mapping[str, str] = field(default_factory=dict)
    unfinished: Mapping[str, str] = field(default_factory=dict)
    """Words for what may go on: of a run that wrote no end."""
    total: str | None = None
    """The parameter that says how many messages the run is about, where the journal holds no plan of them."""
    archives: bool = False
    resume: str | None = None
    """Where the function is that goes on with a run, as `module:function`: it is loaded when one goes on."""

    def resumer(self) -> Resumer | None:
        return cast("Resumer", pkgutil.resolve_name(self.resume)) if self.resume else None

    def perhaps_done(self, message: MessageState) -> str | None:
        """Return what may have been done with a message, None where it is known."""
        return {**PERHAPS, **self.perhaps}.get(message.stage.value)

    def word(self, stage: str, record: RunRecord) -> str:
        """Return how a stage is called."""
        words = {**self.words, **(self.unfinished if record.counts is None else {})}
        return words.get(stage, stage)


PLACES = {
    "publish": "b2bpilot.cli.publish.command:RUN",
    "load": "b2bpilot.cli.load.command:RUN",
    "republish": "b2bpilot.cli.submissions.republish:RUN",
    "backfill": "b2bpilot.cli.subscribers.backfill:RUN",
    "redrive": "b2bpilot.cli.dlq.redrive:RUN",
    "redrive-lambda": "b2bpilot.cli.dlq.redrive:RUN_INSIDE_AWS",
    "replay": "b2bpilot.cli.dlq.replay:RUN",
    "discard": "b2bpilot.cli.dlq.discard:RUN",
    "restore": "b2bpilot.cli.dlq.restore:RUN",
    "edit": "b2bpilot.cli.dlq.edit:RUN",
    "reconcile": "b2bpilot.cli.twilio.recovery:RUN",
    "cutover": "b2bpilot.cli.twilio.switch:CUTOVER",
    "rollback": "b2bpilot.cli.twilio.switch:ROLLBACK",
}
"""Where each command declares its own, by its name as the journal has it; loaded when a run of it is looked at."""


def kind_of(record: RunRecord) -> RunKind:
    """Return the command's own words; those of a command that this version does not know claim nothing."""
    return kind_named(record.command)


def kind_named(command: str) -> RunKind:
    """Return the same by the command's name in the journal."""
    if command not in PLACES:
        return RunKind(typed=command, unit="", key="key")
    found: RunKind = pkgutil.resolve_name(PLACES[command])
    return found


def so_far(record: RunRecord) -> Counter[str]:
    """Return how far the messages of a run are, by its journal: names for programs."""
    kind = kind_of(record)
    found = Counter(_place(message, kind) for message in record.messages.values())
    planned = record.parameters.get(kind.total) if kind.total else None
    if isinstance(planned, int) and planned > len(record.messages):
        found[NOT_BEGUN] += planned - len(record.messages)
    return found


def so_far_in_words(record: RunRecord) -> list[str]:
    """Return the same for people, the largest part of the truth first: `20 accepted`, `10 unknown: perhaps sent`."""
    kind, counts = kind_of(record), so_far(record)
    perhaps = sorted({text for message in record.messages.values() if (text := kind.perhaps_done(message))})
    words = {UNKNOWN: f"{UNKNOWN} ({', '.join(perhaps)})", NOT_BEGUN: "not begun"}
    return [
        f"{count:,} {words.get(name) or kind.word(name, record)}"
        for name, count in counts.most_common()
        if count
    ]


def _place(message: MessageState, kind: RunKind) -> str:
    if kind.perhaps_done(message):
        return UNKNOWN
    if message.stage.value != "planned":
        return message.stage.value
    return NOT_BEGUN if message.decision in TO_BE_DONE else LEFT
