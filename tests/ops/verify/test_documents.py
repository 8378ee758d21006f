"""docs/checks.md and docs/iam.md say what the program does."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from b2bpilot.cli.app import program
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.documents import DOCS, documents
from b2bpilot.ops.verify.iam import COMMANDS, RESOURCES, Names, policy, resources
from b2bpilot.ops.verify.report import DOCUMENT, anchor

ROOT = Path(__file__).parents[3]
ACTION = re.compile(r'translated\(\s*f?"(?P<action>[a-z0-9]+:[A-Z][A-Za-z]+)')
NEED_NOTHING = {
    *(
        "config show",
        "demo",
        "explain",
        "local up",
        "local drill",
        "local down",
        "local status",
        "runs list",
        "runs show",
        "runs resume",
    ),
    *("completion install", "completion uninstall", "completion show"),
}

BY_ITSELF = {"subscribers"}
"""A group that is a command, too."""


@pytest.mark.parametrize("name", list(documents()))
def test_a_document_is_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == documents()[name], "run `make docs`"


def test_every_code_has_its_anchor() -> None:
    headings = set(re.findall(r"(?m)^### (.+)$", documents()["checks.md"]))

    assert headings == {check.code for check in CHECKS}
    assert {anchor(check) for check in CHECKS} == {f"{DOCUMENT}#{code.lower()}" for code in headings}


def test_every_command_that_there_is_stands_in_the_table() -> None:
    found = {
        f"{word} {name}" if name else word
        for word, each in program().commands.items()
        for name in getattr(each, "commands", [""])
    }

    assert found - NEED_NOTHING == COMMANDS.keys() - BY_ITSELF


def test_every_action_that_our_code_names_is_confined_and_used() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "b2bpilot").rglob("*.py")]
    named = {action for text in texts for action in ACTION.findall(text)}

    assert named <= RESOURCES.keys()
    assert {action for actions in COMMANDS.values() for action in actions} == RESOURCES.keys()


def test_a_policy_allows_what_is_needed_at_what_it_is_needed_for() -> None:
    names = Names(environment="prod", region="eu-west-1", account="123456789012")

    assert policy(("sqs:ReceiveMessage", "scheduler:GetSchedule", "sqs:DeleteMessage"), names, ()) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["scheduler:GetSchedule"],
                "Resource": "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/b2b-pilot-stale-messages-prod",
            },
            {
                "Effect": "Allow",
                "Action": ["sqs:DeleteMessage", "sqs:ReceiveMessage"],
                "Resource": "arn:aws:sqs:eu-west-1:123456789012:b2b-pilot-dead-letters-prod",
            },
        ],
    }


def test_a_subscription_is_read_with_every_resource() -> None:
    """The action has no resource type: a statement with an ARN allows nothing."""
    assert resources("sns:GetSubscriptionAttributes", Names()) == ("*",)


@pytest.mark.parametrize(("environment", "other"), [("dev", "eu-dev"), ("dev", "dev-eu"), ("eu", "eu-dev")])
def test_no_policy_reaches_into_another_environment(environment: str, other: str) -> None:
    """Whatever an asterisk may stand for, with every name that the template makes."""
    names = Names(
        environment=environment,
        secret_arn="s",
        database_secret_arn="d",
        twilio_secret_arn="w",
        api_id="a",
        alarm_topic_arn="t",
    )
    allowed = {where for action in RESOURCES for where in resources(action, names)} - {"*"}
    theirs = [resources(action, replace(names, environment=other)) for action in RESOURCES]
    made = {
        where.replace("*", "WebhookHandlerRole-1A2B") for each in theirs for where in each if other in where
    }

    assert made
    assert [(where, name) for where in sorted(allowed) for name in made if fnmatchcase(name, where)] == []


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn"])
def test_every_resource_is_in_the_partition_of_the_stack(partition: str) -> None:
    found = {where for action in RESOURCES for where in resources(action, Names(partition=partition))}
    assert {where.split(":")[1] for where in found if where.startswith("arn:")} == {partition}


def test_the_functions_and_the_schedule_are_those_of_the_template() -> None:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    functions = re.findall(r"FunctionName: !Sub (\S+)", template)
    allowed = [
        where.split(":", 5)[5]
        for action in ("lambda:GetFunctionConcurrency", "scheduler:GetSchedule")
        for where in resources(action, Names(environment="${Environment}"))
        if "*-b2b-pilot-" not in where
    ]
    """Other subscribers' have templates of their own."""

    assert allowed[:-1] == [f"function:{name}" for name in functions]
    assert f"Name: !Sub {allowed[-1].removeprefix('schedule/default/')}\n" in template


def test_the_roles_are_those_of_the_template() -> None:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    roles = re.findall(r"(?m)^  (\w+):\n    Type: AWS::IAM::Role$", template)
    allowed = [where.rpartition("/")[2] for where in resources("iam:SimulatePrincipalPolicy", Names())]

    assert roles
    assert all(
        any(fnmatchcase(f"b2b-pilot-ENVIRONMENT-{role}-1", where) for where in allowed) for role in roles
    )
