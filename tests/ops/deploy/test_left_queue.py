"""A stack is deleted with a dead letter in its queue; the next one gets the queue, and the dead letter is still there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from b2bpilot import resources
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import AwsError
from b2bpilot.ops.deploy.left_queue import LeftQueue, left_queue, take_in
from b2bpilot.ops.verify.template import parse

TEMPLATE = parse(resources.template().read_text(encoding="utf-8"))
BODY = json.dumps({"a": "letter"})
FAST = {"Delay": 0.1, "MaxAttempts": 600}


def of_the_queue(environment: str) -> str:
    """The real template's queue and nothing else: the emulator takes seconds for the rest."""
    kept = {
        "Parameters": {"Environment": {"Type": "String", "Default": environment}},
        "Resources": {"DeadLetterQueue": TEMPLATE["Resources"]["DeadLetterQueue"]},
    }
    return json.dumps(kept)


def create(access: AwsAccess, stack_name: str, environment: str) -> None:
    client = access.client("cloudformation")
    client.create_stack(StackName=stack_name, TemplateBody=of_the_queue(environment))
    client.get_waiter("stack_create_complete").wait(StackName=stack_name, WaiterConfig=FAST)


def delete(access: AwsAccess, stack_name: str) -> None:
    client = access.client("cloudformation")
    client.delete_stack(StackName=stack_name)
    client.get_waiter("stack_delete_complete").wait(StackName=stack_name, WaiterConfig=FAST)


def find(access: AwsAccess, environment: str) -> LeftQueue | None:
    return left_queue(
        access, stack_name=f"b2b-pilot-{environment}", environment=environment, template=TEMPLATE
    )


def bodies(access: AwsAccess, url: str) -> list[Any]:
    answer = access.client("sqs").receive_message(QueueUrl=url, VisibilityTimeout=0)
    return [each["Body"] for each in answer.get("Messages", [])]


def test_a_deleted_stacks_queue_is_imported_with_its_dead_letters(plain_emulator: AwsAccess) -> None:
    create(plain_emulator, "b2b-pilot-dev", "dev")
    client = plain_emulator.client("sqs")
    url = client.get_queue_url(QueueName="b2b-pilot-dead-letters-dev")["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody=BODY)
    delete(plain_emulator, "b2b-pilot-dev")

    found = find(plain_emulator, "dev")
    assert found is not None
    assert found.dead_letters == 1
    take_in(plain_emulator, found)

    stacks = plain_emulator.client("cloudformation")
    assert stacks.describe_stacks(StackName="b2b-pilot-dev")["Stacks"][0]["StackStatus"] == "IMPORT_COMPLETE"
    stacks.update_stack(StackName="b2b-pilot-dev", TemplateBody=of_the_queue("dev"))
    stacks.get_waiter("stack_update_complete").wait(StackName="b2b-pilot-dev", WaiterConfig=FAST)
    assert bodies(plain_emulator, url) == [BODY]


def test_a_queue_that_was_never_there_is_not_found(plain_emulator: AwsAccess) -> None:
    assert find(plain_emulator, "fresh") is None


def test_another_stacks_queue_is_refused(plain_emulator: AwsAccess) -> None:
    create(plain_emulator, "somebody-elses", "taken")
    found = find(plain_emulator, "taken")
    assert found is not None
    with pytest.raises(AwsError, match=r"already exists in stack .*somebody-elses"):
        take_in(plain_emulator, found)


def test_an_import_that_cloudformation_refuses_says_why(plain_emulator: AwsAccess) -> None:
    client = plain_emulator.client("sqs")
    url = client.create_queue(QueueName="b2b-pilot-dead-letters-gone")["QueueUrl"]
    found = find(plain_emulator, "gone")
    assert found is not None
    client.delete_queue(QueueUrl=url)
    with pytest.raises(AwsError, match="was not found"):
        take_in(plain_emulator, found)


def test_an_import_that_was_refused_is_tried_again_under_another_name(plain_emulator: AwsAccess) -> None:
    client = plain_emulator.client("sqs")
    client.create_queue(QueueName="b2b-pilot-dead-letters-again")
    found = find(plain_emulator, "again")
    assert found is not None
    wrong = replace(found, taking_in=replace(found.taking_in, queue_url=f"{found.url}-other"))
    with pytest.raises(AwsError):
        take_in(plain_emulator, wrong)

    second = find(plain_emulator, "again")
    assert second is not None
    take_in(plain_emulator, second)


def test_the_printed_commands_are_what_is_done(plain_emulator: AwsAccess) -> None:
    plain_emulator.client("sqs").create_queue(QueueName="b2b-pilot-dead-letters-said")
    found = find(plain_emulator, "said")
    assert found is not None
    first, *_ = found.commands()
    assert "--change-set-type IMPORT" in first
    assert json.dumps(found.taking_in.template) in first
    assert found.taking_in.template["Resources"]["DeadLetterQueue"]["DeletionPolicy"] == "Retain"
