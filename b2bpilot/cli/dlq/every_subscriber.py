"""`b2bpilot dlq list --all`: each subscriber's dead letters under its name; who cannot be read stops nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from b2bpilot.cli.frame.context import Pilot
from b2bpilot.errors import AwsError, PartlyFailed, PilotError, UsageError

if TYPE_CHECKING:
    from b2bpilot.ops.recipient import Recipient


def require_alone(pilot: Pilot, *, watch: bool) -> None:
    """Raises UsageError."""
    beside = "--subscriber" if pilot.subscriber else "--watch" if watch else None
    if beside:
        raise UsageError(f"--all cannot be used with {beside}", hint="leave one of them out")


def each(pilot: Pilot, show: Callable[[Pilot], dict[str, object]]) -> list[dict[str, object]]:
    """Call `show` for the processor and for every other subscriber that has dead letters of its own, and return what it
    returned. Raises PartlyFailed, at the end, when one could not be read; who keeps none is only said."""
    from b2bpilot.ops.recipient import PROCESSOR
    from b2bpilot.ops.subscribers.discovery import KeepsNone

    found: list[dict[str, object]] = []
    unread: list[str] = []
    for name, recipient in _recipients(pilot):
        if isinstance(recipient, KeepsNone):
            pilot.output.notice(f"Not listed: {recipient.why}")
            found.append({"subscriber": name, "error": recipient.why})
            continue
        try:
            if isinstance(recipient, PilotError):
                raise recipient
            found.append({"subscriber": name, **show(pilot.about(None if name == PROCESSOR else recipient))})
        except PilotError as exc:
            pilot.output.lines([f"Subscriber {name}: not read"])
            pilot.output.notice(f"Subscriber {name}: not read: {exc}")
            found.append({"subscriber": name, "error": str(exc)})
            unread.append(name)
    pilot.output.record({"subscribers": found}, text=())
    if unread:
        raise PartlyFailed(
            f"the dead letters of {', '.join(unread)} were not read",
            hint="each says above why; the others are whole",
        )
    return found


def _recipients(pilot: Pilot) -> Iterator[tuple[str, Recipient | PilotError]]:
    """The processor comes first, subscribed or not: its queue is the stack's."""
    from b2bpilot.ops.recipient import PROCESSOR
    from b2bpilot.ops.subscribers.discovery import others_among, recipient_of
    from b2bpilot.ops.subscribers.naming import endpoints_of_others

    environment = pilot.environment
    yield PROCESSOR, environment.recipient
    try:
        listed = environment.subscribers.listed()
        others = others_among(environment, listed)
    except AwsError as exc:
        yield "others", exc
        return
    pilot.remember_subscribers(endpoints_of_others(listed, environment))
    queues: set[tuple[str, str]] = set()
    for one in sorted(others, key=lambda one: one.name):
        try:
            recipient = recipient_of(environment, one)
        except PilotError as exc:
            yield one.name, exc
            continue
        place = (one.name, recipient.dead_letter_queue_arn)
        if place not in queues:
            queues.add(place)
            yield one.name, recipient
