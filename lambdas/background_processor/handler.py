"""The processor: each delivery, from SNS or from the message queue, becomes one row, exactly once."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from datetime import timedelta
from os import environ
from typing import Any, Protocol

from b2bpilot.aws.secrets import read_secret
from b2bpilot.errors import DatabaseUnreachable, PilotError, SettingsInvalid
from b2bpilot.pipeline.authorities import dsn_of
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.delivery import Delivery, deliveries
from b2bpilot.pipeline.lease import LONGEST_LEASE, QUEUE_TRIES, lease, queue_pause
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.processing import process
from b2bpilot.pipeline.queued import QueueRecord, delivery_in, failed_of, is_from_queue, queue_records
from b2bpilot.pipeline.row_security import Need
from b2bpilot.pipeline.settings import Settings, required
from b2bpilot.twilio.replies import TokenRefused, TwilioReplier

logger = logging.getLogger(__name__)


class Context(Protocol):
    """The part of Lambda's context that is used here."""

    def get_remaining_time_in_millis(self) -> int: ...


@functools.cache
def _settings() -> Settings:
    return Settings.from_env(environ, read_secret=read_secret)


def _renewed_dsn() -> str:
    """Read the secret again: it may have been rotated since."""
    _settings.cache_clear()
    return dsn_of(_settings())


@functools.cache
def _database() -> DatabaseManager:
    return DatabaseManager(
        dsn_of(_settings()),
        application_name="b2bpilot/processor",
        read_write=True,
        needs=Need.ITS_ROWS,
        renewed=_renewed_dsn,
    )


@functools.cache
def _replier() -> TwilioReplier | None:
    settings = _settings()
    if not settings.reply_text:
        return None
    return TwilioReplier(
        account_sid=required(settings.twilio_account_sid, "TWILIO_ACCOUNT_SID"),
        auth_token=required(next(iter(settings.twilio_auth_tokens), None), "TWILIO_AUTH_TOKEN"),
        text=settings.reply_text,
        api_url=settings.twilio_api_url,
        api_key=settings.twilio_api_key,
        api_secret=settings.twilio_api_secret,
        region=settings.twilio_region,
        edge=settings.twilio_edge,
    )


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Process an event from SNS. Raises when it must be tried again; Lambda does, twice, and then dead-letters it.

    Of a batch from the message queue, say which records failed: Lambda deletes the others.
    """
    if not is_from_queue(event):
        return {"outcomes": [_process(delivery, context).value for delivery in deliveries(event)]}
    failed = failed_of(
        queue_records(event),
        lambda record: _process_queued(record, context),
        has_time=lambda: _remaining(context) >= LONGEST_LEASE,
    )
    if failed:
        _show_again_soon(failed)
    return {"batchItemFailures": [{"itemIdentifier": record.queue_message_id} for record in failed]}


def _process_queued(record: QueueRecord, context: Context) -> DeliveryOutcome:
    is_old = record.is_old(_settings().old_queue_arn)
    return _process(delivery_in(record, is_old=is_old), context, adopts=is_old)


def _process(delivery: Delivery, context: Context, *, adopts: bool = False) -> DeliveryOutcome:
    try:
        settings = _settings()
        held = lease(remaining=_remaining(context), longest=settings.longest_lease)
        return process(
            delivery,
            database=_database(),
            replier=_replier(),
            lease=held,
            adopts=adopts or settings.old_queue_arn is not None,
            answers=settings.sends_replies,
        )
    except (DatabaseUnreachable, SettingsInvalid, TokenRefused):
        end()
        raise


def _remaining(context: Context) -> timedelta:
    return timedelta(milliseconds=context.get_remaining_time_in_millis())


def _show_again_soon(failed: list[QueueRecord]) -> None:
    """Make what failed visible again before the queue does, which waits as for a run that died. Whether that was to be had
    changes nothing of what failed. An old queue may have more tries than ours: none of them comes without a pause."""
    from b2bpilot.aws.message_queue import MessageQueue

    try:
        longest = _settings().longest_lease
        old = _settings().old_queue_arn
        pauses = [
            (one.receipt_handle, queue_pause(min(one.receive_count, most), longest=longest))
            for one in failed
            for most in [QUEUE_TRIES - 1 if one.is_old(old) else QUEUE_TRIES]
        ]
        MessageQueue.connect(failed[0].queue_arn).hide(pauses)
    except PilotError as exc:
        logger.warning(
            "What failed stays hidden for the queue's own time",
            extra={"event": "queue_visibility_unchanged", "count": len(failed), "error": str(exc)},
        )


def end() -> None:
    """Forget what the container holds: what was refused may have been rotated since it was read. Lambda never says when
    a container ends; the local environment and a replay in an operator's process do."""
    if _database.cache_info().currsize:
        _database().close()
    for cached in (_settings, _database, _replier):
        cached.cache_clear()
