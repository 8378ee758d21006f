"""moto's SQS for tests: one call at a time, and no waiting.

moto is not made for threads, and our commands receive in sixteen: two calls at a moment got the same dead letter now and then.
A long poll of an empty queue takes its second for nothing: what comes later comes from the test itself, between the calls.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from moto.sqs.models import SQSBackend

CALLS = (
    "send_message",
    "send_message_batch",
    "receive_message",
    "delete_message",
    "delete_message_batch",
    "change_message_visibility",
    "change_message_visibility_batch",
)


def make_fit_for_threads() -> None:
    lock = threading.RLock()
    for name in CALLS:
        setattr(SQSBackend, name, _alone(getattr(SQSBackend, name), lock))
    SQSBackend.receive_message = _without_waiting(SQSBackend.receive_message)


def _alone(call: Callable[..., Any], lock: threading.RLock) -> Callable[..., Any]:
    @functools.wraps(call)
    def alone(*arguments: Any, **named: Any) -> Any:
        with lock:
            return call(*arguments, **named)

    return alone


def _without_waiting(receive: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(receive)
    def at_once(
        backend: SQSBackend, queue_name: str, count: int, wait_seconds_timeout: int, *rest: Any, **named: Any
    ) -> Any:
        return receive(backend, queue_name, count, 0, *rest, **named)

    return at_once
