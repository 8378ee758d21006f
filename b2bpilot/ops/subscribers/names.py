"""What a subscriber may be called, so that nothing of its stack is taken for the core's (docs/decisions/0038-subscribers.md)."""

from __future__ import annotations

import re

from b2bpilot.aws.stack import PREFIX
from b2bpilot.errors import UsageError
from b2bpilot.ops.recipient import EXPRESS, PROCESSOR

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
CORE = PREFIX.removesuffix("-")


def suffix(environment: str) -> str:
    """Return what comes after NAME in what a subscriber's stack, function and queue are called."""
    return f"-{PREFIX}{environment}"


def topic_export(environment: str) -> str:
    """Return the name under which the core's stack exports its topic's ARN, and a subscriber's imports it."""
    return f"{PREFIX}{environment}-TopicArn"


def require_name(name: str) -> None:
    """Raises UsageError."""
    if NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} cannot be a subscriber's name",
            hint="it begins with a-z, and is up to 31 lower-case letters, digits and hyphens",
        )
    if name in (PROCESSOR, EXPRESS):
        raise UsageError(f"{name!r} is b2bpilot's own subscriber", hint="choose another name")
    if CORE in name:
        raise UsageError(
            f"{name!r} has {CORE} in it, which comes after the name in its stack's",
            hint="choose another name",
        )
