"""What each command may ask of AWS, at least: one table, for `verify --print-iam`, docs/iam.md and a test that runs commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from b2bpilot.aws.stack import StackOutputs
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.subscribers import IMPORTS, OWNERS, SUBSCRIBER

STACK = "arn:{partition}:cloudformation:{region}:{account}:stack/b2b-pilot-{environment}/*"
DATABASE_SECRET, TWILIO_SECRET, OLD_SECRET = (
    "{database_secret_arn}",
    "{twilio_secret_arn}",
    "{secret_arn}",
)
TOPIC = "arn:{partition}:sns:{region}:{account}:b2b-pilot-messages-{environment}"
ALARM_TOPIC = "{alarm_topic_arn}"
OLD_QUEUE = "{old_queue_arn}"
QUEUE = "arn:{partition}:sqs:{region}:{account}:b2b-pilot-dead-letters-{environment}"
# Written out: `b2b-pilot-*-dev` would allow the functions of an environment `eu-dev` as well.
NAMES = (
    "webhook-handler",
    "background-processor",
    "express-processor",
    "stale-message-processor",
    "dead-letter-redriver",
)
FUNCTIONS = tuple(
    f"arn:{{partition}}:lambda:{{region}}:{{account}}:function:b2b-pilot-{name}-{{environment}}"
    for name in NAMES
)
PROCESSOR = "arn:{partition}:lambda:{region}:{account}:function:b2b-pilot-background-processor-{environment}"
REDRIVER = "arn:{partition}:lambda:{region}:{account}:function:b2b-pilot-dead-letter-redriver-{environment}"
MESSAGE_QUEUE = "arn:{partition}:sqs:{region}:{account}:b2b-pilot-{environment}-MessageQueue-*"
SUBSCRIBERS_FUNCTIONS = "arn:{partition}:lambda:{region}:{account}:function:*-b2b-pilot-{environment}"
SUBSCRIBERS_QUEUES = "arn:{partition}:sqs:{region}:{account}:*-b2b-pilot-{environment}"
SUBSCRIBERS_DEAD_LETTERS = f"{SUBSCRIBERS_QUEUES}-dlq"
SUBSCRIBERS_STACKS = "arn:{partition}:cloudformation:{region}:{account}:stack/*-b2b-pilot-{environment}/*"
SUBSCRIBERS_ROLES = "arn:{partition}:iam::{account}:role/*-b2b-pilot-{environment}-Role-*"
MAPPING = "arn:{partition}:lambda:{region}:{account}:event-source-mapping:*"
LOG_GROUPS = tuple(
    f"arn:{{partition}}:logs:{{region}}:{{account}}:log-group:/aws/lambda/b2b-pilot-{name}-{{environment}}:*"
    for name in NAMES
)
# CloudFormation names roles after the stack and the template. The capital keeps out the stack of an environment `dev-eu`.
ROLES = tuple(
    f"arn:{{partition}}:iam::{{account}}:role/b2b-pilot-{{environment}}-{capital}*" for capital in "BDRSW"
)
SCHEDULE = (
    "arn:{partition}:scheduler:{region}:{account}:schedule/default/b2b-pilot-stale-messages-{environment}"
)
API = "arn:{partition}:apigateway:{region}::/apis/{api_id}/*"
ANYTHING = "*"

RESOURCES: Mapping[str, tuple[str, ...]] = {
    "apigateway:GET": (API,),
    "cloudformation:CreateChangeSet": (STACK,),
    "cloudformation:DescribeChangeSet": (STACK,),
    "cloudformation:DescribeStackResources": (ANYTHING,),
    "cloudformation:DescribeStackEvents": (STACK,),
    "cloudformation:DescribeStacks": (STACK, SUBSCRIBERS_STACKS),
    "cloudformation:ExecuteChangeSet": (STACK,),
    "cloudformation:GetTemplate": (STACK,),
    "cloudformation:ListImports": (ANYTHING,),
    "cloudformation:ListStackResources": (SUBSCRIBERS_STACKS,),
    "cloudwatch:DescribeAlarms": (ANYTHING,),
    "cloudwatch:GetMetricData": (ANYTHING,),
    "iam:SimulatePrincipalPolicy": (*ROLES, SUBSCRIBERS_ROLES),
    "kms:DescribeKey": (ANYTHING,),
    "kms:GetKeyPolicy": (ANYTHING,),
    "lambda:GetEventSourceMapping": (MAPPING,),
    "lambda:GetFunctionConcurrency": FUNCTIONS,
    "lambda:GetFunctionConfiguration": (*FUNCTIONS, SUBSCRIBERS_FUNCTIONS),
    "lambda:GetFunctionEventInvokeConfig": (*FUNCTIONS, SUBSCRIBERS_FUNCTIONS),
    "lambda:GetPolicy": (*FUNCTIONS, SUBSCRIBERS_FUNCTIONS),
    "lambda:InvokeFunction": (PROCESSOR, REDRIVER, SUBSCRIBERS_FUNCTIONS),
    "lambda:ListEventSourceMappings": (ANYTHING,),
    "lambda:ListTags": (MAPPING,),
    "lambda:TagResource": (MAPPING,),
    "lambda:UpdateEventSourceMapping": (MAPPING,),
    "logs:DescribeLogGroups": (ANYTHING,),
    "logs:FilterLogEvents": LOG_GROUPS,
    "scheduler:GetSchedule": (SCHEDULE,),
    "secretsmanager:DescribeSecret": (DATABASE_SECRET, TWILIO_SECRET),
    "secretsmanager:GetSecretValue": (DATABASE_SECRET, TWILIO_SECRET, OLD_SECRET),
    "sns:GetSubscriptionAttributes": (ANYTHING,),
    "sns:GetTopicAttributes": (TOPIC, ALARM_TOPIC),
    "sns:ListSubscriptionsByTopic": (TOPIC, ALARM_TOPIC),
    "sns:Publish": (TOPIC,),
    "sqs:ChangeMessageVisibility": (QUEUE,),
    "sqs:DeleteMessage": (QUEUE,),
    "sqs:GetQueueAttributes": (
        QUEUE,
        MESSAGE_QUEUE,
        OLD_QUEUE,
        SUBSCRIBERS_QUEUES,
        SUBSCRIBERS_DEAD_LETTERS,
    ),
    "sqs:GetQueueUrl": (QUEUE, OLD_QUEUE, SUBSCRIBERS_QUEUES, SUBSCRIBERS_DEAD_LETTERS),
    "sqs:ReceiveMessage": (QUEUE,),
    "sqs:SendMessage": (QUEUE, SUBSCRIBERS_QUEUES),
    "sts:GetCallerIdentity": (ANYTHING,),
}
"""The least that an action can be confined to (AWS's service authorization reference)."""

OF_A_SUBSCRIBER: Mapping[str, tuple[str, ...]] = {
    "lambda:GetFunctionConcurrency": (SUBSCRIBERS_FUNCTIONS,),
    "logs:FilterLogEvents": (
        "arn:{partition}:logs:{region}:{account}:log-group:/aws/lambda/*-b2b-pilot-{environment}:*",
    ),
    "sqs:ChangeMessageVisibility": (SUBSCRIBERS_DEAD_LETTERS,),
    "sqs:DeleteMessage": (SUBSCRIBERS_DEAD_LETTERS,),
    "sqs:ReceiveMessage": (SUBSCRIBERS_DEAD_LETTERS,),
    "sqs:SendMessage": (SUBSCRIBERS_DEAD_LETTERS,),
}
"""What `dlq ... --subscriber`, `logs --subscriber` and `inspect` do the same with, beside the stack's own: by the names of decision 38. Any other subscriber's
have to be added."""

FIND = ("cloudformation:DescribeStacks",)
ROWS = (*FIND, "secretsmanager:GetSecretValue")
PROVEN_ROWS = (*ROWS, "logs:FilterLogEvents")
"""The processor's log proves a database that is reached by another address than the secret's."""
DEAD_LETTERS = (
    *FIND,
    *OWNERS,
    "sqs:ReceiveMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
)
LOOK = (*DEAD_LETTERS, *PROVEN_ROWS)
TAKE = (*LOOK, "sqs:DeleteMessage")
STORY = (*LOOK, "lambda:GetFunctionEventInvokeConfig")
SUBSCRIPTIONS_OF_TOPIC = (*FIND, *OWNERS)
ADMISSION = ("lambda:GetPolicy", *SUBSCRIBER)
SUBSCRIBERS = (
    *SUBSCRIPTIONS_OF_TOPIC,
    *ADMISSION,
    *IMPORTS,
    "cloudwatch:GetMetricData",
)
REMOTE = (
    "lambda:GetEventSourceMapping",
    "lambda:ListTags",
    "lambda:TagResource",
    "lambda:UpdateEventSourceMapping",
)
CAPACITY = ("lambda:GetFunctionConcurrency", "cloudwatch:GetMetricData")
CHECKED = tuple(sorted({action for check in CHECKS for action in check.actions}))

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "publish": (*PROVEN_ROWS, *OWNERS, "sns:Publish"),
    "load": (*TAKE, *CAPACITY, "sns:Publish"),
    "inspect": (*STORY, *SUBSCRIBER),
    "logs": (*FIND, *OWNERS, *SUBSCRIBER, "logs:FilterLogEvents"),
    "doctor": ("sts:GetCallerIdentity",),
    "status": (
        *STORY,
        *CAPACITY,
        *ADMISSION,
        *IMPORTS,
        "cloudwatch:DescribeAlarms",
        "lambda:GetEventSourceMapping",
        "lambda:ListTags",
    ),
    "verify": CHECKED,
    "diagnose": (*(action for action in CHECKED if action != "sns:Publish"), *STORY),
    "migrate": ROWS,
    "delivery": (
        *FIND,
        *OWNERS,
        "cloudformation:DescribeStackEvents",
        "cloudwatch:GetMetricData",
        "lambda:GetEventSourceMapping",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
    ),
    "deploy": (
        *FIND,
        "cloudformation:CreateChangeSet",
        "cloudformation:DescribeChangeSet",
        "cloudformation:DescribeStackResources",
        "cloudformation:ExecuteChangeSet",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
        "sts:GetCallerIdentity",
    ),
    "submissions list": ROWS,
    "submissions stuck": STORY,
    "submissions show": ROWS,
    "submissions republish": (*ROWS, "sns:Publish", "logs:FilterLogEvents"),
    "subscribers": SUBSCRIBERS,
    "subscribers list": SUBSCRIBERS,
    "subscribers test": SUBSCRIPTIONS_OF_TOPIC,
    "subscribers new": (*FIND, "sns:ListSubscriptionsByTopic"),
    "subscribers backfill": (
        *PROVEN_ROWS,
        *OWNERS,
        *SUBSCRIBER,
        "lambda:InvokeFunction",
        "sqs:SendMessage",
    ),
    "dlq list": (*LOOK, *SUBSCRIBER),
    "dlq show": (*STORY, *SUBSCRIBER),
    "dlq export": (*DEAD_LETTERS, *SUBSCRIBER),
    "dlq redrive": (
        *TAKE,
        *REMOTE,
        *SUBSCRIBER,
        "lambda:GetFunctionConcurrency",
        "lambda:InvokeFunction",
        "sns:Publish",
        "sqs:SendMessage",
    ),
    "dlq replay": (*LOOK, *SUBSCRIBER, "lambda:InvokeFunction"),
    "dlq discard": (*TAKE, *SUBSCRIBER),
    "dlq edit": (*TAKE, *SUBSCRIBER, "sqs:SendMessage"),
    "dlq restore": (*LOOK, *SUBSCRIBER, "sqs:SendMessage"),
    "twilio route": (*ROWS, "lambda:GetFunctionConfiguration"),
    "twilio cutover": ROWS,
    "twilio rollback": ROWS,
    "twilio reconcile": (
        *LOOK,
        "cloudwatch:GetMetricData",
        "lambda:GetFunctionConfiguration",
        "sns:Publish",
    ),
}
"""What a command asks with any of its options; `runs resume` needs what the resumed command does."""


