"""The stack of an environment: everything else is discovered from its outputs."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from botocore.exceptions import ClientError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import translated
from b2bpilot.aws.modes import BY_TOPIC
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import AwsError, EnvironmentUnknown

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import StackTypeDef
    from types_boto3_sts import STSClient

PREFIX = "b2b-pilot-"
TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=5, attempts=3)
"""Every command asks this first, with somebody waiting: an AWS that hangs is told of in 20 s."""


class StackOutdated(AwsError):
    """The stack was made from another version's template: outputs are missing. `is_changing`: a deploy is at work on it."""

    code: ClassVar[str] = "stack_outdated"

    def __init__(self, message: str, *, hint: str | None = None, is_changing: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.is_changing = is_changing


ALONE = "read"
"""What the parameter OldSecret is while the secret of the release before is the only one that is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOutputs:
    """The outputs of template.yaml, and where the stack is."""

    stack_name: str
    account_id: str
    region: str
    environment: str
    topic_arn: str
    dead_letter_queue_url: str
    dead_letter_queue_arn: str
    webhook_function_name: str
    processor_function_name: str
    stale_function_name: str
    redriver_function_name: str
    redriver_mapping_id: str
    webhook_url: str
    api_id: str
    secret_arn: str
    """Of the release before: one for both."""
    twilio_secret_arn: str
    database_secret_arn: str
    old_secret: str = ALONE
    """What the parameter OldSecret says; a stack of the release before has no other secret."""
    database_host: str = ""
    database_port: str = ""
    database_name: str = ""
    """Where the database is, if its secret does not tell."""
    subscription_arn: str
    schedule_name: str
    dashboard_name: str
    processor_reserved_concurrency: str
    stale_after_minutes: str
    delivery: str = BY_TOPIC
    """What the parameter Delivery says; the release before knew one way."""
    message_queue_url: str = ""
    message_queue_arn: str = ""
    message_mapping_id: str = ""
    """Empty for a stack of the release before."""
    old_queue_arn: str = ""
    old_queue_mapping_id: str = ""
    """Of the SQS version's queue, while it is drained."""
    pair_region: str = ""
    """Where the environment's other stack is, if it has one."""
    express_function_name: str = ""
    express_subscription_arn: str = ""
    express_reserved_concurrency: str = ""
    """Empty while there is no express lane."""
    high_priority_numbers: str = ""
    """As the parameter has it."""

    @property
    def processors(self) -> tuple[str, ...]:
        """The functions that store messages: the processor, and the express one where there is one."""
        return tuple(name for name in (self.processor_function_name, self.express_function_name) if name)

    @property
    def partition(self) -> str:
        """How its ARNs begin: aws, or aws-cn in China and aws-us-gov in GovCloud."""
        return self.topic_arn.split(":")[1]

    @property
    def processor_function_arn(self) -> str:
        """Without version and alias."""
        return f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:function:{self.processor_function_name}"

    @property
    def express_function_arn(self) -> str:
        """Without version and alias; empty while there is no express lane."""
        name = self.express_function_name
        return f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:function:{name}" if name else ""

    @property
    def twilio_secret(self) -> str:
        """The ARN of the secret with Twilio's credentials, as functions and commands read them."""
        return self.secret_arn if self.reads_old_secret else self.twilio_secret_arn

    @property
    def database_secret(self) -> str:
        """The ARN of the secret with the way to the database, as functions and commands read it."""
        return self.secret_arn if self.reads_old_secret else self.database_secret_arn

    @property
    def reads_old_secret(self) -> bool:
        return self.old_secret == ALONE


UNRESERVED = "unreserved"
"""What the stack says of a processor without a reserve of its own, instead of a number
(docs/aws-facts.md#reserve)."""

WHERE = frozenset({"stack_name", "account_id", "region"})
NEWER = frozenset({"twilio_secret_arn", "database_secret_arn"})
"""Which the release before had not: there SecretArn names both."""


def describe(environment: str, access: AwsAccess) -> StackOutputs:
    """Return the outputs of the environment's stack. Raises EnvironmentUnknown when there is none."""
    client: CloudFormationClient = access.client("cloudformation", TIMEOUTS)
    name = PREFIX + environment
    with translated("cloudformation:DescribeStacks"):
        try:
            stack = client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as exc:
            if error_code(exc) != "ValidationError":
                raise
            raise EnvironmentUnknown(
                f"no environment {environment!r}: stack {name} does not exist in "
                f"account {_account(access)}, {client.meta.region_name}{_found(client)}",
                hint="check --env, --region and --profile",
            ) from exc
    return _outputs(stack)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChange:
    """The last thing that CloudFormation said of a stack: a deploy began, or ended, and when."""

    status: str
    at: datetime

    @property
    def is_changing(self) -> bool:
        return self.status.endswith("_IN_PROGRESS")


def last_change(stack_name: str, access: AwsAccess) -> StackChange:
    """Return the stack's own newest event; those of its resources are left out. Raises AwsError."""
    client: CloudFormationClient = access.client("cloudformation", TIMEOUTS)
    with translated("cloudformation:DescribeStackEvents"):
        for page in client.get_paginator("describe_stack_events").paginate(StackName=stack_name):
            for event in page["StackEvents"]:
                if event.get("PhysicalResourceId") == event["StackId"]:
                    return StackChange(status=event.get("ResourceStatus", ""), at=event["Timestamp"])
    raise AwsError(f"CloudFormation has no event of stack {stack_name}")


def environments(client: CloudFormationClient) -> list[str]:
    """Return the names of the environments in this account and region."""
    names: list[str] = []
    with translated("cloudformation:DescribeStacks"):
        for page in client.get_paginator("describe_stacks").paginate():
            names += [stack["StackName"] for stack in page["Stacks"]]
    return sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))


def _account(access: AwsAccess) -> str:
    """Whose stacks were looked at, for the message."""
    client: STSClient = access.client("sts", TIMEOUTS)
    try:
        with translated("sts:GetCallerIdentity"):
            return client.get_caller_identity()["Account"]
    except AwsError:
        return "(unknown)"


def _found(client: CloudFormationClient) -> str:
    """What there is instead, for the message; a caller who may not list them gets the message without it."""
    try:
        found = environments(client)
    except AwsError:
        return ""
    return f"; found there: {', '.join(found)}" if found else "; there is none at all"


def _outputs(stack: StackTypeDef) -> StackOutputs:
    values = {_snake(output["OutputKey"]): output["OutputValue"] for output in stack.get("Outputs", [])}
    wanted = {field.name for field in fields(StackOutputs) if field.default is MISSING} - WHERE
    if "secret_arn" in values:
        values = dict.fromkeys(NEWER, values["secret_arn"]) | values
    known = values.keys() & {field.name for field in fields(StackOutputs)} - WHERE
    if missing := sorted(wanted - values.keys()):
        raise StackOutdated(
            f"stack {stack['StackName']} ({stack['StackStatus']}) lacks the outputs {', '.join(missing)}",
            hint="deploy this version's template.yaml to it",
            is_changing=stack["StackStatus"].endswith("_IN_PROGRESS"),
        )
    _, _, _, region, account, _ = stack["StackId"].split(":", 5)
    return StackOutputs(
        stack_name=stack["StackName"],
        region=region,
        account_id=account,
        **{name: values[name] for name in known},
    )


def _snake(name: str) -> str:
    """TopicArn -> topic_arn."""
    return "".join(
        f"_{character.lower()}" if character.isupper() else character for character in name
    ).lstrip("_")
