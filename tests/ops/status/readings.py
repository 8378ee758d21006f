"""A reading in which all is well, to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from b2bpilot.aws.mappings import MappingState
from b2bpilot.aws.metrics import Point
from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.stack import StackOutputs
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.ops.asking import InquiryAnswer
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.redrive_in_aws.switch import Switched
from b2bpilot.ops.rejections import Rejections
from b2bpilot.ops.status.dead_letters import DeadLetters, Look
from b2bpilot.ops.status.reading import Reading, ReservedConcurrency
from b2bpilot.ops.status.traffic import Count, Level, Traffic
from b2bpilot.ops.status.unpublished import Unpublished
from b2bpilot.ops.table.database_proof import OF_THE_STACK, DatabaseProof
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.summary import StoredLatency, TableSummary

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PERIOD = timedelta(minutes=5)
PROVEN = DatabaseProof(
    place="pilot at db:5432", origin=OF_THE_STACK, is_proven=True, why="host, port and name are those"
)
STACK = StackOutputs(
    stack_name="b2b-pilot-prod",
    account_id="123456789012",
    region="eu-west-1",
    environment="prod",
    topic_arn="arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-prod",
    dead_letter_queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/b2b-pilot-dead-letters-prod",
    dead_letter_queue_arn="arn:aws:sqs:eu-west-1:123456789012:b2b-pilot-dead-letters-prod",
    webhook_function_name="b2b-pilot-webhook-handler-prod",
    processor_function_name="b2b-pilot-background-processor-prod",
    stale_function_name="b2b-pilot-stale-message-processor-prod",
    redriver_function_name="b2b-pilot-dead-letter-redriver-prod",
    redriver_mapping_id="14e0db71-5d35-4eb5-b481-8945cf9d10c2",
    webhook_url="https://hooks.example.com/webhook",
    api_id="a1b2c3",
    secret_arn="arn:aws:secretsmanager:eu-west-1:123456789012:secret:b2b",
    twilio_secret_arn="arn:aws:secretsmanager:eu-west-1:123456789012:secret:b2b",
    database_secret_arn="arn:aws:secretsmanager:eu-west-1:123456789012:secret:b2b",
    subscription_arn="arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-prod:1",
    schedule_name="b2b-pilot-stale-messages-prod",
    dashboard_name="b2b-pilot-prod",
    processor_reserved_concurrency="10",
    stale_after_minutes="15",
)


def reading(**changes: InquiryAnswer[Any]) -> Reading:
    """Return a reading of an environment that works, some of its answers replaced."""
    well = Reading(
        environment=Environment(name="prod", access=AwsAccess(region="eu-west-1"), stack=STACK),
        at=NOW,
        traffic=InquiryAnswer(value=traffic()),
        rejections=InquiryAnswer(value=Rejections(others=0, probes=0, is_complete=True)),
        unpublished=InquiryAnswer(value=Unpublished()),
        dead_letters=InquiryAnswer(value=dead_letters()),
        dead_lettered=InquiryAnswer(value=0),
        rows=InquiryAnswer(value=rows()),
        database=InquiryAnswer(value=PROVEN),
        reserved=InquiryAnswer(value=ReservedConcurrency(runs=10)),
        subscriptions=InquiryAnswer(value=[subscription()]),
        subscribers=InquiryAnswer(value=()),
        alarms=InquiryAnswer(value=()),
        redriver=InquiryAnswer(value=Switched(state=MappingState.DISABLED, max_concurrency=2, run=None)),
        runs=InquiryAnswer(value=()),
    )
    return replace(well, **changes)


def traffic(
    counts: Mapping[Count, int] | None = None,
    levels: Mapping[Level, float] | None = None,
    latency: StoredLatency | None = None,
    earlier: Mapping[Count, int] | None = None,
) -> Traffic:
    """`earlier` is what was counted an hour ago."""
    return Traffic(
        since=NOW - 36 * PERIOD,
        until=NOW,
        period=PERIOD,
        counts={
            count: _points((earlier or {}).get(count), at=NOW - 12 * PERIOD)
            + _points((counts or {}).get(count))
            for count in Count
        },
        levels={level: _points((levels or {}).get(level)) for level in Level},
        latency=latency,
    )


def subscription(function: str = STACK.processor_function_name, **changes: Any) -> Subscription:
    found = Subscription(
        arn=STACK.subscription_arn,
        topic_arn=STACK.topic_arn,
        protocol="lambda",
        endpoint=f"arn:aws:lambda:eu-west-1:123456789012:function:{function}",
        owner=STACK.account_id,
        confirmed=True,
        raw_delivery=None,
        filter_policy=None,
        filter_policy_scope="MessageAttributes",
        redrive_policy=None,
    )
    return replace(found, **changes)


def dead_letters(
    depth: int = 0, *, expiring: int = 0, is_complete: bool = True, hidden: int = 0
) -> DeadLetters:
    oldest = NOW - timedelta(days=12.5) if expiring else NOW - timedelta(hours=2)
    return DeadLetters(
        depth=depth,
        hidden=hidden,
        retention=timedelta(days=14),
        look=Look(saw=depth, oldest=oldest if depth else None, expiring=expiring, is_complete=is_complete),
    )


def rows(counts: Mapping[SubmissionStatus | str, int] | None = None, **values: Any) -> TableSummary:
    usual: dict[str, Any] = {"stuck": 0, "stale": 0, "replies_unknown": 0, "latency": None}
    return TableSummary(by_status=counts or {SubmissionStatus.COMPLETED: 3}, **(usual | values))


def _points(value: float | None, *, at: datetime = NOW - PERIOD) -> list[Point]:
    return [] if value is None else [Point(at=at, value=float(value))]
