"""The stale processor: on a schedule, messages that nobody works on any more go back to the topic."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from b2bpilot.aws.metrics import is_throttled
from b2bpilot.aws.secrets import read_secret
from b2bpilot.aws.session import Timeouts
from b2bpilot.aws.topic import Topic
from b2bpilot.errors import DatabaseUnreachable, SettingsInvalid
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, encode
from b2bpilot.pipeline.settings import Settings, required
from b2bpilot.pipeline.stale import log_report, republish_stale


@functools.cache
def _settings() -> Settings:
    return Settings.from_env(os.environ, read_secret=read_secret)


@functools.cache
def _database() -> DatabaseManager:
    url = required(_settings().database_url, "DATABASE_URL")
    return DatabaseManager(url, application_name="b2bpilot/stale", read_write=True)


@functools.cache
def _topic() -> Topic:
    """A topic that does not answer ends the batch; the function must live to uncount what it did not publish."""
    timeouts = Timeouts(connect_seconds=2, read_seconds=10, attempts=2)
    return Topic.connect(required(_settings().topic_arn, "SNS_TOPIC_ARN"), timeouts=timeouts)


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
    settings = _settings()
    function_name = required(settings.processor_function_name, "PROCESSOR_FUNCTION_NAME")
    report = republish_stale(
        _database(),
        _publish,
        stale_after=settings.stale_after,
        is_throttled=lambda: is_throttled(function_name),
    )
    log_report(report)
    return asdict(report)


def end() -> None:
    """Forget what the container holds: what was refused may have been rotated since it was read. Lambda never says when
    a container ends; the local environment does."""
    if _database.cache_info().currsize:
        _database().close()
    for cached in (_settings, _database, _topic):
        cached.cache_clear()
