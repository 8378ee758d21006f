"""Who gets what: for people the kinds of message that go the same way, for programs each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Row, Tone, Toned
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.subscribers.kinds import MessageKind
    from b2bpilot.ops.subscribers.who_gets_what import Answers, KindGroup, WhoGetsWhat


def show(pilot: Pilot, found: WhoGetsWhat) -> None:
    """Show all of it, and why, where the processor misses something or nobody can tell."""
    if pilot.output.format is Format.TABLE:
        pilot.output.rows("groups", [_group(one, found.names) for one in found.groups()])
    else:
        pilot.output.rows(
            "kinds", [_kind(kind, answers, found.names) for kind, answers in found.answers.items()]
        )
    for name, reasons in found.why.items():
        for reason in reasons:
            pilot.output.notice(f"{name}: {reason}")
    if found.missed:
        pilot.output.notice(
            f"The processor misses {len(found.missed)} of {many(len(found.answers), 'kind')} of message: what it does not get "
            "is not stored. "
            + our_command("subscribers")
            + " has the command that takes a filter policy away"
        )


def _group(group: KindGroup, names: tuple[str, ...]) -> Row:
    is_missed = group.answers[0] is False
    left_out = _names(group.named(names, False))
    return Row(
        fields={},
        columns={
            "kinds": str(len(group.kinds)),
            "received by": _names(group.named(names, True)),
            "not by": Toned(left_out, Tone.FAILED) if is_missed else left_out,
            "unknown": _names(group.named(names, None)),
            "messages": group.in_words(),
        },
    )


def _kind(kind: MessageKind, answers: Answers, names: tuple[str, ...]) -> Row:
    return Row(
        fields={
            "source": kind.source.value if kind.source else None,
            "message_type": kind.message_type.value if kind.message_type else None,
            "priority": kind.priority.value if kind.priority else None,
            "redriven": kind.is_redriven,
            "kind": str(kind),
            "receives": dict(zip(names, answers, strict=True)),
        },
        columns={},
    )


def _names(found: list[str]) -> str:
    return ", ".join(found) or "-"
