"""docs/checks.md and docs/iam.md say what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from b2bpilot.cli.app import app
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.documents import DOCS, documents
from b2bpilot.ops.verify.iam import COMMANDS, RESOURCES, Names, policy
from b2bpilot.ops.verify.report import DOCUMENT, anchor

ROOT = Path(__file__).parents[3]
ACTION = re.compile(r'translated\(\s*f?"(?P<action>[a-z0-9]+:[A-Z][A-Za-z]+)')
NEED_NOTHING = {"demo", "local up", "local down", "local status", "runs list", "runs show", "runs resume"}

BY_ITSELF = {"subscriptions"}
"""A group that is a command, too."""


@pytest.mark.parametrize("name", ["checks.md", "iam.md"])
def test_a_document_is_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == documents()[name], "run `make docs`"


def test_every_code_has_its_anchor() -> None:
    headings = set(re.findall(r"(?m)^### (.+)$", documents()["checks.md"]))

    assert headings == {check.code for check in CHECKS}
    assert {anchor(check) for check in CHECKS} == {f"{DOCUMENT}#{code.lower()}" for code in headings}


def test_every_command_that_there_is_stands_in_the_table() -> None:
    groups = [group for group in app.registered_groups if group.typer_instance is not None]
    found = {str(command.name) for command in app.registered_commands}
    found |= {
        f"{group.name} {command.name}"
        for group in groups
        for command in group.typer_instance.registered_commands  # type: ignore[union-attr]  # chosen above
    }

    assert found - NEED_NOTHING == COMMANDS.keys() - BY_ITSELF


def test_every_action_that_our_code_names_is_confined_and_used() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "b2bpilot").rglob("*.py")]
    named = {action for text in texts for action in ACTION.findall(text)}

    assert named <= RESOURCES.keys()
    assert {action for actions in COMMANDS.values() for action in actions} == RESOURCES.keys()


def test_a_policy_allows_what_is_needed_at_what_it_is_needed_for() -> None:
    names = Names(environment="prod", region="eu-west-1", account="123456789012")

    assert policy(("sqs:ReceiveMessage", "logs:FilterLogEvents", "sqs:DeleteMessage"), names) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["logs:FilterLogEvents"],
                "Resource": "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/b2b-pilot-*-prod:*",
            },
            {
                "Effect": "Allow",
                "Action": ["sqs:DeleteMessage", "sqs:ReceiveMessage"],
                "Resource": "arn:aws:sqs:eu-west-1:123456789012:b2b-pilot-dead-letters-prod",
            },
        ],
    }
