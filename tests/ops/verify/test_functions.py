"""What is said of a function that is being changed, and what is never printed of its environment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from b2bpilot import resources
from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.functions import OURS
from tests.ops.verify.deployments import STACK, deployment, seen
from tests.ops.verify.settings import function

WEBHOOK, PROCESSOR = STACK.webhook_function_name, STACK.processor_function_name


def webhook(code: str, *, stack: Any = STACK, **changes: Any) -> CheckResult:
    known = {"stack": stack, ("function", WEBHOOK): function(WEBHOOK, **changes)}
    return seen(code, deployment(known=known))


@pytest.mark.parametrize(
    ("changes", "told", "may_change"),
    [
        ({"state": "Pending", "state_reason": "is created"}, f"{WEBHOOK}: Pending (is created)", True),
        ({"state": "Failed", "state_reason": "no subnet"}, f"{WEBHOOK}: Failed (no subnet)", False),
        ({"update": "InProgress"}, f"the last change of {WEBHOOK}: InProgress", True),
        ({"update": "Failed"}, f"the last change of {WEBHOOK}: Failed", False),
    ],
)
def test_waiting_helps_a_function_that_is_being_changed_and_no_other(
    changes: dict[str, str], told: str, may_change: bool
) -> None:
    result = webhook("B2B020", **changes)
    assert (result.status, result.seen, result.may_change) == (Status.FAILED, told, may_change)


def test_a_command_that_sets_a_variable_repeats_the_others() -> None:
    environment = {**function(WEBHOOK).environment, "SNS_TOPIC_ARN": "another"}
    result = webhook("B2B025", environment=environment)
    assert result.seen == "in b2b-pilot-webhook-handler-staging, SNS_TOPIC_ARN is another"
    assert result.fix is not None
    assert all(value in result.fix for value in function(WEBHOOK).environment.values())


def test_a_variable_that_may_be_a_secret_is_in_no_command() -> None:
    environment = {"TWILIO_SECRET_ARN": STACK.twilio_secret_arn, "TWILIO_AUTH_TOKEN": "top-secret"}
    result = webhook("B2B025", environment=environment)
    assert (result.status, result.fix) == (Status.FAILED, None)
    assert "top-secret" not in repr(result)


def test_a_webhook_url_with_a_password_is_shown_without_it_and_is_in_no_command() -> None:
    stack = replace(STACK, webhook_url="https://user:top-secret@hooks.example.com/webhook?key=top-secret")
    result = webhook("B2B024", stack=stack)
    assert result.seen == (
        "the webhook function verifies signatures over https://hooks.example.com/webhook, and the stack's URL is "
        "https://hooks.example.com/webhook?...; "
        "set it to the stack's output WebhookUrl"
    )
    assert result.fix is None
    same = webhook("B2B024", stack=stack, environment={"PUBLIC_WEBHOOK_URL": stack.webhook_url})
    assert (same.status, same.seen) == (Status.OK, "https://hooks.example.com/webhook?...")


def test_the_other_urls_that_are_verified_are_shown_too() -> None:
    environment = {
        "PUBLIC_WEBHOOK_URL": STACK.webhook_url,
        "API_WEBHOOK_URL": STACK.webhook_url,
        "PREVIOUS_WEBHOOK_URL": "https://old.example.com/webhook?key=top-secret",
    }
    found = webhook("B2B024", environment=environment)
    assert (found.status, found.seen) == (
        Status.OK,
        f"{STACK.webhook_url}, and over https://old.example.com/webhook?...",
    )
    wrong = webhook("B2B024", environment={**environment, "PUBLIC_WEBHOOK_URL": "https://wrong.example.com"})
    assert (wrong.status, wrong.fix) == (Status.FAILED, None)


@pytest.mark.parametrize(
    ("runtime", "status", "told"),
    [
        ("python3.13", Status.OK, "python3.13 until 2029-06-30"),
        (
            "python3.11",
            Status.OK,
            "python3.11 until 2027-06-30",
        ),
        (
            "python3.10",
            Status.WARNING,
            "AWS supports python3.10 until 2026-10-31: deploy a release with a newer runtime",
        ),
        ("python3.99", Status.SKIPPED, "this version does not know until when AWS supports python3.99"),
    ],
)
def test_a_runtime_is_judged_by_the_date_until_which_aws_supports_it(
    runtime: str, status: Status, told: str
) -> None:
    names = (WEBHOOK, PROCESSOR, STACK.stale_function_name, STACK.redriver_function_name)
    at = deployment(known={("function", name): function(name, runtime=runtime) for name in names})
    result = seen("B2B052", at)
    assert (result.status, result.seen) == (status, told)


def test_the_variables_of_the_template_are_those_that_a_command_may_repeat() -> None:
    """A new one of which verify does not know would take the repair away from every check of that function."""
    template = yaml_parse(resources.template().read_text())["Resources"]
    functions = [one["Properties"] for one in template.values() if one["Type"] == "AWS::Serverless::Function"]
    set_there = {name for one in functions for name in one.get("Environment", {}).get("Variables", {})}
    common = yaml_parse(resources.template().read_text()).get("Globals", {}).get("Function", {})
    set_there |= set(common.get("Environment", {}).get("Variables", {}))
    assert set_there == OURS
