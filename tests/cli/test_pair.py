"""Commands that ask both sides of a pair, where one of them has nothing to say. tests/local/test_pair.py has two that answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from b2bpilot.aws.session import AwsAccess
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.pair import other_side
from tests.aws_clients import client
from tests.cli.conftest import OUTPUTS, REGION, Run, Staging
from tests.ops.verify.deployments import STACK
from tests.ops.verify.unwilling_aws import DENIED, endpoint

OTHER = "eu-central-1"
NO_STACK = "no environment 'staging': stack b2b-pilot-staging does not exist"
OUTDATED = "lacks the outputs"


def give_outputs(region: str, **outputs: str) -> None:
    """Create the stack, or add to its outputs."""
    cloudformation = client("cloudformation", region)
    name = "b2b-pilot-staging"
    known = {one["StackName"] for one in cloudformation.list_stacks()["StackSummaries"]}
    change = cloudformation.update_stack if name in known else cloudformation.create_stack
    template = {
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    change(StackName=name, TemplateBody=json.dumps(template))


@pytest.fixture
def paired(staging: Staging) -> dict[str, str]:
    """The staging environment names a pair, of which nothing is there yet. Returns its outputs."""
    outputs = {**OUTPUTS, "TopicArn": staging.topic_arn, "SecretArn": staging.secret_arn, "PairRegion": OTHER}
    give_outputs(REGION, **outputs)
    return outputs


@pytest.fixture(params=[NO_STACK, OUTDATED])
def silent(request: pytest.FixtureRequest, paired: dict[str, str]) -> str:
    """Why the other side does not answer."""
    if request.param == OUTDATED:
        give_outputs(OTHER, Environment="staging")
    return str(request.param)


def test_status_shows_the_side_that_answers_and_says_why_the_other_one_does_not(
    run: Run, silent: str
) -> None:
    found = run("status", "-e", "staging", "--both")

    assert found.exit_code == 4
    assert f"{OTHER} did not answer" in found.stderr
    here, there = found.stdout.split(f"{OTHER}\n")
    assert here.startswith(f"{REGION}\n  stack         b2b-pilot-staging\n")
    assert OUTPUTS["WebhookUrl"] in here
    assert silent in " ".join(there.split())


def test_status_tells_programs_the_same(run: Run, silent: str) -> None:
    document: Any = json.loads(run("status", "-e", "staging", "--both", "-o", "json").stdout)
    here, there = document["sides"]

    assert (here["region"], here["stack"], here["error"]) == (REGION, "b2b-pilot-staging", None)
    assert there["region"] == OTHER
    assert silent in there["error"]
    assert there["dead_letters"] is None


def test_verify_checks_the_side_that_answers_and_fails_for_the_other_one(run: Run, silent: str) -> None:
    found = run("verify", "-e", "staging", "--both", "--only", "B2B010", "-o", "json")
    stack, other = found.document["checks"]

    assert found.exit_code == 1
    assert (stack["code"], stack["side"], stack["status"]) == ("B2B010", REGION, "ok")
    assert (other["code"], other["status"]) == ("B2B200", "failed")
    assert silent in other["seen"]


@pytest.mark.parametrize("command", ["status", "verify"])
def test_a_stack_that_names_no_pair_is_no_pair(run: Run, staging: Staging, command: str) -> None:
    found = run(command, "-e", "staging", "--both")

    assert found.exit_code == 2
    assert f"b2b-pilot-staging in {REGION} names no other side" in found.stderr


def test_the_checks_of_a_pair_are_not_asked_of_one_side(run: Run, staging: Staging) -> None:
    found = run("verify", "-e", "staging", "--only", "pair")

    assert found.exit_code == 2
    assert "add --both" in found.stderr


def test_credentials_for_one_side_only_are_an_answer() -> None:
    with endpoint(DENIED) as url:
        access = AwsAccess(
            region=REGION,
            access_key_id="one",
            secret_access_key="side",
            is_told_all=True,
            elsewhere={OTHER: url},
        )
        stack = replace(STACK, pair_region=OTHER)
        answer = other_side(Environment(name="staging", access=access, stack=stack))

    assert answer is not None
    assert answer.value is None
    assert "cloudformation:DescribeStacks" in str(answer.error)


def test_dead_letters_of_the_side_that_answers_are_listed_and_the_other_one_is_named(
    run: Run, silent: str
) -> None:
    client("sqs").create_queue(QueueName="b2b-pilot-dead-letters-staging")
    found = run("dlq", "list", "-e", "staging")

    assert found.exit_code == 4
    assert found.stdout == f"{REGION}: no dead letters\n{OTHER}: not read\n"
    assert silent in " ".join(found.stderr.split())
