"""Checks of the category `end-to-end`: a test message becomes exactly one row, also when it comes twice."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from b2bpilot.advice import our_command
from b2bpilot.ops.publish.echo import sentence
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.end_to_end_message import EndToEndMessage, FirstSending, SecondSending

WITHOUT_WHICH_IT_FAILS = (
    *("B2B016", "B2B017", "B2B018"),
    *("B2B020", "B2B021", "B2B022", "B2B023", "B2B024", "B2B025", "B2B026"),
    *("B2B030", "B2B033", "B2B034", "B2B036"),
    *("B2B040", "B2B041", "B2B044", "B2B046", "B2B051"),
    *("B2B077", "B2B078", "B2B079", "B2B080", "B2B081", "B2B082", "B2B083"),
)
"""Where one of these has failed, a test message would only say so again, and leave a dead letter."""
PERMISSIONS = (
    "secretsmanager:GetSecretValue",
    "sns:Publish",
    "logs:FilterLogEvents",
    "sns:ListSubscriptionsByTopic",
    "sns:GetSubscriptionAttributes",
)


def _message(deployment: Deployment) -> EndToEndMessage:
    def begin() -> EndToEndMessage:
        message = EndToEndMessage(deployment)
        deployment.test_messages[message.message_id] = lambda: message.remove().is_certain
        return message

    found: EndToEndMessage = deployment.ask("test message", begin)
    return found


def _first(deployment: Deployment) -> FirstSending:
    found: FirstSending = deployment.ask("first sending", lambda: _message(deployment).send())
    return found


def _second(deployment: Deployment) -> SecondSending:
    found: SecondSending = deployment.ask("second sending", lambda: _message(deployment).send_again())
    return found


def _stored(deployment: Deployment) -> Answer:
    if not deployment.choices.end_to_end:
        return unanswered(deployment.choices.because)
    first = _first(deployment)
    message_id = _message(deployment).message_id
    if first.waited is None:
        return fails(f"test message {message_id} was not taken: {first.sent.error}", may_change=True)
    waited, seconds = first.waited, deployment.choices.row_seconds
    if waited.published.is_new:
        latency = waited.latency
        after = "" if latency is None else f" after {latency.total_seconds() * 1000:.0f} ms"
        return holds(
            f"stored{after}, through the {first.via}; message {message_id}{_message(deployment).reach}"
        )
    found = waited.published.why
    return fails(
        f"test message {message_id}, sent through the {first.via}, was not stored within {seconds:g} s: {found}",
        fix=our_command("inspect", message_id),
        may_change=True,
    )


def _once(deployment: Deployment) -> Answer:
    second = _second(deployment)
    if not second.sent.is_confirmed:
        return fails(f"the second sending was not taken: {second.sent.error}", may_change=True)
    if second.rows != 1:
        return fails(f"message {_message(deployment).message_id} has {second.rows} rows")
    if second.events is None:
        return unanswered(f"1 row, but whether the second came is unknown: {second.log_error}")
    told = sentence(second.events, 2 * second.each)
    if second.events.get("duplicate", 0) < second.each:
        return unanswered(f"1 row, but the processor's log does not tell of the second sending: {told}")
    return holds(f"1 row; {2 * second.each} deliveries: {told}")


def _removed(deployment: Deployment) -> Answer:
    message = _message(deployment)
    if deployment.choices.keep:
        return unanswered(f"the row of message {message.message_id} is kept, as --keep asks")
    # The second delivery would make the row again.
    _settled(deployment)
    removal = message.remove()
    if not removal.is_certain:
        return fails(f"a delivery of {message.message_id} was still on its way: a test row may come back")
    return holds("nothing of the test is left in the table")


def _settled(deployment: Deployment) -> None:
    """The check before this one tells of whatever goes wrong here."""
    with suppress(Exception):
        _second(deployment)


check = partial(Check, category=Category.END_TO_END, actions=PERMISSIONS, needs=("B2B096",))

CHECKS = (
    check(
        code="B2B096",
        statement="a test message becomes a row",
        why="All parts can look right and still not work together.",
        fix=our_command("diagnose", "not-processed"),
        probe=_stored,
        needs=("B2B010", "B2B075", "B2B110"),
        unless_failed=WITHOUT_WHICH_IT_FAILS,
        extra_seconds=20,
    ),
    check(
        code="B2B097",
        statement="sent again, it stays one row",
        why="Twilio, SNS and Lambda all deliver twice at times; a second row is a second order.",
        fix=our_command("diagnose", "duplicates"),
        probe=_once,
        extra_seconds=30,
    ),
    check(
        code="B2B099",
        statement="the test leaves nothing behind",
        why="A test row must not be taken for a customer's message.",
        probe=_removed,
        severity=Severity.WARNING,
        extra_seconds=60,
        actions=(),
    ),
)
