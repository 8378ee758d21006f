"""AWS in one process: ministack, with its Lambda replaced by our runtime. `python -m b2bpilot.local.emulator` starts it.

Which seams are replaced, why, and what was measured without it: docs/decisions/0001-emulator.md. Settings come in environment
variables (ministack's own, and the five below). It ends, saving its state, when its standard input closes: that is how it
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
from b2bpilot.local.emulator_mappings import MappingSeam
from b2bpilot.local.emulator_stacks import StackSeam
from b2bpilot.local.emulator_topic import TopicSeam
from b2bpilot.local.parent_watch import end_when_input_closes

ACCESS_KEY_ID = "B2BPILOT_LOCAL_ACCESS_KEY_ID"
RUNTIME_URL = "B2BPILOT_LOCAL_RUNTIME_URL"
RUNTIME_KEY = "B2BPILOT_LOCAL_RUNTIME_KEY"
EVENTS_PATH = "B2BPILOT_LOCAL_EVENTS"
TIME_SCALE = "B2BPILOT_LOCAL_TIME_SCALE"

RESPONSE_MARGIN_SECONDS = 10

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
    TopicSeam(runtime, replace).install()
    StackSeam().install()
    MappingSeam(replace, time_scale=float(os.environ.pop(TIME_SCALE))).install()
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


if __name__ == "__main__":
    main()
