"""Two teams whose subscribers are right, and ways to break one of them, each with the code of the check that has to find it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Category, CheckResult
from b2bpilot.ops.verify.deployment import Choices
from b2bpilot.ops.verify.selection import of_subscribers
from tests.local.conftest import empty_zip
from tests.local.verify_stage import RED, Stage

LOOKED_AT = tuple(
    check
    for check in CHECKS
    if check.category in (Category.TOPIC, Category.DEAD_LETTERS, Category.SUBSCRIBERS)
)
ANALYTICS, BILLING = "analytics-b2b-pilot-local", "billing-b2b-pilot-local"


@dataclass
class Teams:
    """`analytics` has a function, `billing` a queue and a function behind it, all as `subscribers new` makes them."""

    stage: Stage
    home: Path
    analytics: str = ""
    billing: str = ""
    mapping: str = ""
    made: list[str] = field(default_factory=list)

    def deploy(self) -> Teams:
        self.analytics = self.subscribe(
            "lambda", self.right_function(ANALYTICS), self.queue_arn(f"{ANALYTICS}-dlq")
        )
        self.billing = self.subscribe("sqs", self.right_queue(BILLING), self.queue_arn(f"{BILLING}-dlq"))
        self.stage.settle()
        return self

    def look(self, *asked: str) -> dict[str, CheckResult]:
        """What the checks say that subscribers could make red; with names, those of `verify --subscriber`."""
        choices = Choices(end_to_end=False, subscribers=asked)
        stage = dataclasses.replace(
            self.stage, deployment=dataclasses.replace(self.stage.deployment, choices=choices)
        )
        return stage.look(of_subscribers(CHECKS) if asked else LOOKED_AT)

    def red(self, *asked: str) -> dict[str, CheckResult]:
        self.stage.settle()
        return {
            code: one
            for code, one in self.look(*asked).items()
            if one.status in RED and code not in self.stage.before
        }

    @property
    def topic(self) -> str:
        return self.stage.stack.topic_arn

    def aws(self, service: str) -> Any:
        return self.stage.aws(service)

    def queue_arn(self, name: str) -> str:
        stack = self.stage.stack
        return f"arn:aws:sqs:{stack.region}:{stack.account_id}:{name}"

    def queue(self, name: str, **attributes: str) -> str:
        self.aws("sqs").create_queue(QueueName=name, Attributes=attributes)
        return self.queue_arn(name)

    def admitting(self, name: str, **attributes: str) -> str:
        statement = {
            "Sid": "AllowTheTopic",
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self.queue_arn(name),
            "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        return self.queue(name, Policy=policy, **attributes)

    def dead_letters(self, name: str) -> str:
        self.aws("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/SQS",
            MetricName="ApproximateNumberOfMessagesVisible",
            Dimensions=[{"Name": "QueueName", "Value": name}],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
        )
        return self.admitting(name)

    def function(self, name: str, dead_letters: str | None = None) -> str:
        role = (
            self.role(name, dead_letters)
            if dead_letters
            else f"arn:aws:iam::{self.stage.stack.account_id}:role/any"
        )
        made = self.aws("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role,
            Handler="tests.local.functions.handler",
            Code={"ZipFile": empty_zip()},
            Timeout=10,
            **({"DeadLetterConfig": {"TargetArn": dead_letters}} if dead_letters else {}),
        )
        return str(made["FunctionArn"])

    def role(self, name: str, dead_letters: str) -> str:
        iam = self.aws("iam")
        role = iam.create_role(
            RoleName=name, AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}'
        )
        statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": dead_letters}
        iam.put_role_policy(
            RoleName=name,
            PolicyName="Subscriber",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        return str(role["Role"]["Arn"])

    def right_function(self, name: str) -> str:
        function = self.function(name, self.dead_letters(f"{name}-dlq"))
        self.let_in(name)
        return function

    def let_in(self, function: str) -> None:
        self.aws("lambda").add_permission(
            FunctionName=function,
            StatementId="sns",
            Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com",
            SourceArn=self.topic,
        )

    def right_queue(self, name: str) -> str:
        policy = json.dumps({"deadLetterTargetArn": self.dead_letters(f"{name}-dlq"), "maxReceiveCount": 5})
        queue = self.admitting(name, RedrivePolicy=policy, VisibilityTimeout="60")
        self.mapping = self.aws("lambda").create_event_source_mapping(
            EventSourceArn=queue,
            FunctionName=self.function(name),
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )["UUID"]
        return queue

    def subscribe(
        self, protocol: str, endpoint: str, dead_letters: str | None = None, **attributes: str
    ) -> str:
        policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_letters})} if dead_letters else {}
        made = self.aws("sns").subscribe(
            TopicArn=self.topic,
            Protocol=protocol,
            Endpoint=endpoint,
            Attributes={**policy, **attributes},
            ReturnSubscriptionArn=True,
        )
        self.made.append(str(made["SubscriptionArn"]))
        return self.made[-1]

    def unsubscribe_last(self) -> None:
        self.aws("sns").unsubscribe(SubscriptionArn=self.made.pop())

    def change_queue(self, name: str, **attributes: str) -> None:
        url = self.aws("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        self.aws("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)

    def change(self, subscription: str, name: str, value: str) -> None:
        self.aws("sns").set_subscription_attributes(
            SubscriptionArn=subscription, AttributeName=name, AttributeValue=value
        )


Act = Callable[[Teams], object]


def _nothing(_: Teams) -> None: ...


@dataclass(frozen=True)
class Wrong:
    """`seen` is part of what the check says. Not `fixed`: no command puts it right, and `after` does."""

    code: str
    seen: str
    do: Act
    after: Act = _nothing
    fixed: bool = True


def queue_subscribed(name: str, **attributes: str) -> Act:
    """One more queue that nobody reads, right but for what is wrong with it."""

    def do(teams: Teams) -> None:
        dead_letters = teams.dead_letters(f"{name.removesuffix('.fifo')}-dlq")
        policy = json.dumps({"deadLetterTargetArn": dead_letters, "maxReceiveCount": 5})
        teams.subscribe("sqs", teams.admitting(name, RedrivePolicy=policy, **attributes), dead_letters)

    return do


def dead_letters_of(other: str, name: str) -> Act:
    def do(teams: Teams) -> None:
        policy = json.dumps({"deadLetterTargetArn": teams.queue_arn(other), "maxReceiveCount": 5})
        queue = teams.admitting(name, RedrivePolicy=policy)
        teams.subscribe("sqs", queue, teams.queue_arn(other))

    return do


def without_any(name: str) -> Act:
    return lambda teams: teams.subscribe("sqs", teams.admitting(name))


def gone(service: str, name: str) -> Act:
    """What SNS was told of, and nobody made."""

    def do(teams: Teams) -> None:
        arn = teams.queue_arn(name) if service == "sqs" else teams.stage.function_arn(name)
        teams.subscribe(service, arn)

    return do


def key_of_aws(name: str) -> Act:
    return lambda teams: teams.change_queue(name, KmsMasterKeyId="alias/aws/sqs")


def unsubscribe(teams: Teams) -> None:
    teams.unsubscribe_last()


def event_invoke(**settings: Any) -> Act:
    return lambda teams: teams.aws("lambda").put_function_event_invoke_config(
        FunctionName=ANALYTICS, **settings
    )


def mapping(**settings: Any) -> Act:
    return lambda teams: teams.aws("lambda").update_event_source_mapping(UUID=teams.mapping, **settings)


def configure(**settings: Any) -> Act:
    return lambda teams: teams.stage.configure(ANALYTICS, **settings)


def two_consumers(teams: Teams) -> None:
    another = teams.function("another")
    made = teams.aws("lambda").create_event_source_mapping(
        EventSourceArn=teams.queue_arn(BILLING), FunctionName=another
    )
    teams.made.append(made["UUID"])


def one_consumer(teams: Teams) -> None:
    teams.aws("lambda").delete_event_source_mapping(UUID=teams.made.pop())


WRONG = (
    Wrong("B2B181", "-local is encrypted with alias/aws/sqs, which SNS may not use", key_of_aws(BILLING)),
    Wrong("B2B185", "-dlq is encrypted with alias/aws/sqs, which SNS may not use", key_of_aws(f"{BILLING}-dlq")),
    Wrong("B2B185", f"{BILLING}-dlq does not exist: what fails is lost", lambda t: t.aws("sqs").delete_queue(QueueUrl=t.aws("sqs").get_queue_url(QueueName=f"{BILLING}-dlq")["QueueUrl"])),
    Wrong("B2B180", "orders.fifo is a FIFO queue, and SNS delivers", queue_subscribed("orders.fifo", FifoQueue="true")),
    Wrong("B2B180", "never-made: arn:aws:lambda:us-east-1:000000000001:function:never-made does not exist", gone("lambda", "never-made")),
    Wrong("B2B180", "never-made: arn:aws:sqs:us-east-1:000000000001:never-made does not exist", gone("sqs", "never-made")),
    Wrong("B2B184", f"analytics: {{queue}}:{ANALYTICS}-dlq is the dead-letter queue of copy, too; copy: ", dead_letters_of(f"{ANALYTICS}-dlq", "copy"), unsubscribe, fixed=False),
    Wrong("B2B184", "silent: neither its subscription nor its queue has a dead-letter queue", without_any("silent"), unsubscribe, fixed=False),
    Wrong("B2B188", "billing: 2 functions read its queue, and each gets a part: ", two_consumers, one_consumer, fixed=False),
    Wrong("B2B181", "analytics: the policy of its function does not let SNS in", lambda t: t.stage.forbid_all(ANALYTICS)),
    Wrong("B2B181", "billing: the policy of its queue does not let SNS in", lambda t: t.change_queue(BILLING, Policy="")),
    Wrong("B2B182", "no message that b2bpilot publishes passes it", lambda t: t.change(t.analytics, "FilterPolicy", '{"source": ["web"]}')),
    Wrong("B2B182", "SNS has no operator wildcard", lambda t: t.change(t.billing, "FilterPolicy", '{"source": [{"wildcard": "t*"}]}')),
    Wrong("B2B184", "analytics: the subscription has no redrive policy", lambda t: t.change(t.analytics, "RedrivePolicy", "{}")),
    Wrong("B2B184", "analytics: the function has no dead-letter queue", configure(DeadLetterConfig={"TargetArn": ""})),
    Wrong("B2B184", "billing: the queue has no dead-letter queue", lambda t: t.change_queue(BILLING, RedrivePolicy="")),
    Wrong("B2B185", "billing: the policy of arn:aws:sqs", lambda t: t.change_queue(f"{BILLING}-dlq", Policy="")),
    Wrong("B2B186", "analytics: analytics-b2b-pilot-local may not sqs:SendMessage on ", lambda t: t.aws("iam").delete_role_policy(RoleName=ANALYTICS, PolicyName="Subscriber")),
    Wrong("B2B187", "analytics: Lambda does not run a failed message again", event_invoke(MaximumRetryAttempts=0)),
    Wrong("B2B187", "analytics: Lambda gives a message up after 60 s", event_invoke(MaximumEventAgeInSeconds=60)),
    Wrong("B2B188", "billing: the mapping from its queue to its function is Disabled", mapping(Enabled=False)),
    Wrong("B2B188", "billing: the mapping has no ReportBatchItemFailures", mapping(FunctionResponseTypes=[])),
    Wrong("B2B188", "billing: the queue hides a message for 5 s", lambda t: t.change_queue(BILLING, VisibilityTimeout="5")),
    Wrong("B2B189", "analytics: no alarm watches the number or the age of dead letters", lambda t: t.aws("cloudwatch").delete_alarms(AlarmNames=[f"{ANALYTICS}-dlq"])),
)  # fmt: skip
