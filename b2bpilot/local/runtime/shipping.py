"""The background: log lines to CloudWatch Logs, metrics to CloudWatch."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from b2bpilot.local.runtime.metrics import Metrics, put_metrics

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_logs.type_defs import InputLogEventTypeDef

FLUSH_SECONDS = 0.5
WAKE_SECONDS = 15
STOP_SECONDS = 20
LOG_EVENTS_LIMIT = 10_000

log = logging.getLogger(__name__)


class LogShipper:
    """Keeps lines until they are flushed; creates groups and streams when they are missing."""

    def __init__(
        self,
        client: CloudWatchLogsClient,
        *,
        changed: Callable[[], None],
        observe: Callable[[str, str], None],
    ) -> None:
        """`observe` is told the group and the text of every line when it is flushed."""
        self._client = client
        self._changed = changed
        self._observe = observe
        self._lock = threading.Lock()
        self._lines: defaultdict[tuple[str, str], list[InputLogEventTypeDef]] = defaultdict(list)
        self._streams: set[tuple[str, str]] = set()

    def put(self, group: str, stream: str, message: str) -> None:
        with self._lock:
            self._lines[group, stream].append({"timestamp": int(time.time() * 1000), "message": message})
        self._changed()

    def forget(self, group: str) -> None:
        """Drop what was not flushed yet."""
        with self._lock:
            for key in [key for key in self._lines if key[0] == group]:
                del self._lines[key]

    def flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, defaultdict(list)
        for (group, stream), events in lines.items():
            for event in events:
                self._observe(group, event["message"])
            self._ensure(group, stream)
            for start in range(0, len(events), LOG_EVENTS_LIMIT):
                self._client.put_log_events(
                    logGroupName=group,
                    logStreamName=stream,
                    logEvents=events[start : start + LOG_EVENTS_LIMIT],
                )

    def _ensure(self, group: str, stream: str) -> None:
        if (group, stream) in self._streams:
            return
        exists = self._client.exceptions.ResourceAlreadyExistsException
        with contextlib.suppress(exists):
            self._client.create_log_group(logGroupName=group)
        with contextlib.suppress(exists):
            self._client.create_log_stream(logGroupName=group, logStreamName=stream)
        self._streams.add((group, stream))


class Background:
    """Flushes twice a second while there is something to flush."""

    def __init__(
        self,
        changed: threading.Event,
        logs: LogShipper,
        metrics: Metrics,
        client: CloudWatchClient,
    ) -> None:
        self._changed = changed
        self._logs = logs
        self._metrics = metrics
        self._client = client
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="lambda background", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Flush once more and end."""
        self._stopped.set()
        self._changed.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=STOP_SECONDS)

    def _work(self) -> None:
        while not self._stopped.is_set():
            self._changed.wait(WAKE_SECONDS)
            self._stopped.wait(FLUSH_SECONDS)
            self._changed.clear()
            self._flush()

    def _flush(self) -> None:
        """Logs and metrics must never take the functions down with them."""
        try:
            self._logs.flush()
            put_metrics(self._client, self._metrics.take())
        except Exception:  # as said above; it is logged, and the next ones are written
            log.warning("could not write logs and metrics", exc_info=True)
