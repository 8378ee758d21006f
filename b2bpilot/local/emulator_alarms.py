"""ministack's alarms, decided as CloudWatch decides them: each on its own metric, period by period, also when nothing comes."""

from __future__ import annotations

import importlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from b2bpilot.local.alarm_rule import MINUTE, AlarmRule, MetricPoint, state
from b2bpilot.local.emulator_queues import QueueMetrics
from b2bpilot.pipeline.waiting import pause

MEASURE_SECONDS = 1.0
TICK_SECONDS = 5.0
"""CloudWatch decides once a minute. A step of an hour is kept."""

log = logging.getLogger(__name__)

Replace = Callable[[Any, str, Callable[..., Any]], None]


class AlarmSeam:
    """ministack takes one statistic over the whole window, of every metric of that name, and only when data come."""

    def __init__(self, replace: Replace) -> None:
        self._cloudwatch = importlib.import_module("ministack.services.cloudwatch")
        self._sqs = importlib.import_module("ministack.services.sqs")
        self._responses = importlib.import_module("ministack.core.responses")
        self._queues = QueueMetrics(self._cloudwatch.record_metric)
        self._original = self._cloudwatch._evaluate_alarm  # noqa: SLF001
        self._replace = replace
        self._lock = threading.Lock()

    def install(self) -> None:
        self._replace(self._cloudwatch, "_evaluate_alarm", self.evaluate)
        threading.Thread(target=self._keep_deciding, daemon=True).start()

    def _keep_deciding(self) -> None:
        """Once a second for as long as the emulator runs, because what is missing decides, too, and nobody reports a queue but
        this. ministack's other threads change what is read here, and may break one look in any way: the next one is whole.
        Without this thread no alarm would ever change again, so it outlives that."""
        decided_at = 0.0
        while True:
            pause(MEASURE_SECONDS)
            try:
                self._measure()
                if time.monotonic() - decided_at >= TICK_SECONDS:
                    decided_at = time.monotonic()
                    self._decide_all()
            except Exception:  # as said above; it is logged
                log.exception("queues could not be measured, or alarms not be decided")

    def _measure(self) -> None:
        for (account, region, _url), queue in self._sqs._queues.all_items():  # noqa: SLF001
            self._as(account, region)
            if self._queues.measure(queue["name"], list(queue["messages"])):
                self._cloudwatch._evaluate_all_alarms()  # noqa: SLF001

    def _decide_all(self) -> None:
        for (account, region, _name), alarm in self._cloudwatch._alarms.all_items():  # noqa: SLF001
            self._as(account, region)
            self.evaluate(alarm)

    def _as(self, account: str, region: str) -> None:
        """ministack finds metrics by the account and region of the request; this thread has none."""
        self._responses.set_request_account_id(account)
        self._responses.set_request_region(region)

    def evaluate(self, alarm: dict[str, Any]) -> None:
        """Give the alarm its state. The minute under way counts, too, so that nobody has to wait for its end.

        Before its metric has a first point it stays as it is: else every first start rang like a first deploy.
        """
        rule = AlarmRule.of(alarm)
        if not rule.is_known:
            self._original(alarm)
            return
        end = _end(rule, time.time())
        with self._lock:
            if not (stored := list(self._points(alarm))):
                return
            before = alarm["StateValue"]
            points = [point for point in stored if rule.looks_back_to(end) <= point.at < end]
            after = state(rule, points, end=end, before=before)
            if after != before:
                self._change(alarm, before, after, _reason(rule, alarm, points))

    def _change(self, alarm: dict[str, Any], before: str, after: str, reason: str) -> None:
        alarm |= {"StateValue": after, "StateReason": reason, "StateUpdatedTimestamp": int(time.time())}
        self._cloudwatch._record_history(alarm["AlarmName"], before, after, reason)  # noqa: SLF001
        self._cloudwatch._dispatch_alarm_actions(alarm, before, after, reason)  # noqa: SLF001
        self._cloudwatch._evaluate_parent_alarms(alarm)  # noqa: SLF001

    def _points(self, alarm: Mapping[str, Any]) -> Iterator[MetricPoint]:
        """Those of the alarm's own metric: one failing function turned on the alarms of all."""
        dimensions = self._cloudwatch._dims_from_list(alarm.get("Dimensions") or [])  # noqa: SLF001
        key = (alarm.get("Namespace"), alarm.get("MetricName"), self._cloudwatch._dims_key(dimensions))  # noqa: SLF001
        for stored in list(self._cloudwatch._metrics.get(key) or []):  # noqa: SLF001
            count, total, minimum, maximum = self._cloudwatch._point_stats(stored)  # noqa: SLF001
            if count > 0:
                yield MetricPoint(
                    at=stored["Timestamp"], minimum=minimum, maximum=maximum, total=total, count=count
                )


def _end(rule: AlarmRule, now: float) -> float:
    if rule.step_seconds == MINUTE:
        return math.ceil(now / MINUTE) * MINUTE
    return now // rule.step_seconds * rule.step_seconds


def _reason(rule: AlarmRule, alarm: Mapping[str, Any], points: list[MetricPoint]) -> str:
    if not points:
        return f"Threshold Crossed: no datapoints were received for {rule.periods} periods ({rule.missing})"
    last = max(points, key=lambda point: point.at)
    return (
        f"Threshold Crossed: {rule.breaching} of the last {rule.periods} datapoints decide; the last of them is "
        f"{last.maximum:g} ({alarm.get('ComparisonOperator')} {rule.threshold:g})"
    )
