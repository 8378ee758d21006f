"""ministack's event source mappings of queues: numbers that a template's parameters spell as text, and when what failed comes again."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from b2bpilot.local.timing import least_pause_seconds

Record = dict[str, Any]
Replace = Callable[[Any, str, Callable[..., Any]], None]


class MappingSeam:
    """What a function did not take comes again when the queue's visibility timeout has passed, `time_scale` times faster than
    on AWS, as the pauses between Lambda's own retries pass. A queue that gives up nothing keeps its time: there it is no
    retry that is waited for."""

    def __init__(self, replace: Replace, *, time_scale: float) -> None:
        self._replace = replace
        self._time_scale = max(1.0, time_scale)
        self._lambda = importlib.import_module("ministack.services.lambda_svc")
        self._sqs = importlib.import_module("ministack.services.sqs")
        self._run = self._lambda._run_sqs_batch  # noqa: SLF001
        self._concurrency = self._lambda._sqs_esm_concurrency  # noqa: SLF001

    def install(self) -> None:
        self._replace(self._lambda, "_run_sqs_batch", self.run)
        self._replace(self._lambda, "_sqs_esm_concurrency", self.concurrency)

    def concurrency(self, esm: Record, func_rec: Record, config: Record, queue: Record | None = None) -> int:
        """One number that was text stopped the polling of every queue. None, while a batch is gathered."""
        if queue and is_gathering(esm, queue["messages"], now=time.time()):
            return 0
        scaling = esm.get("ScalingConfig") or {}
        numbers = {name: int(value) for name, value in scaling.items()}
        allowed: int = self._concurrency({**esm, "ScalingConfig": numbers}, func_rec, config, queue)
        return allowed

    def run(  # noqa: PLR0917  # ministack's parameters, by position
        self,
        esm: Record,
        func_rec: Record,
        event: Mapping[str, Any],
        batch: Sequence[Record],
        queue_url: str,
        queue_name: str,
    ) -> None:
        began = time.time()
        self._run(esm, func_rec, event, batch, queue_url, queue_name)
        with self._sqs._queues_lock:  # noqa: SLF001
            queue = self._sqs._get_q(queue_url)  # noqa: SLF001
            if not queue["attributes"].get("RedrivePolicy"):
                return
            timeout = float(queue["attributes"].get("VisibilityTimeout", 30))
            pause = max(timeout / self._time_scale, least_pause_seconds(self._time_scale))
            handles = {message["receipt_handle"] for message in batch}
            for message in queue["messages"]:
                if message["receipt_handle"] in handles:
                    message["visible_at"] = min(message["visible_at"], max(began + pause, time.time()))


def is_gathering(esm: Record, messages: Sequence[Record], *, now: float) -> bool:
    """Whether Lambda waits for more: a batch that is not full, within the mapping's window since its first message came."""
    window = int(esm.get("MaximumBatchingWindowInSeconds") or 0)
    came = [message["visible_at"] for message in messages if message["visible_at"] <= now]
    return 0 < len(came) < int(esm.get("BatchSize", 10)) and now < min(came) + window
