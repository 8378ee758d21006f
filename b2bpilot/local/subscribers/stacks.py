"""The subscribers' stacks in the emulator."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from b2bpilot.local.clients import LocalAws
from b2bpilot.local.stack import (
    DIGEST_TAG,
    ENVIRONMENT,
    STACK_NAME,
    delete,
    deploy_as,
    functions_of,
    update_again,
)
from b2bpilot.local.subscribers.folder import DATABASE_PARAMETER, ENVIRONMENT_PARAMETER, SubscriberFolder

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import TagTypeDef

SUFFIX = f"-{STACK_NAME}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedSubscriber:
    folder: SubscriberFolder
    stack_name: str
    functions: tuple[str, ...]


def deploy_subscriber(aws: LocalAws, folder: SubscriberFolder, database_url: str) -> DeployedSubscriber:
    """Create or update its stack, after the core's, whose topic it imports."""
    name = f"{folder.name}{SUFFIX}"
    tags: list[TagTypeDef] = [
        {"Key": "b2bpilot:subscriber", "Value": folder.name},
        {"Key": "b2bpilot:environment", "Value": ENVIRONMENT},
    ]
    known = {
        ENVIRONMENT_PARAMETER: ENVIRONMENT,
        DATABASE_PARAMETER: _secret(aws, f"{name}-database", {"DATABASE_URL": database_url}),
    }
    parameters = {name: value for name, value in known.items() if name in folder.parameters}
    deploy_as(aws, name, folder.template, parameters, tags)
    functions = functions_of(aws, name)
    update_again(aws, functions)
    return DeployedSubscriber(folder=folder, stack_name=name, functions=functions)


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
                yield name