READING = "secretsmanager:GetSecretValue"
BOTH = (DATABASE_SECRET, TWILIO_SECRET)
SECRETS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("verify", "diagnose"), (*BOTH, OLD_SECRET)),
    **dict.fromkeys(("publish", "load", "inspect", "twilio reconcile"), BOTH),
    **dict.fromkeys(("twilio route", "twilio cutover", "twilio rollback"), (TWILIO_SECRET,)),
}
"""Which secrets a command reads; one that is not named here reads the database's alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What is put into the resources."""

    environment: str = "ENVIRONMENT"
    region: str = "REGION"
    account: str = "ACCOUNT"
    partition: str = "aws"
    database_secret_arn: str = "DATABASE_SECRET_ARN"  # noqa: S105  # where it is, not what
    twilio_secret_arn: str = "TWILIO_SECRET_ARN"  # noqa: S105
    secret_arn: str = "SECRET_ARN"  # noqa: S105
    api_id: str = "API_ID"
    alarm_topic_arn: str = "ALARM_TOPIC_ARN"
    """Of a stack it is any topic of the account: no output names it."""
    old_queue_arn: str = "OLD_QUEUE_ARN"
    """Empty for a stack that drains none. Which dead-letter queue it has, nothing here knows."""

    @classmethod
    def of(cls, stack: StackOutputs) -> Names:
        return cls(
            environment=stack.environment,
            region=stack.region,
            account=stack.account_id,
            partition=stack.partition,
            database_secret_arn=stack.database_secret,
            twilio_secret_arn=stack.twilio_secret,
            secret_arn=stack.secret_arn,
            api_id=stack.api_id,
            old_queue_arn=stack.old_queue_arn,
            alarm_topic_arn=f"{stack.topic_arn.rpartition(':')[0]}:*",
        )


