"""Commands that can be copied, and hit what was looked at."""

from __future__ import annotations

import shlex
from dataclasses import fields

import pytest

from b2bpilot.advice import our_command
from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.stack import StackOutputs
from b2bpilot.errors import AwsError
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Check
from b2bpilot.ops.verify.checks.database.schema import REPLACE_INDEX
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.fixes import command
from tests.ops.verify.deployments import NOW, STACK, deployment

NAMES = {field.name for field in fields(StackOutputs)}


def elsewhere() -> Deployment:
    access = AwsAccess(region="eu-west-1", profile="on call", endpoint_url="http://127.0.0.1:4566")
    made = Deployment(name="staging", access=access, now=NOW)
    made.ask("stack", lambda: STACK)
    return made


def test_names_region_profile_and_endpoint_are_put_in() -> None:
    options = "--region eu-west-1 --profile 'on call' --endpoint-url http://127.0.0.1:4566"

    assert command("aws sns get --arn {topic_arn} && " + our_command("migrate"), elsewhere()) == (
        f"aws {options} sns get --arn {STACK.topic_arn} && b2bpilot migrate -e staging {options}"
    )


def test_the_local_environment_says_by_itself_where_it_is() -> None:
    made = Deployment(
        name="local", access=AwsAccess(region="us-east-1", endpoint_url="http://127.0.0.1:1"), now=NOW
    )
    made.ask("stack", lambda: STACK)

    assert command(our_command("migrate", "--yes"), made) == "b2bpilot migrate -e local --yes"


def test_a_command_of_awss_for_the_local_environment_has_its_credentials() -> None:
    """Pasted without them it ended with: Unable to locate credentials."""
    access = AwsAccess(
        region="us-east-1",
        endpoint_url="http://127.0.0.1:1",
        access_key_id="1",
        secret_access_key="local",
        is_told_all=True,
    )
    made = Deployment(name="local", access=access, now=NOW)
    made.ask("stack", lambda: STACK)

    assert command("aws sns get --arn {topic_arn}", made) == (
        "AWS_ACCESS_KEY_ID=1 AWS_SECRET_ACCESS_KEY=local aws --region us-east-1 --endpoint-url http://127.0.0.1:1 "
        f"sns get --arn {STACK.topic_arn}"
    )


def test_a_brace_that_is_meant_is_doubled() -> None:
    assert command("""aws x --json '{{"a": "{api_id}"}}'""", deployment()) == (
        f"""aws --region eu-west-1 x --json '{{"a": "{STACK.api_id}"}}'"""
    )


def test_a_command_whose_names_are_not_known_is_none() -> None:
    at = deployment(known={"stack": AwsError("gone")})

    assert command("aws sns get --arn {topic_arn}", at) is None
    assert command("sam deploy --config-env {environment}", at) == "sam deploy --config-env staging"
    assert command("", deployment()) is None


@pytest.mark.parametrize("check", [check for check in CHECKS if check.fix], ids=lambda check: check.code)
def test_every_command_of_the_catalogue_can_be_filled_and_read_by_a_shell(check: Check) -> None:
    found = command(check.fix, deployment())

    assert found is not None
    assert shlex.split(found)[0] in ("aws", "b2bpilot", "sam", "psql")
    assert "{" not in found.replace("{{", "") or "'" in found


def test_a_given_database_is_what_is_fixed_without_its_password() -> None:
    made = deployment(given_database_url="postgresql://me:secretpassword@other/b2b")

    assert command(our_command("migrate", "--yes"), made) == (
        'b2bpilot migrate -e staging --region eu-west-1 --database-url "${B2BPILOT_DATABASE_URL:?export it first}" --yes'
    )
    assert command(REPLACE_INDEX, made) == (
        'psql "${B2BPILOT_DATABASE_URL:?export it first}" -c "DROP INDEX CONCURRENTLY idx_user_submissions_message_id"'
        ' && b2bpilot migrate -e staging --region eu-west-1 --database-url "${B2BPILOT_DATABASE_URL:?export it first}" --yes'
    )
    assert command(our_command("logs"), made) == "b2bpilot logs -e staging --region eu-west-1"


def test_a_given_database_beside_the_local_environment_is_named_too() -> None:
    access = AwsAccess(region="us-east-1")
    made = Deployment(name="local", access=access, now=NOW, given_database_url="postgresql://me@other/b2b")
    made.ask("stack", lambda: STACK)

    assert command(our_command("migrate"), made) == (
        'b2bpilot migrate -e local --database-url "${B2BPILOT_DATABASE_URL:?export it first}"'
    )
