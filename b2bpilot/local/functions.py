"""The functions of the stack, run by our runtime in threads of this process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

from b2bpilot.local.clients import LocalAws, credentials
from b2bpilot.local.readiness import wait_until_answering
from b2bpilot.local.runtime.code import Load, load_here, only
from b2bpilot.local.runtime.configuration import ConfigurationCache, FunctionConfiguration, read_configuration
from b2bpilot.local.runtime.dead_letter import DeadLetterQueues
from b2bpilot.local.runtime.events import EventQueue
from b2bpilot.local.runtime.logs import CapturedOutput
from b2bpilot.local.runtime.metric_filters import MetricsFromLogs, read_metric_filters
from b2bpilot.local.runtime.metrics import Metrics
from b2bpilot.local.runtime.server import RuntimeServer
from b2bpilot.local.runtime.service import LambdaRuntime
from b2bpilot.local.runtime.shipping import Background, LogShipper
from b2bpilot.local.stack import Stack, webhook_url
from b2bpilot.local.subscribers.folder import SubscriberFolder
from b2bpilot.local.subscribers.functions import as_it_is_now, with_subscribers
from b2bpilot.local.timing import lease_variable, least_pause_seconds

NO_FILES = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
"""The functions see no more of the user's AWS settings in files than in variables."""

SWITCH_SECONDS = 0.001
"""All functions share one interpreter: with the default of 5 ms, one that computes holds up every other by as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What is run: our functions, those of `handlers`, loaded by `load`, with `variables` before those of the template; and
    the subscribers' functions, from the folder that each belongs to, with their own variables alone."""

    load: Load = load_here
    handlers: Collection[str]
    replies: bool = False
    variables: Mapping[str, str]
    folders: Mapping[str, SubscriberFolder] = field(default_factory=dict)


@contextmanager
def serving(
    server: RuntimeServer,
    aws: LocalAws,
    stack: Stack,
    events_path: Path,
    served: Served,
    *,
    time_scale: float,
) -> Iterator[None]:
    """Answer invocations, and take up the events that an earlier process left, until the block ends. The webhook
    answers when it begins.

    The process has the account's variables and the served ones.
    """
    if served.replies:
        import_module("twilio.rest")  # it takes a second or two: longer than a lease on a fast clock
    account = credentials(aws.endpoint_url, aws.keys, aws.region) | NO_FILES
    read = _configurations(aws, served, account, time_scale)
    changed = threading.Event()
    metrics = Metrics(changed=changed.set)
    filters = MetricsFromLogs(read_metric_filters(aws.logs), metrics)
    logs = LogShipper(aws.logs, changed=changed.set, observe=filters.observe)
    queues = DeadLetterQueues(aws.sqs)
    events = EventQueue(events_path)
    runtime = LambdaRuntime(
        configurations=read,
        send_dead_letter=queues.send,
        events=events,
        logs=logs,
        metrics=metrics,
        load=with_subscribers(only(served.load, served.handlers), served.folders),
        time_scale=time_scale,
        least_pause_seconds=least_pause_seconds(time_scale),
    )
    background = Background(changed, logs, metrics, aws.cloudwatch)
    with ExitStack() as cleanup:
        cleanup.callback(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(SWITCH_SECONDS)
        cleanup.callback(events.close)
        cleanup.enter_context(process_environment(account | dict(served.variables)))
        cleanup.enter_context(CapturedOutput())
        cleanup.callback(background.stop)
        runtime.start()
        cleanup.callback(runtime.stop)
        server.start(runtime)
        cleanup.callback(server.server_close)
        cleanup.callback(server.shutdown)
        wait_until_answering(webhook_url(aws.endpoint_url))
        _forget_the_question(logs, metrics, read(stack.outputs["WebhookFunctionName"]))
        background.start()
        yield


def _configurations(
    aws: LocalAws, served: Served, account: Mapping[str, str], time_scale: float
) -> ConfigurationCache:
    """How each function is set up now, with the variables that it gets: a subscriber's has none of ours."""

    def configuration(name: str) -> FunctionConfiguration:
        found = read_configuration(aws.functions, name)
        if folder := served.folders.get(name):
            return as_it_is_now(found, folder, {**account, **lease_variable(time_scale)})
        return replace(found, environment={**account, **found.environment, **served.variables})

    return ConfigurationCache(configuration)


def _forget_the_question(logs: LogShipper, metrics: Metrics, webhook: FunctionConfiguration) -> None:
    """Whoever looks for refused requests must not find ours."""
    logs.forget(webhook.log_group)
    metrics.forget(webhook.name)


@contextmanager
def process_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables in this process, and take them out afterwards."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
