"""The checks of access, stack and secret, with what AWS would say of broken ones."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from moto import mock_aws

from b2bpilot import resources
from b2bpilot.aws.secrets import SecretState
from b2bpilot.aws.stack import StackOutdated
from b2bpilot.aws.stack_state import StackState
from b2bpilot.errors import CredentialsMissing, EnvironmentUnknown, SettingsInvalid
from b2bpilot.ops.verify import template
from b2bpilot.ops.verify.check import Result, Status
from tests.breaking import breaks
from tests.ops.verify.settings import function
from tests.ops.verify.worlds import STACK, seen, world

WHEN = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)
FIELDS = {"DATABASE_URL": "postgresql://db", "TWILIO_AUTH_TOKEN": "t", "TWILIO_ACCOUNT_SID": "AC1"}


def state(**changes: Any) -> StackState:
    whole = {
        "status": "UPDATE_COMPLETE",
        "reason": "",
        "drift": "IN_SYNC",
        "drift_checked_at": WHEN,
        "is_protected": True,
    }
    return StackState(**{**whole, **changes})


def of_state(code: str, *, name: str = "staging", **changes: Any) -> Result:
    return seen(code, world(name=name, known={"stack state": state(**changes)}))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@breaks("B2B001")
def test_refused_credentials_are_found() -> None:
    class Refusing:
        meta = None

        def get_caller_identity(self) -> None:
            raise CredentialsMissing("AWS refused the credentials (ExpiredToken)", hint="log in")

    at = world()
    at.clients.ask("sts", Refusing)

    found = seen("B2B001", at)

    assert found.status is Status.FAILED
    assert found.seen == "AWS refused the credentials (ExpiredToken): log in"


@breaks("B2B010")
@pytest.mark.parametrize(
    "error",
    [
        EnvironmentUnknown("no environment 'staging'", hint="check --env"),
        StackOutdated("stack b2b-pilot-staging lacks the outputs ApiId", hint="deploy this version"),
    ],
)
def test_a_missing_or_older_stack_is_found(error: Exception) -> None:
    found = seen("B2B010", world(known={"stack": error}))

    assert found.status is Status.FAILED
    assert found.seen.startswith(str(error))
    assert found.mend == "b2bpilot deploy -e staging --region eu-west-1"


@pytest.mark.parametrize(
    ("error", "may_change"),
    [
        (EnvironmentUnknown("no environment 'staging'"), True),
        (StackOutdated("it lacks the outputs ApiId", is_changing=True), True),
        (StackOutdated("it lacks the outputs ApiId"), False),
    ],
)
def test_a_stack_that_is_not_there_yet_may_still_come(error: Exception, may_change: bool) -> None:
    assert seen("B2B010", world(known={"stack": error})).may_change is may_change


@breaks("B2B011")
@pytest.mark.parametrize(
    ("status", "may_change", "mend"),
    [
        ("UPDATE_IN_PROGRESS", True, None),
        ("CREATE_IN_PROGRESS", True, None),
        ("UPDATE_ROLLBACK_COMPLETE", False, "b2bpilot deploy -e staging --region eu-west-1"),
        ("ROLLBACK_COMPLETE", False, None),
        ("DELETE_FAILED", False, None),
    ],
)
def test_a_deploy_that_is_not_done_may_be_waited_for_and_a_failed_one_not(
    status: str, may_change: bool, mend: str | None
) -> None:
    found = of_state("B2B011", status=status)

    assert (found.status, found.may_change, found.mend) == (Status.FAILED, may_change, mend)
    assert found.seen.startswith(f"the stack is in {status}")


@breaks("B2B013")
def test_resources_that_were_changed_by_hand_are_a_warning_and_never_looked_for_is_no_ok() -> None:
    assert of_state("B2B013", drift="DRIFTED").status is Status.WARNING
    assert of_state("B2B013", drift="IN_SYNC").status is Status.OK
    assert of_state("B2B013", drift="NOT_CHECKED").status is Status.SKIPPED
    assert of_state("B2B013", drift=None).status is Status.SKIPPED


@breaks("B2B014")
def test_production_without_termination_protection_is_a_warning() -> None:
    found = of_state("B2B014", name="prod", is_protected=False)

    assert found.status is Status.WARNING
    assert found.mend is not None
    assert "--enable-termination-protection --stack-name b2b-pilot-staging" in found.mend
    assert of_state("B2B014", is_protected=False).status is Status.OK
    assert of_state("B2B014", name="prod", is_protected=None).status is Status.SKIPPED


@breaks("B2B016")
def test_a_deleted_secret_is_found_and_can_be_restored_while_it_lasts() -> None:
    found = seen("B2B016", world(known={"secret state": SecretState(deleted_at=WHEN)}))
    gone = seen("B2B016", world(known={"secret state": SecretState(exists=False)}))

    assert found.status is gone.status is Status.FAILED
    assert found.mend == (
        f"aws --region eu-west-1 secretsmanager restore-secret --secret-id {STACK.secret_arn}"
    )
    assert gone.mend is None


@breaks("B2B017")
def test_a_secret_that_is_no_json_object_is_found() -> None:
    found = seen("B2B017", world(known={"secret": SettingsInvalid("it is not a JSON object")}))

    assert found.status is Status.FAILED


@breaks("B2B018")
@pytest.mark.parametrize("missing", list(FIELDS))
def test_a_secret_without_a_field_is_found_and_no_value_is_shown(missing: str) -> None:
    found = seen("B2B018", world(known={"secret": {**FIELDS, missing: ""}}))

    assert found.status is Status.FAILED
    assert missing in found.seen
    assert "postgresql://" not in seen("B2B018", world(known={"secret": FIELDS})).seen


def reaching_twilio(secret: dict[str, str], **variables: str) -> Result:
    processor = function(STACK.processor_function_name)
    processor = replace(processor, environment={**processor.environment, **variables})
    webhook = function(STACK.webhook_function_name)
    known = {("function", each.name): each for each in (processor, webhook)}
    return seen("B2B165", world(known={"secret": {**FIELDS, **secret}, **known}))


@breaks("B2B165")
@pytest.mark.parametrize(
    ("secret", "variables", "words"),
    [
        ({"TWILIO_ACCOUNT_SID": "SK1"}, {}, "TWILIO_ACCOUNT_SID is the SID of an API key"),
        ({"TWILIO_REGION": "ie1"}, {}, "TWILIO_REGION is ie1 without TWILIO_EDGE"),
        ({}, {"TWILIO_REGION": "ie1"}, "TWILIO_REGION of b2b-pilot-background-processor-staging is not read"),
    ],
)
def test_parts_that_would_not_reach_twilio_alike_are_found_by_name(
    secret: dict[str, str], variables: dict[str, str], words: str
) -> None:
    found = reaching_twilio(secret, **variables)

    assert found.status is Status.FAILED
    assert words in found.seen


def test_how_all_parts_reach_twilio_is_said_without_a_secret() -> None:
    key = {"TWILIO_API_KEY": "SK1", "TWILIO_API_SECRET": "hush"}
    found = reaching_twilio({**key, "TWILIO_REGION": "ie1", "TWILIO_EDGE": "dublin"})

    assert found.status is Status.OK
    assert found.seen == "TWILIO_REGION ie1, TWILIO_EDGE dublin, TWILIO_API_KEY SK1"


@breaks("B2B012")
def test_a_stack_of_another_template_is_found(credentials: None) -> None:
    ours = resources.template().read_text(encoding="utf-8")
    other = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    with mock_aws():
        at = world()
        cloudformation = at.client("cloudformation")
        cloudformation.create_stack(StackName="b2b-pilot-staging", TemplateBody=json.dumps(other))
        found = seen("B2B012", at)

    assert found.status is Status.WARNING
    assert found.seen.startswith("not as in this version's template: Parameters, Conditions, Globals and ")
    assert template.differences(template.parse(ours), template.parse(ours)) == []


def test_templates_are_compared_by_what_they_make_and_not_by_their_spelling() -> None:
    ours = """
        Resources:
          Function:
            Type: AWS::Serverless::Function
            Metadata: {BuildMethod: makefile}
            Properties:
              CodeUri: .
              Timeout: 60
              Enabled: true
              Role: !GetAtt Role.Arn
              Name: !Sub b2b-${Environment}
              When: !If [InVpc, !Ref A, !Ref B]
    """
    packaged = {
        "Resources": {
            "Function": {
                "Type": "AWS::Serverless::Function",
                "Metadata": {"SamResourceId": "Function"},
                "Properties": {
                    "CodeUri": "s3://bucket/key",
                    "Timeout": "60",
                    "Enabled": "true",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Name": {"Fn::Sub": "b2b-${Environment}"},
                    "When": {"Fn::If": ["InVpc", {"Ref": "A"}, {"Ref": "B"}]},
                },
            }
        }
    }

    def differences() -> list[str]:
        return template.differences(template.parse(json.dumps(packaged)), template.parse(ours))

    assert differences() == []
    packaged["Resources"]["Function"]["Properties"]["Timeout"] = 3  # type: ignore[index]
    assert differences() == ["Resources.Function.Properties.Timeout"]
