"""Messages of every kind that the pipeline publishes, to hold against a filter policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from b2bpilot.ops.subscriptions.filter_policy import Evaluation, evaluate
from b2bpilot.pipeline.message import PilotMessage, Priority, Source, encode, new_message_id
from b2bpilot.twilio.samples import Sample, sample_params

KINDS = (Sample.TEXT, Sample.MEDIA, Sample.BUTTON, Sample.LOCATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A kind of message that a policy does not let through, or of which that cannot be told."""

    what: str
    evaluation: Evaluation


def messages() -> Iterator[tuple[str, PilotMessage]]:
    """Yield what each is, and the message: of every source, every kind, both priorities, real and test."""
    for source in Source:
        for kind in KINDS:
            params = sample_params(kind)
            yield f"{kind.value} message from {source.value}", _message(source, params)
        yield f"test message from {source.value}", _message(source, sample_params(Sample.TEXT), test=True)
    urgent = _message(Source.TWILIO, sample_params(Sample.TEXT), priority=Priority.HIGH)
    yield "text message of high priority", urgent


def rejected(policy: str | None, scope: str) -> list[Rejected]:
    """Return which of our messages a subscription with this policy does not certainly get."""
    found = ((what, evaluate(policy, scope, encode(message))) for what, message in messages())
    return [Rejected(what=what, evaluation=one) for what, one in found if one.accepts is not True]


def _message(
    source: Source,
    params: Mapping[str, str],
    *,
    test: bool = False,
    priority: Priority = Priority.NORMAL,
) -> PilotMessage:
    return PilotMessage(
        message_id=new_message_id(),
        source=source,
        received_at=datetime.now(UTC),
        params=params,
        test=test,
        priority=priority,
    )
