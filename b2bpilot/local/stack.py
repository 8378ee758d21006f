"""The real template.yaml, deployed into the emulator as stack b2b-pilot-local."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from b2bpilot.aws.stack import UNRESERVED
from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local.clients import LocalAws
from b2bpilot.pipeline.waiting import wait_until

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef, TagTypeDef

ENVIRONMENT = "local"
STACK_NAME = f"b2b-pilot-{ENVIRONMENT}"
API_ID = "b2bpilot"
"""Pinned (ministack's `ms-custom-id` tag), so that the public URL is known before the deploy and one deploy is enough."""

BUCKET, TEMPLATE_KEY = "b2bpilot-local", "template.yaml"
DEPLOY_SECONDS = 180
POLL_SECONDS = 0.05
DIGEST_TAG = "b2bpilot-digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    outputs: Mapping[str, str]

    @property
    def functions(self) -> list[str]:
        names = ("WebhookFunctionName", "ProcessorFunctionName", "StaleFunctionName", "RedriverFunctionName")
        return [self.outputs[name] for name in names]


def webhook_url(endpoint_url: str) -> str:
    """The URL that a client on this machine can post to: by path, because a host name of the API's own needs DNS."""
    return f"{endpoint_url}/_aws/execute-api/{API_ID}/webhook"


def deploy(aws: LocalAws, template: Path, parameters: Mapping[str, str]) -> Stack:
    """Create or update the stack, or keep it when neither template nor parameters have changed."""
    body = for_emulator(template.read_text())
    digest = hashlib.sha256(json.dumps([body, dict(parameters)]).encode()).hexdigest()
    found = _describe(aws)
    if found and found["StackStatus"].endswith("_COMPLETE") and _tags(found).get(DIGEST_TAG) == digest:
        stack = _stack(found)
        update_again(aws, stack)
        return stack
    tags: list[TagTypeDef] = [{"Key": "ms-custom-id", "Value": API_ID}, {"Key": DIGEST_TAG, "Value": digest}]
    try:
        _create_or_update(aws, body, parameters, tags, exists=found is not None)
    except ClientError as refused:
        raise LocalEnvironmentError(f"the template could not be deployed: {refused}") from refused
    stack = _stack(_wait(aws))
    settle(aws, stack, before=_stack(found) if found else None)
    update_again(aws, stack)
    return stack


def for_emulator(template: str) -> str:
    """Take out what the emulator cannot read: rules about parameters that are not set here, and code that it never runs."""
    without_rules = re.sub(r"(?m)^Rules:\n(?:(?: .*)?\n)+", "", template)
    return re.sub(r"(?m)^( +)CodeUri: .*$", r"\1CodeUri: s3://b2bpilot-local/unused.zip", without_rules)


def settle(aws: LocalAws, stack: Stack, *, before: Stack | None = None) -> None:
    """Set what the emulator's CloudFormation drops (docs/aws-facts.md#emulator-gaps)."""
    processor = stack.outputs["ProcessorFunctionName"]
    # DeadLetterConfig of the function.
    aws.functions.update_function_configuration(
        FunctionName=processor, DeadLetterConfig={"TargetArn": stack.outputs["DeadLetterQueueArn"]}
    )
    # ReservedConcurrentExecutions of the function. An update leaves what somebody set beside the template, unless that changed.
    reserved = stack.outputs["ProcessorReservedConcurrency"]
    if before is None or before.outputs.get("ProcessorReservedConcurrency") != reserved:
        _reserve(aws, processor, reserved)
    # KmsMasterKeyId of the topic; nothing is encrypted here, but what is deployed can be checked.
    aws.sns.set_topic_attributes(
        TopicArn=stack.outputs["TopicArn"], AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns"
    )
    # The state of an AWS::Lambda::EventSourceMapping that is created with Enabled: false; it says Enabled.
    aws.functions.update_event_source_mapping(UUID=stack.outputs["RedriverMappingId"], Enabled=False)
    # It keeps AWS::Lambda::EventInvokeConfig under the qualifier $LATEST only; on AWS that is the same as none.
    for function in stack.functions:
        _copy_event_invoke_config(aws, function)


def _reserve(aws: LocalAws, function: str, reserved: str) -> None:
    if reserved == UNRESERVED:
        aws.functions.delete_function_concurrency(FunctionName=function)
        return
    aws.functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=int(reserved))


def update_again(aws: LocalAws, stack: Stack) -> None:
    """Let functions become Active that were Pending when an earlier emulator ended: it forgets that they are on their way."""
    for function in stack.functions:
        if aws.functions.get_function_configuration(FunctionName=function)["State"] == "Pending":
            aws.functions.update_function_configuration(FunctionName=function)


def _copy_event_invoke_config(aws: LocalAws, function: str) -> None:
    try:
        config = aws.functions.get_function_event_invoke_config(FunctionName=function, Qualifier="$LATEST")
    except aws.functions.exceptions.ResourceNotFoundException:
        return
    aws.functions.put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=config["MaximumRetryAttempts"],
        MaximumEventAgeInSeconds=config["MaximumEventAgeInSeconds"],
    )


def _create_or_update(
    aws: LocalAws, body: str, parameters: Mapping[str, str], tags: list[TagTypeDef], *, exists: bool
) -> None:
    values: list[ParameterTypeDef] = [
        {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
    ]
    change = aws.cloudformation.update_stack if exists else aws.cloudformation.create_stack
    change(
        StackName=STACK_NAME,
        TemplateURL=_uploaded(aws, body),
        Parameters=values,
        Tags=tags,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )


def _uploaded(aws: LocalAws, body: str) -> str:
    """CloudFormation takes 51,200 bytes in a request and a megabyte in a bucket, as `sam deploy` uploads it, too."""
    aws.s3.create_bucket(Bucket=BUCKET)
    aws.s3.put_object(Bucket=BUCKET, Key=TEMPLATE_KEY, Body=body.encode())
    return f"{aws.endpoint_url}/{BUCKET}/{TEMPLATE_KEY}"


def _wait(aws: LocalAws) -> StackTypeDef:
    stack = wait_until(
        lambda: _describe(aws), enough=_is_settled, seconds=DEPLOY_SECONDS, pause_seconds=POLL_SECONDS
    )
    if stack and _is_settled(stack):
        return _deployed(stack)
    raise LocalEnvironmentError(f"stack {STACK_NAME} was not ready after {DEPLOY_SECONDS} s")


def _is_settled(stack: StackTypeDef | None) -> bool:
    return stack is not None and not stack["StackStatus"].endswith("_IN_PROGRESS")


def _deployed(stack: StackTypeDef) -> StackTypeDef:
    if stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        return stack
    raise LocalEnvironmentError(
        f"stack {STACK_NAME} ended as {stack['StackStatus']}: {stack.get('StackStatusReason', 'no reason given')}",
        hint="begin again with --fresh",
    )


def _describe(aws: LocalAws) -> StackTypeDef | None:
    try:
        return aws.cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    except ClientError as missing:
        if missing.response["Error"]["Code"] != "ValidationError":
            raise
        return None


def _tags(stack: StackTypeDef) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}


def _stack(found: StackTypeDef) -> Stack:
    return Stack(outputs={output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])})
