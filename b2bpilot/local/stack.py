"""Stacks in the emulator; above all the real template.yaml, as b2b-pilot-local."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from b2bpilot.aws.modes import BY_TOPIC
from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local.clients import REGION, LocalAws
from b2bpilot.pipeline.waiting import wait_until

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef, TagTypeDef

ENVIRONMENT = "local"
STACK_NAME = f"b2b-pilot-{ENVIRONMENT}"
API_ID = "b2bpilot"
"""Pinned (ministack's `ms-custom-id` tag), so that the public URL is known before the deploy and one deploy is enough."""

BUCKET = "b2bpilot-local"
DEPLOY_SECONDS = 180
POLL_SECONDS = 0.05
DEPLOYED = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
UNFIT = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
"""CloudFormation updates no stack that never was complete: it is deleted, and made anew."""
DIGEST_TAG = "b2bpilot-digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    outputs: Mapping[str, str]

    @property
    def functions(self) -> list[str]:
        names = ("WebhookFunctionName", "ProcessorFunctionName", "StaleFunctionName", "RedriverFunctionName")
        express = self.outputs.get("ExpressFunctionName")
        return [*(self.outputs[name] for name in names), *([express] if express else [])]


def webhook_url(endpoint_url: str) -> str:
    """The URL that a client on this machine can post to: by path, because a host name of the API's own needs DNS."""
    return f"{endpoint_url}/_aws/execute-api/{API_ID}/webhook"


def deploy(aws: LocalAws, template: Path, parameters: Mapping[str, str]) -> Stack:
    """Create or update the stack, or keep it when neither template nor parameters have changed."""
    tags: list[TagTypeDef] = [{"Key": "ms-custom-id", "Value": API_ID}]
    found, is_new = deploy_as(aws, STACK_NAME, template.read_text(), parameters, tags)
    stack = _stack(found)
    if is_new:
        settle(aws, stack)
    update_again(aws, stack.functions)
    return stack


def deploy_as(
    aws: LocalAws, name: str, template: str, parameters: Mapping[str, str], tags: Sequence[TagTypeDef] = ()
) -> tuple[StackTypeDef, bool]:
    """Create or update a stack, and tell whether anything was to be done."""
    body = for_emulator(template)
    digest = hashlib.sha256(json.dumps([body, dict(parameters)]).encode()).hexdigest()
    found = _describe(aws, name)
    if found and found["StackStatus"] in DEPLOYED and _tags(found).get(DIGEST_TAG) == digest:
        return found, False
    if found and found["StackStatus"] in UNFIT:
        delete(aws, name)
        found = None
    all_tags: list[TagTypeDef] = [*tags, {"Key": DIGEST_TAG, "Value": digest}]
    try:
        _create_or_update(aws, name, body, parameters, all_tags, exists=found is not None)
    except ClientError as refused:
        raise LocalEnvironmentError(f"stack {name} could not be deployed: {refused}") from refused
    return _wait(aws, name), True


def for_emulator(template: str) -> str:
    """Take out what the emulator cannot read: rules about parameters that are not set here, and code that it never runs."""
    without_rules = re.sub(r"(?m)^Rules:\n(?:(?: .*)?\n)+", "", template)
    return re.sub(r"(?m)^( +)CodeUri: .*$", r"\1CodeUri: s3://b2bpilot-local/unused.zip", without_rules)


def settle(aws: LocalAws, stack: Stack) -> None:
    """Set what the emulator's CloudFormation drops (docs/aws-facts.md#emulator-gaps)."""
    # KmsMasterKeyId of the topic; nothing is encrypted here, but what is deployed can be checked.
    aws.sns.set_topic_attributes(
        TopicArn=stack.outputs["TopicArn"], AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns"
    )
    # The state of an AWS::Lambda::EventSourceMapping that is created with Enabled: false; it says Enabled.
    aws.functions.update_event_source_mapping(UUID=stack.outputs["RedriverMappingId"], Enabled=False)
    if mapping := stack.outputs.get("MessageMappingId"):  # the release before has none
        is_on = stack.outputs["Delivery"] != BY_TOPIC
        aws.functions.update_event_source_mapping(UUID=mapping, Enabled=is_on)


def update_again(aws: LocalAws, functions: Iterable[str]) -> None:
    """Let functions become Active that were Pending when an earlier emulator ended: it forgets that they are on their way."""
    for function in functions:
        if aws.functions.get_function_configuration(FunctionName=function)["State"] == "Pending":
            aws.functions.update_function_configuration(FunctionName=function)


def resources_of(aws: LocalAws, name: str, kind: str) -> tuple[str, ...]:
    """Return the physical ids of the stack's resources of a type: a function's name, a queue's URL."""
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    return tuple(
        resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == kind
    )


def delete(aws: LocalAws, name: str) -> None:
    """Delete a stack and wait until it is gone."""
    aws.cloudformation.delete_stack(StackName=name)
    if wait_until(
        lambda: _describe(aws, name),
        enough=lambda found: found is None,
        seconds=DEPLOY_SECONDS,
        pause_seconds=POLL_SECONDS,
    ):
        raise LocalEnvironmentError(
            f"stack {name} was not deleted after {DEPLOY_SECONDS} s", hint="begin again with --fresh"
        )


def _create_or_update(
    aws: LocalAws,
    name: str,
    body: str,
    parameters: Mapping[str, str],
    tags: Sequence[TagTypeDef],
    *,
    exists: bool,
) -> None:
    values: list[ParameterTypeDef] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
    ]
    change = aws.cloudformation.update_stack if exists else aws.cloudformation.create_stack
    change(
        StackName=name,
        TemplateURL=_uploaded(aws, name, body),
        Parameters=values,
        Tags=tags,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )


