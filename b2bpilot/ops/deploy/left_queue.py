"""The dead-letter queue that a deleted stack left: it keeps its name, so the next first deploy must take it in.

An IMPORT change set of the queue alone, because CloudFormation's ImportExistingResources takes literal names only
(docs/decisions/0030-what-outlives-a-stack.md).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from b2bpilot.aws import change_sets
from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.change_sets import Import
from b2bpilot.aws.failures import translated
from b2bpilot.aws.queue_attributes import NO_QUEUE, counters
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import Refused

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_sqs import SQSClient

LOGICAL_ID = "DeadLetterQueue"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftQueue:
    """`dead_letters` is about how many are in it."""

    name: str
    url: str
    dead_letters: int
    region: str
    taking_in: Import

    def commands(self) -> list[str]:
        """Return what takes it in, by hand."""
        stack = f"--region {self.region} --stack-name {self.taking_in.stack_name}"
        named = f"{stack} --change-set-name {self.taking_in.name}"
        resources = shlex.quote(json.dumps(self.taking_in.resources))
        create = f"aws cloudformation create-change-set {named} --change-set-type IMPORT"
        template = shlex.quote(json.dumps(self.taking_in.template))
        return [
            f"{create} --resources-to-import {resources} --template-body {template}",
            f"aws cloudformation wait change-set-create-complete {named}",
            f"aws cloudformation execute-change-set {named}",
            f"aws cloudformation wait stack-import-complete {stack}",
        ]


def left_queue(
    access: AwsAccess, *, stack_name: str, environment: str, template: Mapping[str, Any]
) -> LeftQueue | None:
    """Return the queue that is there though the stack is not. Raises Refused when it is another stack's, AwsError."""
    sqs: SQSClient = access.client("sqs")
    properties = template["Resources"][LOGICAL_ID]["Properties"]
    name = properties["QueueName"]["Fn::Sub"].replace("${Environment}", environment)
    url = _url(sqs, name)
    if url is None:
        return None
    cloudformation: CloudFormationClient = access.client("cloudformation")
    if holder := change_sets.owner(cloudformation, url):
        raise Refused(
            f"queue {name} belongs to stack {holder}, so {stack_name} cannot have it",
            hint="deploy under another environment's name, or update that stack",
        )
    return LeftQueue(
        name=name,
        url=url,
        dead_letters=counters(sqs, url).total,
        region=sqs.meta.region_name,
        taking_in=Import(
            stack_name=stack_name,
            logical_id=LOGICAL_ID,
            queue_url=url,
            template=_alone({**properties, "QueueName": name}),
        ),
    )


def take_in(access: AwsAccess, queue: LeftQueue) -> None:
    """Raises AwsError."""
    client: CloudFormationClient = access.client("cloudformation")
    change_sets.import_queue(client, queue.taking_in)


def _url(client: SQSClient, name: str) -> str | None:
    with translated("sqs:GetQueueUrl"):
        try:
            return client.get_queue_url(QueueName=name)["QueueUrl"]
        except ClientError as exc:
            if error_code(exc) not in NO_QUEUE:
                raise
            return None


def _alone(properties: Mapping[str, Any]) -> dict[str, Any]:
    """An import takes no outputs and nothing that is new. Retain, so that no failure of the import deletes it."""
    return {
        "Resources": {
            LOGICAL_ID: {
                "Type": change_sets.QUEUE,
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Properties": dict(properties),
            }
        }
    }
