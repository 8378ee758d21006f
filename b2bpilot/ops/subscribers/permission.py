"""Whether SNS may and can deliver from a topic to a function or a queue: the one judge for whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from b2bpilot.aws.policies import ResourcePolicy, function_policy, queue_policy
from b2bpilot.aws.queue_attributes import KEY_OF_AWS
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import AwsError
from b2bpilot.ops.subscribers.admission import admits
from b2bpilot.pipeline.arn import is_fifo

INVOKE, SEND = "lambda:InvokeFunction", "sqs:SendMessage"
OF_FIFO = "is a FIFO queue, and SNS delivers from a standard topic to standard queues only"
READERS: Mapping[str, tuple[Callable[..., ResourcePolicy], str]] = {
    "lambda": (function_policy, INVOKE),
    "sqs": (queue_policy, SEND),
}


class Permission(StrEnum):
    """Whether an endpoint, or a dead-letter queue, takes what SNS delivers from this topic."""

    GRANTED = "granted"
    MISSING = "missing"
    REFUSED = "refused"
    """Whatever its policy says: SNS delivers nothing to such a queue."""
    ENDPOINT_GONE = "endpoint gone"
    UNKNOWN = "unknown"
    NOT_NEEDED = "not needed"
    """Only functions and queues have such policies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionReading:
    """A permission, and why it is unknown or refused."""

    permission: Permission
    error: str = ""


def ask_permission(
    arn: str, protocol: str, topic_arn: str, access: AwsAccess, *, timeouts: Timeouts | None = None
) -> PermissionReading:
    """An endpoint that is no function and no queue has no policy; whether it answers, SNS alone knows. Raises AwsError."""
    if protocol not in READERS:
        return PermissionReading(permission=Permission.NOT_NEEDED)
    read_policy, action = READERS[protocol]
    policy = read_policy(access, arn, timeouts=timeouts)
    if not policy.exists:
        return PermissionReading(permission=Permission.ENDPOINT_GONE)
    match admits(policy.text, action=action, topic_arn=topic_arn, endpoint_arn=arn):
        case _ if refusal := _refusal(arn, policy):
            return PermissionReading(permission=Permission.REFUSED, error=refusal)
        case True:
            return PermissionReading(permission=Permission.GRANTED)
        case False:
            return PermissionReading(permission=Permission.MISSING)
        case None:
            return PermissionReading(
                permission=Permission.UNKNOWN, error="its policy uses what this version does not know"
            )


def read_permission(
    arn: str, protocol: str, topic_arn: str, access: AwsAccess, *, timeouts: Timeouts
) -> PermissionReading:
    """Return the same, unknown where AWS did not say."""
    try:
        return ask_permission(arn, protocol, topic_arn, access, timeouts=timeouts)
    except AwsError as exc:
        return PermissionReading(permission=Permission.UNKNOWN, error=str(exc))


def _refusal(arn: str, policy: ResourcePolicy) -> str:
    if is_fifo(arn):
        return OF_FIFO
    return f"is encrypted with {KEY_OF_AWS}, which SNS may not use" if policy.keeps_sns_out else ""