def policy_of(command: str, names: Names) -> dict[str, object]:
    """Return the policy document that allows what a command asks with any of its options."""
    return policy(COMMANDS[command], names, secrets_of(command), beside=beside_of(command))


def beside_of(command: str) -> Mapping[str, tuple[str, ...]]:
    """Return what more a command does the same with, by action."""
    return OF_A_SUBSCRIBER if command.startswith("dlq ") or command in ("inspect", "logs") else {}


def secrets_of(command: str) -> tuple[str, ...]:
    """Return the secrets that a command reads, as templates of their ARNs."""
    return SECRETS.get(command, (DATABASE_SECRET,))


def policy(
    actions: Sequence[str],
    names: Names,
    secrets: tuple[str, ...],
    *,
    beside: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> dict[str, object]:
    """Return the policy document that allows these actions, of these secrets, and nothing else."""
    by_resource: dict[tuple[str, ...], list[str]] = {}
    for action in sorted(set(actions)):
        where = secrets if action == READING else (*RESOURCES[action], *beside.get(action, ()))
        where = filled(where, names)
        by_resource.setdefault(where, []).append(action)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": allowed, "Resource": where[0] if len(where) == 1 else list(where)}
            for where, allowed in by_resource.items()
        ],
    }


def resources(action: str, names: Names) -> tuple[str, ...]:
    """Return what an action is confined to."""
    return filled(RESOURCES[action], names)


def filled(templates: Sequence[str], names: Names) -> tuple[str, ...]:
    """Each once: of a stack of the release before, one secret is both. What the stack has not is left out."""
    values = {name: getattr(names, name) for name in Names.__dataclass_fields__}
    found = dict.fromkeys(template.format(**values) for template in templates)
    return tuple(resource for resource in found if resource)
