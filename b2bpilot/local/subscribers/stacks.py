"""The subscribers' stacks in the emulator."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from b2bpilot.local.clients import LocalAws
from b2bpilot.local.stack import (
    DIGEST_TAG,
    ENVIRONMENT,
    delete,
    deploy_as,
    resources_of,
    update_again,
)
from b2bpilot.local.state import LocalSubscriber
from b2bpilot.local.subscribers.folder import DATABASE_PARAMETER, ENVIRONMENT_PARAMETER, SubscriberFolder
from b2bpilot.ops.subscribers.names import suffix

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import TagTypeDef

SUFFIX, DEAD_LETTERS = suffix(ENVIRONMENT), "-dlq"
"""Names of decision 38."""


def deploy_subscriber(aws: LocalAws, folder: SubscriberFolder, database_url: str) -> LocalSubscriber:
    """Create or update its stack, after the core's, whose topic it imports."""
    name = f"{folder.name}{SUFFIX}"
    tags: list[TagTypeDef] = [
        {"Key": "b2bpilot:subscriber", "Value": folder.name},
        {"Key": "b2bpilot:environment", "Value": ENVIRONMENT},
    ]
    known = {
        ENVIRONMENT_PARAMETER: ENVIRONMENT,
        DATABASE_PARAMETER: _secret(aws, _secret_name(name), {"DATABASE_URL": database_url}),
    }
    parameters = {name: value for name, value in known.items() if name in folder.parameters}
    deploy_as(aws, name, folder.template, parameters, tags)
    functions = resources_of(aws, name, "AWS::Lambda::Function")
    update_again(aws, functions)
    queues = {url.rpartition("/")[2] for url in resources_of(aws, name, "AWS::SQS::Queue")}
    dead_letters = f"{name}{DEAD_LETTERS}"
    return LocalSubscriber(
        name=folder.name,
        folder=str(folder.path),
        stack_name=name,
        functions=functions,
        queue=name if name in queues else None,
        dead_letter_queue=dead_letters if dead_letters in queues else None,
        database_url=database_url if DATABASE_PARAMETER in folder.parameters else None,
    )


def _secret_name(stack_name: str) -> str:
    return f"{stack_name}-database"


def _secret(aws: LocalAws, name: str, content: Mapping[str, str]) -> str:
    """Return the ARN of a secret that says this."""
    text = json.dumps(content)
    try:
        return aws.secrets.put_secret_value(SecretId=name, SecretString=text)["ARN"]
    except aws.secrets.exceptions.ResourceNotFoundException:
        return aws.secrets.create_secret(Name=name, SecretString=text)["ARN"]


def delete_others(aws: LocalAws, kept: Collection[SubscriberFolder]) -> Iterator[str]:
    """Delete the stacks of subscribers that an earlier start was given and this one was not; yield their names."""
    names = {folder.name for folder in kept}
    for page in aws.cloudformation.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
            name = tags.get("b2bpilot:subscriber", "")
            if DIGEST_TAG in tags and name and name not in names:
                delete(aws, stack["StackName"])
                secret = _secret_name(stack["StackName"])
                aws.secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
                yield name
