"""A run that publishes: its plan on disk, its sending, and going on with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from b2bpilot.advice import our_command
from b2bpilot.aws.secrets import read_secret
from b2bpilot.aws.session import Timeouts
from b2bpilot.errors import PartlyFailed, PilotError, PublishFailed, Refused, SettingsInvalid
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.publish.order import Item, PublishOrder
from b2bpilot.ops.publish.outbox import Outbox
from b2bpilot.ops.publish.routes import PublishRoute, TopicPublishRoute, Via, WebhookRoute
from b2bpilot.ops.publish.sending import Dispatch, Observe, Publishing, SentItem
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import MessageState, RunRecord, is_sent
from b2bpilot.ops.sending.pace import Limits, Pace
from b2bpilot.ops.sending.result import SendOutcome
from b2bpilot.twilio.webhook import WebhookClient

COMMAND = "publish"
DEFAULT_CONCURRENCY = 8
ASK_ABOVE = 100
"""More messages than these, anywhere but in the local environment, are asked about first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPlan:
    """What is on disk to be sent. `message_ids` are in order, each once."""

    outbox: Outbox
    items: int
    message_ids: Sequence[str]


def route_of(environment: Environment, via: Via, *, clock: Callable[[], datetime]) -> PublishRoute:
    """Return the route. A call is made once: whether it is made again is the run's decision, and written down.

    Raises SettingsInvalid when the secret has no token to sign with, AwsError.
    """
    if via is Via.TOPIC:
        return TopicPublishRoute(environment.topic(Timeouts(attempts=1)), clock=clock)
    token, stack = auth_token(environment), environment.stack
    return WebhookRoute(
        lambda: WebhookClient(stack.webhook_url, auth_token=token),
        high_priority_numbers=stack.high_priority_numbers,
    )


def auth_token(environment: Environment) -> str:
    """Return the token that the environment's webhook checks signatures with. Raises SettingsInvalid, AwsError."""
    arn = environment.stack.twilio_secret
    token = read_secret(arn, environment.access.client("secretsmanager")).get("TWILIO_AUTH_TOKEN")
    if not token:
        raise SettingsInvalid(
            f"secret {arn} has no TWILIO_AUTH_TOKEN to sign with", hint="use --via topic, or deploy the token"
        )
    return token


def plan(order: PublishOrder, outbox: Outbox, *, clock: Callable[[], datetime]) -> PublishPlan:
    """Write down every message before the first is sent. Raises JournalFailed; then nothing was sent."""
    message_ids: dict[str, None] = {}

    def noted(item: Item) -> Item:
        message_ids[item.message.message_id] = None
        return item

    items = outbox.fill(noted(item) for item in order.each(clock=clock))
    return PublishPlan(outbox=outbox, items=items, message_ids=list(message_ids))


def send(
    planned: PublishPlan,
    route: PublishRoute,
    journal: Journal,
    limits: Limits,
    *,
    known: Mapping[str, MessageState] | None = None,
    watch: Callable[[Pace], Observe] = lambda _pace: lambda _results: None,
) -> Dispatch:
    """Send what is not known to be sent; a run of which everything is keeps no messages on disk."""
    known = known or {}
    pace = Pace(limits)
    perhaps = frozenset(key for key, state in known.items() if state.perhaps_sent)
    sending = Publishing(route=route, journal=journal, pace=pace, perhaps_before=perhaps, observe=watch(pace))
    items = (item for item in planned.outbox.items() if not is_sent(known.get(item.key)))
    earlier = sum(state.was_accepted for state in known.values())
    dispatch = sending.run(items, total=planned.items, earlier=earlier)
    if dispatch.is_complete:
        planned.outbox.delete()
    return dispatch


def planned_again(record: RunRecord, home: Path) -> PublishPlan:
    """Return the plan of an interrupted or partly failed run. Raises Refused when nothing is left of it."""
    outbox = Outbox(home, record.run_id)
    outbox.require(record.run_id)
    keys = [(item.key, item.message.message_id) for item in outbox.items()]
    if len(keys) < record.parameters.get("items", 0):
        raise Refused(
            f"run {record.run_id} ended while it wrote its plan, before anything was sent",
            hint="publish again",
            outcome="",
        )
    return PublishPlan(
        outbox=outbox, items=len(keys), message_ids=list(dict.fromkeys(message_id for _, message_id in keys))
    )


def require_all_accepted(dispatch: Dispatch, run_id: str, *, done: str = "published") -> None:
    """Raises the reason when nothing was accepted at all, PartlyFailed when something was, unless all was."""
    if dispatch.is_complete:
        return
    hint = "send the rest: " + our_command("runs", "resume", run_id)
    if dispatch.fatal is not None and not dispatch.accepted + dispatch.earlier + dispatch.unknown:
        raise dispatch.fatal
    text = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in dispatch.counts().items() if count
    )
    raise PartlyFailed(f"not all messages are known to be {done}: {text}", hint=hint)


def reason_of_one(result: SentItem) -> PilotError | None:
    """Return why the only message of a run is not known to be published."""
    if result.outcome is SendOutcome.ACCEPTED:
        return None
    error = result.error or PublishFailed("the message was not published")
    if result.outcome is not SendOutcome.UNKNOWN:
        return error
    return PartlyFailed(f"nobody knows whether the message was published: {error}", hint=error.hint)
