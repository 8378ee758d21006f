"""AWS in one process: ministack, with its Lambda replaced by our runtime. `python -m b2bpilot.local.emulator` starts it.

Which seams are replaced, why, and what was measured without it: docs/decisions/0001-emulator.md. Settings come in environment
variables (ministack's own, and the four below). It ends, saving its state, when its standard input closes: that is how it
notices that its parent is gone, however that died.
"""

from __future__ import annotations

import base64
import functools
import importlib
import inspect
import json
import os
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any

import urllib3
import yaml
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader
from botocore.model import ServiceModel

from b2bpilot.local import packages
from b2bpilot.local.bridge import Runtime
from b2bpilot.local.emulator_alarms import AlarmSeam
from b2bpilot.local.emulator_door import Door
from b2bpilot.local.notification import dead_letter, lambda_event
from b2bpilot.local.parent_watch import end_when_input_closes
from b2bpilot.ops.subscribers.admission import admits
from b2bpilot.pipeline.waiting import pause

ACCESS_KEY_ID = "B2BPILOT_LOCAL_ACCESS_KEY_ID"
RUNTIME_URL = "B2BPILOT_LOCAL_RUNTIME_URL"
RUNTIME_KEY = "B2BPILOT_LOCAL_RUNTIME_KEY"
EVENTS_PATH = "B2BPILOT_LOCAL_EVENTS"

RESPONSE_MARGIN_SECONDS = 10
COUNT_SECONDS = 0.5

Record = Mapping[str, Any]
"""A function as ministack keeps it."""


class SeamMissing(RuntimeError):
    """This ministack is not the one that the replacements were written for."""


def main() -> None:
    """Run until standard input closes or a signal comes."""
    packages.require()
    runtime = Runtime(os.environ[RUNTIME_URL], Path(os.environ[EVENTS_PATH]), key=os.environ.pop(RUNTIME_KEY))
    app = importlib.import_module("ministack.app")
    LambdaSeams(runtime).install()
    TopicSeams(runtime).install()
    AlarmSeam(replace).install()
    read_templates_with_libyaml()
    read_models_with_one_loader()
    replace(app, "app", Door(app.app, os.environ.pop(ACCESS_KEY_ID)).answer)
    end_when_input_closes()
    del sys.argv[1:]  # only there to tell emulators apart in a list of processes; ministack would parse it
    try:
        app.main()
    finally:
        runtime.end()


def replace(module: ModuleType, name: str, replacement: Callable[..., Any]) -> None:
    """Put a function of ours in place of ministack's; both must take the same parameters."""
    original = getattr(module, name, None)
    if original is None:
        raise SeamMissing(f"{module.__name__} has no {name}")
    if list(inspect.signature(original).parameters) != list(inspect.signature(replacement).parameters):
        raise SeamMissing(f"{module.__name__}.{name} takes other parameters: {inspect.signature(original)}")
    setattr(module, name, replacement)


def read_templates_with_libyaml() -> None:
    """PyYAML's parser in Python takes 0.2 s for template.yaml, each time; libyaml's, where it was built in, reads the same."""
    if yaml.__with_libyaml__:
        engine = importlib.import_module("ministack.services.cloudformation.engine")
        constructors = {"yaml_constructors": engine.CfnLoader.yaml_constructors}
        replace(engine, "CfnLoader", type("CfnLoader", (yaml.CSafeLoader,), constructors))


def read_models_with_one_loader() -> None:
    """ministack makes a session for each service that answers, and it looks through AWS's 400: 50 ms, at the first call of each."""
    responses = importlib.import_module("ministack.core.responses")
    loader = Loader()

    @functools.cache
    def model(service: str) -> ServiceModel | None:
        name = responses._BOTOCORE_NAME.get(service, service)  # noqa: SLF001
        try:
            return ServiceModel(loader.load_service_model(name, "service-2"), name)
        except (UnknownServiceError, DataNotFoundError):
            return None

    replace(responses, "_service_model", model)


