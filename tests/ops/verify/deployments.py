"""Worlds without AWS: what the probes would ask for is known already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.stack import StackOutputs
from b2bpilot.errors import PilotError
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Answer, Category, Check, CheckResult, holds
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.runner import Runner

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
STACK = StackOutputs(
    stack_name="b2b-pilot-staging",
    account_id="123456789012",
    region="eu-west-1",
    environment="staging",
    topic_arn="arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-staging",
    dead_letter_queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/b2b-pilot-dead-letters-staging",
    dead_letter_queue_arn="arn:aws:sqs:eu-west-1:123456789012:b2b-pilot-dead-letters-staging",
    webhook_function_name="b2b-pilot-webhook-handler-staging",
    processor_function_name="b2b-pilot-background-processor-staging",
    stale_function_name="b2b-pilot-stale-message-processor-staging",
    redriver_function_name="b2b-pilot-dead-letter-redriver-staging",
    redriver_mapping_id="14e0db71-5d35-4eb5-b481-8945cf9d10c2",
    webhook_url="https://hooks.example.com/webhook",
    api_id="a1b2c3",
    subscription_arn="arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-staging:1",
    secret_arn="arn:aws:secretsmanager:eu-west-1:123456789012:secret:Secret-AbCdEf",
    twilio_secret_arn="arn:aws:secretsmanager:eu-west-1:123456789012:secret:TwilioSecret-AbCdEf",
    database_secret_arn="arn:aws:secretsmanager:eu-west-1:123456789012:secret:DatabaseSecret-AbCdEf",
    old_secret="allowed",
    schedule_name="b2b-pilot-stale-staging",
    dashboard_name="b2b-pilot-staging",
    processor_reserved_concurrency="10",
    stale_after_minutes="15",
    message_queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/b2b-pilot-staging-MessageQueue-1",
    message_queue_arn="arn:aws:sqs:eu-west-1:123456789012:b2b-pilot-staging-MessageQueue-1",
    message_mapping_id="9c3a8d2e-1f6b-4a7d-8e45-3b2a1c0d9e8f",
)
WITH_LANE = replace(
    STACK,
    express_function_name="b2b-pilot-express-processor-staging",
    express_subscription_arn=STACK.topic_arn + ":express",
    express_reserved_concurrency="3",
)
TWILIO_SECRET, DATABASE_SECRET, OLD_SECRET = (
    ("secret", arn) for arn in (STACK.twilio_secret_arn, STACK.database_secret_arn, STACK.secret_arn)
)
"""By these keys a world knows what the secrets hold."""


def deployment(*, name: str = "staging", known: dict[Any, Any] | None = None, **settings: Any) -> Deployment:
    """`known` answers the shared sources by their key; an error in it is what asking raises."""
    made = Deployment(name=name, access=AwsAccess(region="eu-west-1"), now=NOW, **settings)
    for key, answer in {"stack": STACK, **(known or {})}.items():
        with suppress(PilotError):
            made.ask(key, partial(_give, answer))
    return made


def look(codes: Sequence[str], at: Deployment) -> dict[str, CheckResult]:
    """Run these checks of the catalogue."""
    chosen = [check for check in CHECKS if check.code in codes]
    assert len(chosen) == len(codes)
    return {result.check.code: result for result in Runner(chosen, check_seconds=10).run(at)}


def seen(code: str, at: Deployment) -> CheckResult:
    """Run one check of the catalogue."""
    return look([code], at)[code]


def check(code: str, probe: Callable[[Deployment], Answer] = lambda _: holds("so"), **settings: Any) -> Check:
    """A check that is not in the catalogue."""
    given = {"category": Category.STACK, "statement": f"{code} holds", "why": "Because.", "fix": ""}
    return Check(code=code, probe=probe, **{**given, **settings})


def raising(error: Exception) -> Callable[[Deployment], Answer]:
    def probe(_: Deployment) -> Answer:
        raise error

    return probe


def _give(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer
