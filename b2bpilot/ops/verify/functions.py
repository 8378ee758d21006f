"""What the probes of three categories ask of a function: is it there and ready, is it told the right things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from b2bpilot.aws.function_settings import FunctionSettings, function_settings
from b2bpilot.aws.roles import may
from b2bpilot.aws.stack import StackOutputs
from b2bpilot.errors import NotFound
from b2bpilot.ops.verify.check import Answer, fails, holds
from b2bpilot.ops.verify.commands import aws, document
from b2bpilot.ops.verify.deployment import Deployment

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

READ = ("lambda:GetFunctionConfiguration",)
SIMULATE = ("lambda:GetFunctionConfiguration", "iam:SimulatePrincipalPolicy")
OURS = frozenset(
    {
        "API_WEBHOOK_URL",
        "DATABASE_HOST",
        "DATABASE_NAME",
        "DATABASE_PORT",
        "DATABASE_SECRET_ARN",
        "DEAD_LETTER_QUEUE_URL",
        "HIGH_PRIORITY_NUMBERS",
        "OLD_QUEUE_ARN",
        "OWN_FUNCTION_ARNS",
        "OWN_QUEUE_ARN",
        "OWN_SUBSCRIPTION_ARNS",
        "PREVIOUS_WEBHOOK_URL",
        "PROCESSOR_CONCURRENCY",
        "PROCESSOR_FUNCTION_NAME",
        "PUBLIC_WEBHOOK_URL",
        "REPLY_TEXT",
        "SECRET_ARN",
        "SENDS_REPLIES",
        "SNS_TOPIC_ARN",
        "STALE_AFTER_MINUTES",
        "TWILIO_SECRET_ARN",
    }
)
"""The variables that the template sets. Others may be secrets, and a command that changes one repeats them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Something that a role has to be allowed."""

    action: str
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """Which of the two secrets a function reads."""

    twilio: bool = False
    database: bool = False

    def variables(self, stack: StackOutputs) -> dict[str, str]:
        """What the function is told of them; the one of the release before is both."""
        if stack.reads_old_secret:
            return {"SECRET_ARN": stack.secret_arn}
        place = {
            "DATABASE_HOST": stack.database_host,
            "DATABASE_PORT": stack.database_port,
            "DATABASE_NAME": stack.database_name,
        }
        return {
            **({"TWILIO_SECRET_ARN": stack.twilio_secret} if self.twilio else {}),
            **({"DATABASE_SECRET_ARN": stack.database_secret} if self.database else {}),
            **({name: value for name, value in place.items() if value} if self.database else {}),
        }

    def grants(self, stack: StackOutputs) -> list[Grant]:
        read = [(self.twilio, stack.twilio_secret), (self.database, stack.database_secret)]
        arns = dict.fromkeys(arn for is_read, arn in read if is_read)
        return [Grant(action="secretsmanager:GetSecretValue", resource=arn) for arn in arns]


def found(deployment: Deployment, name: str) -> FunctionSettings | None:
    """Raises AwsError."""
    settings: FunctionSettings | None = deployment.ask(
        ("function", name), lambda: function_settings(deployment.client("lambda"), name)
    )
    return settings


def existing(deployment: Deployment, name: str) -> FunctionSettings:
    """Raises NotFound, or AwsError."""
    settings = found(deployment, name)
    if settings is None:
        raise NotFound(f"there is no function {name}")
    return settings


def is_ready(deployment: Deployment, name: str) -> Answer:
    settings = found(deployment, name)
    if settings is None:
        return fails(f"there is no function {name}; a deploy does not bring it back while its stack is there")
    if settings.state != "Active":
        return fails(
            _state(name, settings.state, settings.state_reason), may_change=settings.state == "Pending"
        )
    if settings.update != "Successful":
        told = _state(f"the last change of {name}", settings.update, settings.update_reason)
        return fails(told, may_change=settings.update == "InProgress")
    return holds(f"{name} is active ({settings.runtime}, {settings.memory_megabytes} MB)")


def has_timeout(settings: FunctionSettings, seconds: int) -> Answer:
    if settings.timeout_seconds == seconds:
        return holds(f"{seconds} s")
    return fails(f"{settings.name} has a timeout of {settings.timeout_seconds} s instead of {seconds} s")


def is_told(settings: FunctionSettings, expected: Mapping[str, str]) -> Answer:
    """Whether the environment has these variables with these values, which are no secrets."""
    told = settings.environment
    wrong = [
        f"{name} is {told.get(name) or 'not set'}" for name in expected if told.get(name) != expected[name]
    ]
    if not wrong:
        return holds(f"{', '.join(expected)} as deployed")
    return fails(f"in {settings.name}, {'; '.join(wrong)}", fix=environment_command(settings, expected))


def environment_command(settings: FunctionSettings, expected: Mapping[str, str]) -> str:
    """Return the command that sets variables and keeps the others; none when an other one could be a secret."""
    variables = {**settings.environment, **expected}
    if not variables.keys() <= OURS:
        return ""
    return aws(
        "lambda", "update-function-configuration", "--function-name", settings.name,
        "--environment", document({"Variables": variables}),
    )  # fmt: skip


def is_allowed(deployment: Deployment, role_arn: str, grants: Sequence[Grant], *, policy: str) -> Answer:
    """Whether a role has all of these; the command adds them as an inline policy of the given name."""
    client: IAMClient = deployment.client("iam")
    missing = [grant for grant in grants if not may(client, role_arn, grant.action, grant.resource)]
    role = role_arn.rpartition("/")[2]
    if not missing:
        return holds(f"{', '.join(grant.action for grant in grants)} for {role}")
    told = "; ".join(f"{role} may not {grant.action} on {grant.resource}" for grant in missing)
    return fails(told, fix=grant_command(role_arn, grants, policy))


def grant_command(role_arn: str, grants: Sequence[Grant], policy: str) -> str:
    """Return the command that gives the role these, as an inline policy of that name."""
    statements = [{"Effect": "Allow", "Action": one.action, "Resource": one.resource} for one in grants]
    return aws(
        "iam", "put-role-policy", "--role-name", role_arn.rpartition("/")[2], "--policy-name", policy,
        "--policy-document", document({"Version": "2012-10-17", "Statement": statements}),
    )  # fmt: skip


def _state(what: str, state: str, reason: str) -> str:
    return f"{what}: {state}{f' ({reason})' if reason else ''}"
