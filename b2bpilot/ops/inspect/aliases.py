"""Ids that are not a message's own: SNS's MessageId, a Lambda request id, a dead letter's id in the queue."""

from __future__ import annotations

from collections.abc import Sequence

from b2bpilot.ops.inspect.dead_letters import sns_message_id
from b2bpilot.ops.logs.entry import LogEntry
from b2bpilot.pipeline.dead_letter import DeadLetter

OWN = "message_id"
SNS = "SNS's MessageId"


def other_messages(
    identifier: str, lines: Sequence[LogEntry], dead_letters: Sequence[DeadLetter]
) -> dict[str, str]:
    """Return the messages that the id leads to, and as what; none when it is a message's own."""
    found = {line.message_id: _role_in_line(identifier, line) for line in lines}
    for dead_letter in dead_letters:
        if dead_letter.message:
            found.setdefault(dead_letter.message.message_id, _role_in_dead_letter(identifier, dead_letter))
    if OWN in found.values():
        return {}
    return {message_id: role for message_id, role in found.items() if message_id and role}


def _role_in_line(identifier: str, line: LogEntry) -> str | None:
    if line.message_id == identifier:
        return OWN
    if line.value("sns_message_id") == identifier:
        return SNS
    return f"a request of the function {line.function}" if line.request_id == identifier else None


def _role_in_dead_letter(identifier: str, dead_letter: DeadLetter) -> str | None:
    if dead_letter.message and dead_letter.message.message_id == identifier:
        return OWN
    if sns_message_id(dead_letter) == identifier:
        return SNS
    if dead_letter.failure.request_id == identifier:
        return "a request of the function processor"
    return "a dead letter's id" if dead_letter.queue_message_id == identifier else None
