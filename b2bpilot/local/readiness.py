"""When an environment is ready: every part is in the state that it stays in, and the webhook answers.

AWS answers `create` and `update` while it still works, and the emulator does so, too: a function is Pending for half a
second. Who looks in that time sees what is not so a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import urllib3

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local.clients import LocalAws
from b2bpilot.local.stack import Stack
from b2bpilot.pipeline.waiting import wait_until

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

READY_SECONDS = 120
POLL_SECONDS = 0.02
ANSWER_SECONDS = 10

Parts = Mapping[str, Callable[[], str | None]]
"""What must be ready, by name: each returns the state that it is still in, None once it is ready."""


def wait_until_settled(aws: LocalAws, stack: Stack, *, functions: Iterable[str] = ()) -> None:
    """Return when the stack's functions, other `functions`, its subscription and its event source mapping are in a state
    that lasts. What somebody removed from an environment that starts again stays away; `verify` says so."""
    named = {name: lambda name=name: _function(aws, name) for name in (*stack.functions, *functions)}
    _wait({
        **named,
        "the subscription": lambda: _subscription(aws, stack),
        "the event source mapping": lambda: _mapping(aws, stack),
    })  # fmt: skip


def wait_until_answering(webhook_url: str) -> None:
    """Return when the webhook refuses a request without a signature: the API leads to it, it starts, and it could read its
    secret. The functions must be served."""
    with urllib3.PoolManager(retries=False) as http:
        _wait({"the webhook": lambda: _webhook(http, webhook_url)})


def _wait(parts: Parts) -> None:
    """Ask until all are ready: no part of AWS, nor of the emulator, tells anybody that its state has changed."""
    states = wait_until(
        lambda: {name: state for name, look in parts.items() if (state := look())},
        enough=lambda found: not found,
        seconds=READY_SECONDS,
        pause_seconds=POLL_SECONDS,
    )
    if states:
        seen = ", ".join(f"{name} ({state})" for name, state in states.items())
        raise LocalEnvironmentError(
            f"not ready after {READY_SECONDS} s: {seen}", hint="begin again with --fresh"
        )


def _function(aws: LocalAws, name: str) -> str | None:
    with suppress(aws.functions.exceptions.ResourceNotFoundException):
        return _update(aws.functions.get_function_configuration(FunctionName=name))
    return None


def _update(found: FunctionConfigurationResponseTypeDef) -> str | None:
    state, update = found["State"], found["LastUpdateStatus"]
    return None if (state, update) == ("Active", "Successful") else f"{state}, update {update}"


def _subscription(aws: LocalAws, stack: Stack) -> str | None:
    """The emulator writes the attribute only where it waits for somebody."""
    with suppress(aws.sns.exceptions.NotFoundException):
        found = aws.sns.get_subscription_attributes(SubscriptionArn=stack.outputs["SubscriptionArn"])
        return "not confirmed" if found["Attributes"].get("PendingConfirmation") == "true" else None
    return None


def _mapping(aws: LocalAws, stack: Stack) -> str | None:
    """On or off: it stays from one `up` to the next as it was left."""
    with suppress(aws.functions.exceptions.ResourceNotFoundException):
        state = aws.functions.get_event_source_mapping(UUID=stack.outputs["RedriverMappingId"])["State"]
        return None if state in ("Enabled", "Disabled") else state
    return None


def _webhook(http: urllib3.PoolManager, url: str) -> str | None:
    try:
        status = http.request("POST", url, body=b"", timeout=ANSWER_SECONDS).status
    except urllib3.exceptions.HTTPError as failed:
        return type(failed).__name__
    return None if status == HTTPStatus.FORBIDDEN else f"answers {status}"