def _uploaded(aws: LocalAws, name: str, body: str) -> str:
    """CloudFormation takes 51,200 bytes in a request and a megabyte in a bucket, as `sam deploy` uploads it, too."""
    _make_bucket(aws)
    aws.s3.put_object(Bucket=BUCKET, Key=f"{name}.yaml", Body=body.encode())
    return f"{aws.endpoint_url}/{BUCKET}/{name}.yaml"


def _make_bucket(aws: LocalAws) -> None:
    """Functions take their code from their own region. Outside of us-east-1 a bucket that is there already is an error."""
    where = {} if aws.region == REGION else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    with suppress(aws.s3.exceptions.BucketAlreadyOwnedByYou):
        aws.s3.create_bucket(Bucket=BUCKET, **where)


def _wait(aws: LocalAws, name: str) -> StackTypeDef:
    stack = wait_until(
        lambda: _describe(aws, name), enough=_is_settled, seconds=DEPLOY_SECONDS, pause_seconds=POLL_SECONDS
    )
    if stack and _is_settled(stack):
        return _deployed(aws, stack)
    raise LocalEnvironmentError(f"stack {name} was not ready after {DEPLOY_SECONDS} s")


def _is_settled(stack: StackTypeDef | None) -> bool:
    return stack is not None and not stack["StackStatus"].endswith("_IN_PROGRESS")


def _deployed(aws: LocalAws, stack: StackTypeDef) -> StackTypeDef:
    if stack["StackStatus"] in DEPLOYED:
        return stack
    name = stack["StackName"]
    reason = stack.get("StackStatusReason") or _first_failure(aws, name) or "no reason given"
    raise LocalEnvironmentError(
        f"stack {name} ended as {stack['StackStatus']}: {reason}",
        hint="begin again with --fresh" if name == STACK_NAME else "correct its template",
    )


def _first_failure(aws: LocalAws, name: str) -> str | None:
    """What went wrong first, of which the rest is a consequence; the newest event comes first."""
    events = aws.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    failed = [event for event in events if event.get("ResourceStatus", "").endswith("_FAILED")]
    return f"{failed[-1]['LogicalResourceId']}: {failed[-1].get('ResourceStatusReason')}" if failed else None


def _describe(aws: LocalAws, name: str) -> StackTypeDef | None:
    try:
        return aws.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as missing:
        if missing.response["Error"]["Code"] != "ValidationError":
            raise
        return None


def _tags(stack: StackTypeDef) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}


def _stack(found: StackTypeDef) -> Stack:
    return Stack(outputs={output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])})
