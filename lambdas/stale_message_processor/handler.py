"""The stale processor: on a schedule, messages that nobody works on any more go back to the topic."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import asdict
from os import environ
from typing import Any

from b2bpilot.aws.metrics import throttled_share
from b2bpilot.aws.secrets import read_secret
from b2bpilot.aws.session import Timeouts
from b2bpilot.aws.topic import Topic
from b2bpilot.errors import DatabaseUnreachable, SettingsInvalid
from b2bpilot.pipeline.authorities import dsn_of
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, encode
from b2bpilot.pipeline.reserve import Reserve, ReserveWatch
from b2bpilot.pipeline.row_security import Need
from b2bpilot.pipeline.settings import Settings, required
from b2bpilot.pipeline.stale import StaleRules, log_report, republish_stale

logger = logging.getLogger(__name__)

CLOUDWATCH = Timeouts(connect_seconds=2, read_seconds=3, attempts=1)
"""It is asked every minute, and nothing depends on its answer that cannot do without."""
TOPIC = Timeouts(connect_seconds=2, read_seconds=4, attempts=2)
"""A topic that does not answer ends the batch; the function must live to uncount what it did not publish."""


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
        application_name="b2bpilot/stale",
        read_write=True,
        needs=Need.ITS_ROWS,
        renewed=_renewed_dsn,
    )


@functools.cache
def _topic() -> Topic:
    return Topic.connect(required(_settings().topic_arn, "SNS_TOPIC_ARN"), timeouts=TOPIC)


def _throttled(settings: Settings) -> float | None:
    """Return the share of the processor's executions that was throttled, or None: what CloudWatch does not say, in whichever
    way it does not, must not keep the function from its work."""
    function_name = required(settings.processor_function_name, "PROCESSOR_FUNCTION_NAME")
    try:
        return throttled_share(function_name, timeouts=CLOUDWATCH)
    except Exception as exc:  # noqa: BLE001  # see above
        logger.warning(
            "CloudWatch does not say whether the processor is throttled",
            extra={"event": "throttles_unknown", "error": f"{type(exc).__name__}: {exc}"},
        )
        return None


def _publish(message: PilotMessage) -> str:
    return _topic().publish(encode(message))


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Republish one batch and return the report, which is also the run's log line."""
    try:
        return _run()
    except (DatabaseUnreachable, SettingsInvalid):
        end()
        raise


def _run() -> dict[str, Any]:
    settings, database = _settings(), _database()
    rules = StaleRules(
        stale_after=settings.stale_after,
        reserve=Reserve.of(settings.processor_concurrency, _throttled(settings)),
        answers=settings.sends_replies,
    )
    report = republish_stale(database, _publish, rules, has_answered=ReserveWatch(database).has_answered)
    log_report(report)
    return asdict(report)


def end() -> None:
    """Forget what the container holds: what was refused may have been rotated since it was read. Lambda never says when
    a container ends; the local environment does."""
    if _database.cache_info().currsize:
        _database().close()
    for cached in (_settings, _database, _topic):
        cached.cache_clear()