class LambdaSeams:
    """Every way to a function, synchronous and asynchronous, leads to the runtime; it keeps the limits, logs and metrics."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lambda = importlib.import_module("ministack.services.lambda_svc")
        self._events = importlib.import_module("ministack.services.eventbridge")

    def install(self) -> None:
        replace(self._lambda, "_execute_function", self.execute)
        replace(self._lambda, "invoke_async_with_retry", self.invoke_asynchronously)
        replace(self._lambda, "lambda_execute_result_to_api_proxy_response", self.http_api_response)
        replace(self._lambda, "_emit_lambda_metrics", self.keep_metrics)
        replace(self._events, "_dispatch_to_lambda", self.dispatch_scheduled)

    def execute(self, func: Record, event: object) -> dict[str, Any]:
        """Run now: Invoke with RequestResponse, and the HTTP API."""
        config = func.get("config") or func
        name, timeout = config["FunctionName"], float(config.get("Timeout") or 3)
        try:
            answer = self._runtime.invoke(name, event, timeout_seconds=timeout + RESPONSE_MARGIN_SECONDS)
        except urllib3.exceptions.HTTPError as unreachable:
            return {
                "body": {"errorType": "Runtime.Unreachable", "errorMessage": str(unreachable)},
                "error": True,
            }
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            throttled: dict[str, Any] = self._lambda._throttle_response(  # noqa: SLF001
                reason_code="ReservedFunctionConcurrentInvocationLimitExceeded", msg="Rate Exceeded."
            )
            return throttled
        return {
            "body": json.loads(answer.data) if answer.data else None,
            "error": "X-Amz-Function-Error" in answer.headers,
            "log": base64.b64decode(answer.headers.get("X-Amz-Log-Result", "")).decode(),
        }

    def invoke_asynchronously(self, func: Record, event: object) -> None:
        """Invoke with Event. What is raised becomes the caller's error (500)."""
        self._runtime.accept((func.get("config") or func)["FunctionName"], event)

    def dispatch_scheduled(self, arn: str, payload: str) -> None:
        """A target of EventBridge or of the Scheduler: asynchronous on AWS."""
        func, _config, name = self._lambda._get_func_record_for_ref(arn)  # noqa: SLF001
        if func:
            threading.Thread(
                target=self._runtime.deliver, args=(name, json.loads(payload)), daemon=True
            ).start()

    def http_api_response(self, exec_result: Record) -> tuple[dict[str, Any], None]:
        """A function that failed or was throttled tells the client nothing, as behind an HTTP API of AWS."""
        if exec_result.get("throttle"):
            return _json_response(HTTPStatus.SERVICE_UNAVAILABLE, "Service Unavailable"), None
        if exec_result.get("error"):
            return _json_response(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error"), None
        body = exec_result.get("body")
        if isinstance(body, dict) and "statusCode" in body:
            return body, None
        return {"statusCode": 200, "body": body if isinstance(body, str) else json.dumps(body)}, None

    def keep_metrics(self, function_name: str, duration_ms: float, error: bool, throttle: bool) -> None:
        """The runtime sends AWS/Lambda; ministack counts synchronous calls only."""


def _json_response(status: HTTPStatus, message: str) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    return {"statusCode": int(status), "headers": headers, "body": json.dumps({"message": message})}


class TopicSeams:
    """SNS to Lambda: asynchronous delivery, the subscription's dead-letter queue, and the AWS/SNS metrics."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._sns = importlib.import_module("ministack.services.sns")
        self._lambda = importlib.import_module("ministack.services.lambda_svc")
        self._fanout = self._sns._fanout  # noqa: SLF001
        self._matches = self._sns._matches_filter_policy  # noqa: SLF001
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._counted = threading.Event()
        self._lock = threading.Lock()

    def install(self) -> None:
        replace(self._sns, "_fanout", self.fan_out)
        replace(self._sns, "_matches_filter_policy", self.matches)
        replace(self._sns, "_deliver_to_lambda", self.deliver)
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
        matched: bool = self._matches(sub, message_attributes, message)
        if not matched:
            self._count(sub["topic_arn"], "NumberOfNotificationsFilteredOut")
        return matched

    def deliver(  # noqa: PLR0917  # ministack's parameters, by position
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
        if func and _admits_sns(func, topic_arn):
            self._runtime.deliver(name, lambda_event(content, message_attributes, sub_arn))
            self._count(topic_arn, "NumberOfNotificationsDelivered")
            return
        self._count(topic_arn, "NumberOfNotificationsFailed")
        self._redrive(topic_arn, sub_arn, dead_letter(content, message_attributes, sub_arn))

    def _redrive(self, topic_arn: str, sub_arn: str, body: str) -> None:
        """A client error is not retried: the message goes to the subscription's queue, or nowhere
        (docs/aws-facts.md#sns-delivery-failures)."""
        subscription = self._sns._find_subscription(topic_arn, sub_arn) or {}  # noqa: SLF001
        policy = json.loads(subscription.get("attributes", {}).get("RedrivePolicy") or "{}")
        queue = policy.get("deadLetterTargetArn")
        if not queue:
            return
        if self._sns._sqs._queue_by_arn(queue):  # noqa: SLF001
            self._sns._deliver_to_sqs(queue, body, False, "", topic_arn=topic_arn)  # noqa: SLF001
            self._count(topic_arn, "NumberOfNotificationsRedrivenToDlq")
        else:
            self._count(topic_arn, "NumberOfNotificationsFailedToRedriveToDlq")

    def _count(self, topic_arn: str, metric: str) -> None:
        with self._lock:
            self._counts[topic_arn.rpartition(":")[2]][metric] += 1
        self._counted.set()

    def _report(self) -> None:
        """Wait for the first of them, and then collect for a moment: one call tells of many notifications."""
        while self._counted.wait():
            pause(COUNT_SECONDS)
            self._counted.clear()
            with self._lock:
                counts, self._counts = self._counts, defaultdict(Counter)
            self._runtime.count(counts)


def _admits_sns(func: Record, topic_arn: str) -> bool:
    """Whether the function's policy lets this topic invoke it, or may."""
    policy, arn = json.dumps(func["policy"]), func["config"]["FunctionArn"]
    return admits(policy, action="lambda:InvokeFunction", topic_arn=topic_arn, endpoint_arn=arn) is not False


if __name__ == "__main__":
    main()
