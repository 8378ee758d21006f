"""One deployed environment that tests break through AWS's public APIs, and look at with all checks."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.stack import StackOutputs
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Category, Check, CheckResult, Severity, Status
from b2bpilot.ops.verify.deployment import Choices, Deployment
from b2bpilot.ops.verify.runner import Runner
from tests import forked
from tests.local.polling import eventually

RED = (Status.FAILED, Status.WARNING)
LOOKED_AT = tuple(check for check in CHECKS if "cloudformation:GetTemplate" not in check.actions)
"""All but those that read the template: half of a look's time, for what no breakage here touches."""
OF_AWS = tuple(
    check
    for check in CHECKS
    if check.category
    in (
        Category.WEBHOOK,
        Category.TOPIC,
        Category.PROCESSOR,
        Category.DEAD_LETTERS,
        Category.STALE,
        Category.ALARMS,
        Category.SUBSCRIBERS,
    )
)
SIGNED_AS = {"apigatewayv2": "apigateway"}
SERVICES = (
    "apigatewayv2", "cloudformation", "cloudwatch", "iam", "lambda", "logs", "scheduler", "secretsmanager", "sns",
    "sqs", "sts",
)  # fmt: skip


@dataclass
class Stage:
    """`before` is red in a fresh environment: nobody is told of alarms here."""

    deployment: Deployment
    before: frozenset[str] = frozenset()
    is_changing: bool = False
    times: int = 0

    @property
    def stack(self) -> StackOutputs:
        return self.deployment.stack

    def aws(self, service: str) -> Any:
        return self.deployment.client(service)

    def look(self, checks: Sequence[Check] = LOOKED_AT, **changes: Any) -> dict[str, CheckResult]:
        """Run checks on a world that was not looked at yet, other outputs or another time in it."""
        deployment = dataclasses.replace(self.deployment.again(), now=changes.pop("now", datetime.now(UTC)))
        outputs = dataclasses.replace(self.stack, **changes)
        deployment.ask("stack", lambda: outputs)
        return {result.check.code: result for result in Runner(checks).run(deployment)}

    def red(self) -> dict[str, CheckResult]:
        """What is not as it was in the fresh environment, once Lambda has made the changes that it was asked for."""
        if self.is_changing:
            self.settle()
        found = self.look()
        return {code: one for code, one in found.items() if one.status in RED and code not in self.before}

    def one(self, code: str, *, alone: bool = False, **changes: Any) -> CheckResult:
        """Run one check and, unless it stands alone, what it needs."""
        if self.is_changing:
            self.settle()
        return self.look([_checks()[code]] if alone else _with_needs(code), **changes)[code]

    def worst(self, code: str) -> Status:
        """What a check comes to that is not true."""
        return Status.FAILED if _checks()[code].severity is Severity.FATAL else Status.WARNING

    def apart(self) -> timedelta:
        """How long ago something can have been counted, more than a day from all else. CloudWatch takes two weeks."""
        self.times += 1
        return self.times * timedelta(hours=30)

    def count(self, namespace: str, metric: str, value: float, *, at: datetime) -> None:
        """As AWS does it for the topic, the queue, the API or the processor, and for the stack's own metrics."""
        stack = self.stack
        known = {
            "AWS/ApiGateway": ("ApiId", stack.api_id),
            "AWS/Lambda": ("FunctionName", stack.processor_function_name),
            "AWS/SNS": ("TopicName", stack.topic_arn.rpartition(":")[2]),
            "AWS/SQS": ("QueueName", stack.dead_letter_queue_arn.rpartition(":")[2]),
        }
        dimensions = (
            [{"Name": name, "Value": subject} for name, subject in [known[namespace]]]
            if namespace in known
            else []
        )
        datum = {"MetricName": metric, "Dimensions": dimensions, "Timestamp": at}
        self.aws("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[datum | {"Value": value}])

    def settle(self) -> None:
        eventually(self._is_settled, "the change of a function")
        self.is_changing = False

    def _is_settled(self) -> bool:
        """A change of a function takes half a second here, seconds on AWS."""
        functions = self.aws("lambda").list_functions()["Functions"]
        return all(one["State"] == "Active" for one in functions)

    def run(self, command: str) -> None:
        """As an operator does who copies it into a shell that knows no AWS."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        variables |= {
            "PATH": forked.path(),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        done = subprocess.run(command, shell=True, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        self.is_changing = "update-function-configuration" in command

    @contextmanager
    def recorded(self) -> Iterator[set[str]]:
        """Yield the IAM actions of all calls in the block, as they come."""
        used: set[str] = set()

        def record(model: Any, **_: Any) -> None:
            service = SIGNED_AS.get(model.service_model.service_name, model.service_model.service_name)
            action = model.name.removesuffix("Batch") if service == "sqs" else model.name
            used.add("apigateway:GET" if service == "apigateway" else f"{service}:{action}")

        clients = [self.aws(service) for service in SERVICES]
        for client in clients:
            client.meta.events.register("before-call", record, unique_id="recorded")
        yield used
        for client in clients:
            client.meta.events.unregister("before-call", unique_id="recorded")

    # what the breakages have in common

    def configure(self, function: str, **settings: Any) -> None:
        self.aws("lambda").update_function_configuration(FunctionName=function, **settings)
        self.is_changing = True

    def tell(self, function: str, **variables: str) -> None:
        told = self.aws("lambda").get_function_configuration(FunctionName=function)["Environment"][
            "Variables"
        ]
        self.configure(function, Environment={"Variables": {**told, **variables}})

    def forbid_all(self, function: str) -> None:
        for statement in json.loads(self.aws("lambda").get_policy(FunctionName=function)["Policy"])[
            "Statement"
        ]:
            self.aws("lambda").remove_permission(FunctionName=function, StatementId=statement["Sid"])

    def role(self, function: str) -> str:
        arn: str = self.aws("lambda").get_function_configuration(FunctionName=function)["Role"]
        return arn.rpartition("/")[2]

    def queue(self, **attributes: str) -> None:
        self.aws("sqs").set_queue_attributes(QueueUrl=self.stack.dead_letter_queue_url, Attributes=attributes)

    def queue_policy(self) -> dict[str, Any]:
        answer = self.aws("sqs").get_queue_attributes(
            QueueUrl=self.stack.dead_letter_queue_url, AttributeNames=["Policy"]
        )
        policy: dict[str, Any] = json.loads(answer["Attributes"]["Policy"])
        return policy

    def topic(self, name: str, value: str) -> None:
        self.aws("sns").set_topic_attributes(
            TopicArn=self.stack.topic_arn, AttributeName=name, AttributeValue=value
        )

    def subscriptions(self) -> list[dict[str, str]]:
        found = self.aws("sns").list_subscriptions_by_topic(TopicArn=self.stack.topic_arn)
        return list(found["Subscriptions"])

    def subscribed(self) -> str:
        """The ARN of the processor's subscription, which a fixed one has anew."""
        name = self.stack.processor_function_name
        return next(one["SubscriptionArn"] for one in self.subscriptions() if one["Endpoint"].endswith(name))

    def subscription(self, name: str, value: str) -> None:
        self.aws("sns").set_subscription_attributes(
            SubscriptionArn=self.subscribed(), AttributeName=name, AttributeValue=value
        )

    def function_arn(self, name: str) -> str:
        return f"arn:aws:lambda:{self.stack.region}:{self.stack.account_id}:function:{name}"


def _checks() -> dict[str, Check]:
    return {check.code: check for check in CHECKS}


def _with_needs(code: str) -> list[Check]:
    check = _checks()[code]
    needed = {one.code: one for part in check.needs for one in _with_needs(part)}
    return [*needed.values(), check]


def opened(access: AwsAccess) -> Stage:
    """Look at a fresh environment."""
    choices = Choices(end_to_end=False)
    stage = Stage(Deployment(name="local", access=access, now=datetime.now(UTC), choices=choices))
    stage.before = frozenset(code for code, one in stage.look().items() if one.status in RED)
    return stage
