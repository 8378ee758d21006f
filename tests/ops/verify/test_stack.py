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
from b2bpilot.aws.stack import StackOutdated, StackOutputs
from b2bpilot.aws.stack_state import StackState
from b2bpilot.errors import CredentialsMissing, EnvironmentUnknown, SettingsInvalid
from b2bpilot.ops.verify import template
from b2bpilot.ops.verify.check import CheckResult, Status
from tests.breaking import breaks
from tests.ops.verify.deployments import DATABASE_SECRET, OLD_SECRET, STACK, TWILIO_SECRET, deployment, seen
from tests.ops.verify.settings import function

WHEN = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)
DATABASE = {"DATABASE_URL": "postgresql://db"}
TWILIO = {"TWILIO_AUTH_TOKEN": "hush", "TWILIO_ACCOUNT_SID": "AC1"}
RDS = {"username": "pilot", "password": "hush"}


def state(**changes: Any) -> StackState:
    whole = {
        "status": "UPDATE_COMPLETE",
        "reason": "",
        "drift": "IN_SYNC",
        "drift_checked_at": WHEN,
        "is_protected": True,
    }
    return StackState(**{**whole, **changes})


def of_state(code: str, *, name: str = "staging", **changes: Any) -> CheckResult:
    return seen(code, deployment(name=name, known={"stack state": state(**changes)}))


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

    at = deployment()
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
    found = seen("B2B010", deployment(known={"stack": error}))

    assert found.status is Status.FAILED
    assert found.seen.startswith(str(error))
    assert found.fix == "b2bpilot deploy -e staging --region eu-west-1"


@pytest.mark.parametrize(
    ("error", "may_change"),
    [
        (EnvironmentUnknown("no environment 'staging'"), True),
        (StackOutdated("it lacks the outputs ApiId", is_changing=True), True),
        (StackOutdated("it lacks the outputs ApiId"), False),
    ],
)
def test_a_stack_that_is_not_there_yet_may_still_come(error: Exception, may_change: bool) -> None:
    assert seen("B2B010", deployment(known={"stack": error})).may_change is may_change


@breaks("B2B011")
@pytest.mark.parametrize(
    ("status", "may_change", "fix"),
    [
        ("UPDATE_IN_PROGRESS", True, None),
        ("CREATE_IN_PROGRESS", True, None),
        ("UPDATE_ROLLBACK_COMPLETE", False, "b2bpilot deploy -e staging --region eu-west-1"),
        ("ROLLBACK_COMPLETE", False, None),
        ("DELETE_FAILED", False, None),
    ],
)
def test_a_deploy_that_is_not_done_may_be_waited_for_and_a_failed_one_not(
    status: str, may_change: bool, fix: str | None
) -> None:
    found = of_state("B2B011", status=status)

    assert (found.status, found.may_change, found.fix) == (Status.FAILED, may_change, fix)
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
    assert found.fix is not None
    assert "--enable-termination-protection --stack-name b2b-pilot-staging" in found.fix
    assert of_state("B2B014", is_protected=False).status is Status.OK
    assert of_state("B2B014", name="prod", is_protected=None).status is Status.SKIPPED


@breaks("B2B016")
def test_a_deleted_secret_is_found_and_can_be_restored_while_it_lasts() -> None:
    there, deleted, gone = SecretState(), SecretState(deleted_at=WHEN), SecretState(exists=False)

    def states(twilio: SecretState, database: SecretState) -> CheckResult:
        known = {STACK.twilio_secret_arn: twilio, STACK.database_secret_arn: database}
        return seen("B2B016", deployment(known={("secret state", arn): one for arn, one in known.items()}))

    assert states(there, there).status is Status.OK
    found = states(there, deleted)
    assert found.status is states(gone, there).status is Status.FAILED
    assert found.fix == (
        f"aws --region eu-west-1 secretsmanager restore-secret --secret-id {STACK.database_secret_arn}"
    )
    assert states(gone, deleted).fix is None


@breaks("B2B017")
def test_a_secret_that_is_no_json_object_is_found() -> None:
    broken = SettingsInvalid("it is not a JSON object")
    for twilio, database in ((broken, DATABASE), (TWILIO, broken)):
        found = seen("B2B017", deployment(known={TWILIO_SECRET: twilio, DATABASE_SECRET: database}))
        assert found.status is Status.FAILED


@breaks("B2B018")
@pytest.mark.parametrize("missing", ["TWILIO_AUTH_TOKEN", "TWILIO_ACCOUNT_SID", "DATABASE_URL"])
def test_a_secret_without_a_field_is_found_and_no_value_is_shown(missing: str) -> None:
    twilio, database = ({**each, **({missing: ""} if missing in each else {})} for each in (TWILIO, DATABASE))
    found = seen("B2B018", deployment(known={TWILIO_SECRET: twilio, DATABASE_SECRET: database}))

    assert found.status is Status.FAILED
    assert missing in found.seen
    whole = seen("B2B018", deployment(known={TWILIO_SECRET: TWILIO, DATABASE_SECRET: DATABASE}))
    assert whole.status is Status.OK
    assert "postgresql://" not in whole.seen
    assert "hush" not in f"{whole.seen}{found.seen}"


def test_each_field_that_a_secret_of_rds_lacks_is_named_with_the_parameter_for_it() -> None:
    placed = replace(STACK, database_host="db.example.com", database_port="5432", database_name="pilot")

    def of(secret: dict[str, str], stack: StackOutputs) -> CheckResult:
        return seen(
            "B2B018", deployment(known={"stack": stack, TWILIO_SECRET: TWILIO, DATABASE_SECRET: secret})
        )

    assert of(RDS, placed).status is Status.OK
    assert of(RDS, STACK).seen.startswith(
        f"{STACK.database_secret_arn} has no host, and DatabaseHost gives none, no port, and DatabasePort gives none,"
        " no dbname, and DatabaseName gives none; "
    )
    found = of({"username": "pilot", "port": "hush"}, placed)
    assert "has no password, a port that is not a number" in found.seen
    assert "hush" not in found.seen


@breaks("B2B177")
def test_what_was_added_to_the_secret_of_the_release_before_and_left_behind_is_found() -> None:
    before = {**TWILIO, **DATABASE, "TWILIO_SHARED_KEYS": "hush", "TWILIO_REGION": ""}

    def carried(now: Any, before: Any = before, **changes: Any) -> CheckResult:
        known = {"stack": replace(STACK, **changes), OLD_SECRET: before, TWILIO_SECRET: now}
        return seen("B2B177", deployment(known=known))

    found = carried(TWILIO)
    assert found.status is Status.FAILED
    assert found.seen == (
        f"TWILIO_SHARED_KEYS of {STACK.secret_arn} is not in {STACK.twilio_secret_arn}: add it there in Secrets Manager"
    )
    assert carried(TWILIO, old_secret="read").status is Status.WARNING
    assert carried({**TWILIO, "TWILIO_SHARED_KEYS": "other"}).status is Status.OK
    assert carried(TWILIO, SettingsInvalid("it holds nothing")).status is Status.OK
    assert carried(TWILIO, twilio_secret_arn=STACK.secret_arn).status is Status.SKIPPED


def reaching_twilio(secret: dict[str, str], **variables: str) -> CheckResult:
    processor = function(STACK.processor_function_name)
    processor = replace(processor, environment={**processor.environment, **variables})
    webhook = function(STACK.webhook_function_name)
    known = {("function", each.name): each for each in (processor, webhook)}
    return seen("B2B165", deployment(known={TWILIO_SECRET: {**TWILIO, **secret}, **known}))


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
        at = deployment()
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
