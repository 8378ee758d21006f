"""`b2bpilot publish`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.context import Pilot, pilot_of
from b2bpilot.cli.durations import parse_duration
from b2bpilot.cli.privacy import cut, mask_number

if TYPE_CHECKING:
    from b2bpilot.ops.publish import Waited
    from b2bpilot.pipeline.message import PilotMessage


def publish(
    ctx: typer.Context,
    *,
    body: Annotated[str | None, typer.Option(help="The text.", metavar="TEXT")] = None,
    from_number: Annotated[str | None, typer.Option("--from", help="The sender.", metavar="NUMBER")] = None,
    to_number: Annotated[str | None, typer.Option("--to", help="The receiver.", metavar="NUMBER")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(help="Any other Twilio parameter; repeatable.", metavar="KEY=VALUE"),
    ] = None,
    message_id: Annotated[
        str | None,
        typer.Option(
            help="The id, instead of a new one; publishing it twice stores it once.", metavar="UUID"
        ),
    ] = None,
    wait: Annotated[
        str | None,
        typer.Option(
            help="Wait until the row is there, 30s unless a duration follows.", metavar="[DURATION]"
        ),
    ] = None,
    real: Annotated[
        bool, typer.Option("--real", help="No test message: a configured reply is sent.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask (with --real).")] = False,
) -> None:
    """Publish one message to the environment's topic. It is a test message unless --real: no reply is sent to anybody.

    "Published" means that SNS has it; with --wait the row in the database is the proof.

    Example: b2bpilot publish -e staging --body "hello" --wait
    """
    from b2bpilot.ops import publish as operation
    from b2bpilot.ops.parameters import parse_parameter

    pilot = pilot_of(ctx)
    timeout = parse_duration(wait, "--wait") if wait else None
    named = {"From": from_number, "To": to_number, "Body": body}
    params = {name: value for name, value in named.items() if value is not None}
    params |= dict(parse_parameter(text) for text in param or [])
    message = operation.compose(params, message_id=message_id, real=real, now=pilot.now())
    if real:
        pilot.confirmation(yes=yes).ask(_plan(pilot, message), "Publish it?")
    _publish(pilot, message, timeout)


def _publish(pilot: Pilot, message: PilotMessage, timeout: timedelta | None) -> None:
    from b2bpilot.ops import publish as operation

    topic = pilot.environment.topic()

    def published(sns_message_id: str) -> None:
        _show_published(pilot, message, sns_message_id)

    if timeout is None:
        published(operation.publish(message, topic, clock=pilot.now))
        return
    with (
        pilot.database() as database,
        pilot.output.progress("Publishing, then waiting for the row") as observe,
    ):
        waited = operation.publish_and_wait(
            message,
            topic,
            database,
            timeout=timeout,
            clock=pilot.now,
            published=published,
            observe=observe,
        )
    _show_waited(pilot, waited)
    operation.require_stored(message.message_id, waited, timeout=timeout)


def _plan(pilot: Pilot, message: PilotMessage) -> list[str]:
    number = mask_number(message.params["From"])
    return [
        f"Publish 1 real message to {pilot.environment}: from {number}, {cut(message.params['Body'])!r}.",
        "If the environment has a reply configured, that number gets it.",
    ]


def _show_published(pilot: Pilot, message: PilotMessage, sns_message_id: str) -> None:
    published = {
        "message_id": message.message_id,
        "sns_message_id": sns_message_id,
        "test": message.test,
        "environment": pilot.environment.name,
    }
    kind = "test, SNS" if message.test else "SNS"
    text = f"Published {message.message_id} ({kind} {sns_message_id})"
    pilot.output.record({"published": published}, text=[text])


def _show_waited(pilot: Pilot, waited: Waited) -> None:
    from b2bpilot.ops.publish import Verdict

    row, latency = waited.submission, waited.latency
    latency_ms = latency / timedelta(milliseconds=1) if latency else None
    fields = {
        "verdict": waited.verdict.value,
        "latency_ms": latency_ms,
        "attempts": row.attempts if row else None,
        "last_error": row.last_error if row else None,
    }
    text = []
    if waited.verdict is Verdict.STORED and latency_ms is not None:
        text = [f"Stored {latency_ms:.0f} ms after it was published"]
    if waited.verdict is Verdict.STORED_BEFORE:
        text = ["It was stored before: the processor skips it as a duplicate"]
    pilot.output.record({"waited": fields}, text=text)
