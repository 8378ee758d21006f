"""ministack's SNS: what it delivers to functions and queues as AWS does, what becomes of the rest, and the AWS/SNS metrics."""

from __future__ import annotations

import importlib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from b2bpilot.local.bridge import Runtime
from b2bpilot.local.notification import lambda_event, queue_body
from b2bpilot.ops.subscribers.admission import admits
from b2bpilot.pipeline.arn import name_of
from b2bpilot.pipeline.dead_letter import MOST_ATTRIBUTES
from b2bpilot.pipeline.waiting import pause

COUNT_SECONDS = 0.5

Record = Mapping[str, Any]
Replace = Callable[[Any, str, Callable[..., Any]], None]


class TopicSeam:
    """Asynchronous delivery to Lambda, delivery to queues that admit it, the subscriptions' dead-letter queues, and counts."""

    def __init__(self, runtime: Runtime, replace: Replace) -> None:
        self._runtime = runtime
        self._replace = replace
        self._sns = importlib.import_module("ministack.services.sns")
        self._lambda = importlib.import_module("ministack.services.lambda_svc")
        self._fanout = self._sns._fanout  # noqa: SLF001
        self._matches = self._sns._matches_filter_policy  # noqa: SLF001
        self._to_queue = self._sns._deliver_to_sqs  # noqa: SLF001
        self._being_delivered = threading.local()
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._counted = threading.Event()
        self._lock = threading.Lock()

    def install(self) -> None:
        self._replace(self._sns, "_fanout", self.fan_out)
        self._replace(self._sns, "_matches_filter_policy", self.matches)
        self._replace(self._sns, "_deliver_to_lambda", self.deliver_to_function)
        self._replace(self._sns, "_deliver_to_sqs", self.deliver_to_queue)
        threading.Thread(target=self._report, daemon=True).start()

    def fan_out(  # noqa: PLR0917  # ministack's parameters, by position
        self,
        topic_arn: str,
        msg_id: str,
        message: str,
        subject: str,
        message_structure: str = "",
        message_attributes: dict[str, Any] | None = None,
        message_group_id: str = "",
        message_dedup_id: str = "",
    ) -> None:
        self._count(topic_arn, "NumberOfMessagesPublished")
        self._fanout(
            topic_arn,
            msg_id,
            message,
            subject,
            message_structure,
            message_attributes,
            message_group_id,
            message_dedup_id,
        )

    def matches(self, sub: Record, message_attributes: Record, message: str = "") -> bool:
        """The last that is asked of a subscription before its message is delivered, in the same thread."""
        self._being_delivered.subscription = sub["arn"]
        matched: bool = self._matches(sub, message_attributes, message)
        if not matched:
            self._count(sub["topic_arn"], "NumberOfNotificationsFilteredOut")
        return matched

    def deliver_to_function(  # noqa: PLR0917  # ministack's parameters, by position
        self,
        endpoint: str,
        envelope: str,
        topic_arn: str,
        sub_arn: str,
        msg_id: str,  # noqa: ARG002
        raw_message: str,  # noqa: ARG002
        message_attributes: dict[str, Any],
    ) -> None:
        """Runs in a thread of its own per notification."""
        func, _config, name = self._lambda._get_func_record_for_ref(endpoint)  # noqa: SLF001
        content = json.loads(envelope)
        policy = json.dumps(func["policy"]) if func else None
        if self._admits(policy, "lambda:InvokeFunction", topic_arn, endpoint):
            self._runtime.deliver(name, lambda_event(content, message_attributes, sub_arn))
            self._count(topic_arn, "NumberOfNotificationsDelivered")
            return
        self._count(topic_arn, "NumberOfNotificationsFailed")
        if queue := self._redrive_queue(topic_arn, sub_arn):
            self._to_queue(
                queue, queue_body(content, message_attributes, sub_arn), False, "", topic_arn=topic_arn
            )

    def deliver_to_queue(  # noqa: PLR0917  # ministack's parameters, by position
        self,
        endpoint: str,
        envelope: str,
        raw: bool,
        raw_message: str,
        message_group_id: str = "",
        message_dedup_id: str = "",
        message_attributes: dict[str, Any] | None = None,
        topic_arn: str = "",
    ) -> None:
        """Raw, it carries the attributes as they are; a queue takes ten of them, and so does a dead-letter queue
        (docs/aws-facts.md#raw-delivery)."""
        sub_arn, attributes = self._being_delivered.subscription, message_attributes or {}
        too_many = raw and len(attributes) > MOST_ATTRIBUTES
        body = envelope if raw else queue_body(json.loads(envelope), attributes, sub_arn)

        def send(queue: str) -> None:
            self._to_queue(
                queue, body, raw, raw_message, message_group_id, message_dedup_id, attributes, topic_arn
            )

        if not too_many and self._takes(endpoint, topic_arn):
            send(endpoint)
            self._count(topic_arn, "NumberOfNotificationsDelivered")
            return
        self._count(topic_arn, "NumberOfNotificationsFailed")
        if queue := self._redrive_queue(topic_arn, sub_arn, fits=not too_many):
            send(queue)

    def _redrive_queue(self, topic_arn: str, sub_arn: str, *, fits: bool = True) -> str | None:
        """Where what cannot be delivered goes. A client error is not retried: the message goes to the subscription's queue,
        or nowhere (docs/aws-facts.md#sns-delivery-failures)."""
        subscription = self._sns._find_subscription(topic_arn, sub_arn) or {}  # noqa: SLF001
        policy = json.loads(subscription.get("attributes", {}).get("RedrivePolicy") or "{}")
        queue: str | None = policy.get("deadLetterTargetArn")
        if not queue:
            return None
        if fits and self._takes(queue, topic_arn):
            self._count(topic_arn, "NumberOfNotificationsRedrivenToDlq")
            return queue
        self._count(topic_arn, "NumberOfNotificationsFailedToRedriveToDlq")
        return None

    def _takes(self, queue_arn: str, topic_arn: str) -> bool:
        queue = self._sns._sqs._queue_by_arn(queue_arn)  # noqa: SLF001
        if not queue:
            return False
        policy = queue["attributes"].get("Policy") or None
        return self._admits(policy, "sqs:SendMessage", topic_arn, queue_arn)

    @staticmethod
    def _admits(policy: str | None, action: str, topic_arn: str, endpoint_arn: str) -> bool:
        """Whether a policy lets this topic do that, or may."""
        return admits(policy, action=action, topic_arn=topic_arn, endpoint_arn=endpoint_arn) is not False

    def _count(self, topic_arn: str, metric: str) -> None:
        with self._lock:
            self._counts[name_of(topic_arn)][metric] += 1
        self._counted.set()

    def _report(self) -> None:
        """Wait for the first of them, and then collect for a moment: one call tells of many notifications."""
        while self._counted.wait():
            pause(COUNT_SECONDS)
            self._counted.clear()
            with self._lock:
                counts, self._counts = self._counts, defaultdict(Counter)
            self._runtime.count(counts)
