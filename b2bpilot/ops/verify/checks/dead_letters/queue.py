"""Checks of the category `dead-letters`: how the queue is set up. The dead letters in it: waiting.py."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from b2bpilot.aws.queue_attributes import QueueAttributes, existing_queue
from b2bpilot.errors import NotFound
from b2bpilot.ops.subscribers.admission import admits
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered
from b2bpilot.ops.verify.commands import aws, document, one_after_another
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.exposure import open_to_all, plain_http_refused, refuses_plain_http, with_statements

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

READ = ("sqs:GetQueueAttributes",)
RETENTION = timedelta(days=14)
LONGEST_MESSAGE_BYTES = 1_048_576


def _found(deployment: Deployment) -> QueueAttributes | None:
    client: SQSClient = deployment.client("sqs")
    queue: QueueAttributes | None = deployment.ask(
        "queue", lambda: existing_queue(client, deployment.stack.dead_letter_queue_url)
    )
    return queue


def queue_of(deployment: Deployment) -> QueueAttributes:
    queue = _found(deployment)
    if queue is None:
        raise NotFound(f"there is no queue {deployment.stack.dead_letter_queue_url}")
    return queue


def _exists(deployment: Deployment) -> Answer:
    queue = _found(deployment)
    return holds(queue.arn) if queue else fails(f"there is no queue {deployment.stack.dead_letter_queue_url}")


def _admits_sns(deployment: Deployment) -> Answer:
    queue, topic_arn = queue_of(deployment), deployment.stack.topic_arn
    match admits(queue.policy, action="sqs:SendMessage", topic_arn=topic_arn):
        case True:
            return holds(f"SNS from {topic_arn}")
        case None:
            return unanswered("the queue's policy uses what this version does not know")
    statement = {
        "Sid": "AllowRedriveOfTheSubscription",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
    added = [statement]
    if not refuses_plain_http(queue.policy, "sqs:SendMessage"):
        added.append(dict(plain_http_refused("sqs:*", queue.arn)))
    told = "the queue's policy does not let SNS write to it from this topic"
    return fails(told, fix=_set(deployment, Policy=document(with_statements(queue.policy, added))))


def _set(deployment: Deployment, **attributes: str) -> str:
    return aws(
        "sqs", "set-queue-attributes", "--queue-url", deployment.stack.dead_letter_queue_url,
        "--attributes", document(attributes),
    )  # fmt: skip


def _moves_nothing(deployment: Deployment) -> Answer:
    policy = queue_of(deployment).redrive_policy
    if policy is None:
        return holds("it has no redrive policy of its own")
    return fails(f"after {policy.max_receive_count} receives a dead letter goes to {policy.target_arn}")


def _keeps(deployment: Deployment) -> Answer:
    retention = queue_of(deployment).retention
    return (
        holds(in_words(retention))
        if retention == RETENTION
        else fails(f"the queue keeps dead letters for {in_words(retention)} instead of 14 days")
    )


def _encrypted(deployment: Deployment) -> Answer:
    queue = queue_of(deployment)
    is_tls_only = refuses_plain_http(queue.policy, "sqs:SendMessage")
    if queue.is_encrypted and is_tls_only:
        return holds("at rest; plain HTTP is refused")
    changes: dict[str, str] = {}
    if not queue.is_encrypted:
        changes["SqsManagedSseEnabled"] = "true"
    if not is_tls_only:
        statement = plain_http_refused("sqs:*", queue.arn)
        changes["Policy"] = document(with_statements(queue.policy, [statement]))
    wrong = [
        *([] if queue.is_encrypted else ["nothing encrypts the queue"]),
        *([] if is_tls_only else ["the queue takes plain HTTP"]),
    ]
    return fails("; ".join(wrong), fix=_set(deployment, **changes))


def _private(deployment: Deployment) -> Answer:
    found = open_to_all(queue_of(deployment).policy)
    if not found:
        return holds("no statement of its policy is for everybody")
    names = [one.get("Sid") for one in found]
    url = deployment.stack.dead_letter_queue_url
    told = ", ".join(str(name or "one without a Sid") for name in names)
    commands = [
        aws("sqs", "remove-permission", "--queue-url", url, "--label", str(name)) for name in names if name
    ]
    return fails(f"the queue's policy lets everybody in: {told}", fix=one_after_another(commands))


def _takes_all(deployment: Deployment) -> Answer:
    longest = queue_of(deployment).longest_message_bytes
    if longest >= LONGEST_MESSAGE_BYTES:
        return holds("1 MiB")
    return fails(f"the queue takes messages of {longest:,} bytes instead of {LONGEST_MESSAGE_BYTES:,}")


def in_words(duration: timedelta) -> str:
    if duration < timedelta(hours=2):
        return f"{duration.total_seconds():,.0f} s"
    if duration < timedelta(days=2):
        return f"{duration.total_seconds() / 3600:,.0f} h"
    return f"{duration.total_seconds() / 86_400:,.1f} days".replace(".0 ", " ")


check = partial(Check, category=Category.DEAD_LETTERS, actions=READ, needs=("B2B060",))

CHECKS = (
    check(
        code="B2B060",
        statement="the dead-letter queue is there",
        why="What fails is lost without it.",
        probe=_exists,
        needs=("B2B010",),
    ),
    check(
        code="B2B061",
        statement="the queue lets SNS write to it from this topic",
        why="What SNS cannot deliver is lost when it cannot write it there.",
        probe=_admits_sns,
    ),
    check(
        code="B2B062",
        statement="the queue does not move dead letters on",
        why="Every read counts as a receive: after a few, dead letters would move to where no command looks.",
        fix="aws sqs set-queue-attributes --queue-url {dead_letter_queue_url} "
        """--attributes '{{"RedrivePolicy": ""}}'""",
        probe=_moves_nothing,
    ),
    check(
        code="B2B063",
        statement="the queue keeps dead letters for 14 days",
        why="SQS deletes what is older, whether or not anybody has seen it.",
        fix="aws sqs set-queue-attributes --queue-url {dead_letter_queue_url} "
        f"--attributes MessageRetentionPeriod={round(RETENTION.total_seconds())}",
        probe=_keeps,
    ),
    check(
        code="B2B066",
        statement="the queue is encrypted at rest and refuses plain HTTP",
        why="Dead letters hold what customers wrote, and their numbers.",
        probe=_encrypted,
        severity=Severity.WARNING,
        unless_failed=("B2B061",),
    ),
    check(
        code="B2B067",
        statement="the queue is not public",
        why="Anybody could read or remove dead letters, or add some that a redrive would process.",
        probe=_private,
    ),
    check(
        code="B2B068",
        statement="the queue takes dead letters of 1 MiB",
        why="A dead letter is the whole event around a message of up to 256 KiB; what does not fit is dropped.",
        fix="aws sqs set-queue-attributes --queue-url {dead_letter_queue_url} "
        f"--attributes MaximumMessageSize={LONGEST_MESSAGE_BYTES}",
        probe=_takes_all,
    ),
)
