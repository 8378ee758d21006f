"""`b2bpilot twilio` through the command line: exit codes, one line for each failure, and nothing changed by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from b2bpilot.cli.app import main
from b2bpilot.local.twilio.faults import Fault, PlannedFault
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.local.twilio.store import ResourceFilter
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.twilio.samples import Sample, sample_params
from tests.aws_clients import client
from tests.cli.conftest import OUTPUTS, Run, Staging
from tests.cli.publish.fake_sns import fake_aws
from tests.events import message, sns_event
from tests.ops.cutover.test_route import listening
from tests.ops.reconcile.deployment import Deployment
from tests.twilio.double import ACCOUNT_SID, TOKEN, add_application, add_number, add_service, running_double
from tests.twilio.test_probe import answering

DEAD_LETTERS = OUTPUTS["DeadLetterQueueUrl"].rpartition("/")[2]
NUMBER, OTHER, SENDER = "+15005550009", "+15005550008", "+15005550006"


pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with running_double(datetime.now(UTC)) as found:
        yield found


@pytest.fixture(autouse=True)
def account(
    staging: Staging,
    double: TwilioDouble,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The environment `staging` with the double's account in its secret."""
    use_token(staging, database_url, TOKEN)
    client("sqs").create_queue(QueueName=DEAD_LETTERS)
    monkeypatch.setenv("TWILIO_API_URL", double.url)
    monkeypatch.setenv("B2BPILOT_ENV", "staging")
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "state"))


def use_token(staging: Staging, database_url: str, token: str) -> None:
    secret = {"DATABASE_URL": database_url, "TWILIO_ACCOUNT_SID": ACCOUNT_SID, "TWILIO_AUTH_TOKEN": token}
    client("secretsmanager").put_secret_value(SecretId=staging.secret_arn, SecretString=json.dumps(secret))


def receive(double: TwilioDouble, count: int = 1) -> list[str]:
    """Let messages come in that no webhook ever gets, to a number that delivers to the environment unless it is set."""
    if not double.store.all(ResourceFilter(kind="number")):
        add_number(double, NUMBER, sms_url=OUTPUTS["WebhookUrl"])
    found = [sample_params(Sample.TEXT, From=SENDER, To=NUMBER, AccountSid=ACCOUNT_SID) for _ in range(count)]
    for params in found:
        double.receive(params, at=double.clock() - timedelta(hours=2), deliver=False)
    return [params["MessageSid"] for params in found]


def bury(sid: str) -> None:
    """Put the message into the dead-letter queue, as Lambda does after its tries."""
    url = client("sqs").get_queue_url(QueueName=DEAD_LETTERS)["QueueUrl"]
    client("sqs").send_message(
        QueueUrl=url, MessageBody=json.dumps(sns_event(message(params={"MessageSid": sid})))
    )


def measure(name: str, value: float) -> None:
    """Let CloudWatch have counted it a moment ago."""
    dimensions = [{"Name": "FunctionName", "Value": OUTPUTS["ProcessorFunctionName"]}]
    at = datetime.now(UTC) - timedelta(minutes=2)
    datum = {"MetricName": name, "Dimensions": dimensions, "Value": value, "Timestamp": at}
    client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=[datum])


def settings(double: TwilioDouble) -> list[str]:
    """As Twilio has them, but for when they were changed last."""
    found = [each for kind in ("number", "service") for each in double.store.all(ResourceFilter(kind=kind))]
    return [json.dumps({**each, "date_updated": None}) for each in found]


def test_a_missing_message_is_named_and_ends_with_3_only_when_asked(run: Run, double: TwilioDouble) -> None:
    (sid,) = receive(double)

    found = run("twilio", "reconcile", "-o", "json")

    assert found.exit_code == 0
    assert found.document["reconciled"]["missing"] == 1
    assert found.document["messages"][0]["message_sid"] == sid
    assert run("twilio", "reconcile", "--exit-code").exit_code == 3


def test_a_list_that_lags_is_said_to_and_no_stored_row_is_called_unknown_to_twilio(
    run: Run, double: TwilioDouble, database_url: str
) -> None:
    with DatabaseManager(database_url) as database:
        deployment = Deployment(double, database, double.clock())
        deployment.store(deployment.receive(3, ago=timedelta(hours=2)), ago=timedelta(hours=2))
    double.faults.plan(PlannedFault(fault=Fault.LAG, seconds=3 * 3600, times=9))

    found = run("twilio", "reconcile", "--exit-code")
    in_json = run("twilio", "reconcile", "-o", "json").document["reconciled"]

    assert found.exit_code == 0
    assert "3 stored" in found.stdout
    assert "Twilio's list lags: 3 messages that Twilio has by SID are not in it" in found.stdout
    assert "never Twilio's" not in found.stdout
    assert (in_json["unknown_to_twilio"], in_json["not_listed"]) == (0, 0)


def test_that_the_newest_hours_may_be_incomplete_is_always_said(run: Run, double: TwilioDouble) -> None:
    receive(double)

    assert "the newest hours may not be in it yet" in run("twilio", "reconcile").stdout


def test_nothing_missing_ends_with_0(run: Run, double: TwilioDouble) -> None:
    found = run("twilio", "reconcile", "--exit-code")

    assert found.exit_code == 0
    assert "0 stored" in found.stdout
    assert "Twilio's list has no inbound message of this time: nothing was compared." in found.stderr


@pytest.mark.parametrize("number", [NUMBER[1:], "5", "whatsapp:4711", ""])
def test_a_number_that_twilio_writes_otherwise_is_refused(run: Run, number: str) -> None:
    """Nothing would be compared, and that ends with 0."""
    found = run("twilio", "reconcile", "--to", number, "--exit-code")

    assert found.exit_code == 2
    assert found.stderr.startswith(f"error: --to: {number!r} is not a number")


@pytest.mark.parametrize("format_", ["table", "json"])
def test_a_route_of_a_number_that_is_not_there_fails(run: Run, double: TwilioDouble, format_: str) -> None:
    """It must not look as if all were well with it."""
    add_number(double, OTHER, sms_url="https://n")

    found = run("twilio", "route", "--number", NUMBER, "--exit-code", "-o", format_)

    assert found.exit_code == 1
    assert "the Twilio account has no such number" in found.stderr + found.stdout


def test_a_route_that_two_may_decide_is_unclear_and_what_was_not_read_is_named(
    run: Run, double: TwilioDouble
) -> None:
    application = add_application(double, sms_url=OUTPUTS["WebhookUrl"])
    number = add_number(double, NUMBER, sms_url="https://old.example/", sms_application_sid=application)
    service = add_service(double, number, inbound_request_url="https://old.example/")

    table = run("twilio", "route", "--exit-code")
    (route,) = run("twilio", "route", "-o", "json").document["routes"]

    assert table.exit_code == 3
    assert f"{application} or {service}" in " ".join(table.stdout.split())
    assert f"application {application} calls, where it decides" in table.stdout
    assert "Not read: webhook rules" in table.stderr
    assert (route["decided_by"], route["sid"], route["url"]) == ("unclear", None, None)


def test_a_cut_over_makes_an_application_and_a_service_alike(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    application = add_application(double, sms_url="https://a.example/")
    number = add_number(double, NUMBER, sms_application_sid=application)
    service = add_service(double, number, inbound_request_url="https://b.example/")

    found = run("twilio", "cutover", "--to", "stack", "--confirm", NUMBER, "-o", "json")

    assert found.exit_code == 0
    assert [each["sid"] for each in found.document["changes"]] == [application, service]
    urls = {each["url"] for each in found.document["after"] if each["level"] != "number"}
    assert urls == {f"{OUTPUTS['WebhookUrl']}#rc=3&rp=5xx,ct,rt&ct=2000&rt=4000"}


def test_a_narrow_terminal_shows_the_whole_url_and_the_whole_sid(run: Run, double: TwilioDouble) -> None:
    url = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/prod/webhook#rc=3&rp=5xx,ct,rt"
    number = add_number(double, NUMBER, sms_url=url)

    lines = run("twilio", "route").stdout.splitlines()

    assert f"number {number} calls" in lines
    assert f"  {url}" in lines
    assert max(len(line) for line in lines[:2]) <= 80


def test_jsonl_names_every_message_where_a_table_shows_twenty(run: Run, double: TwilioDouble) -> None:
    receive(double, 25)

    every, table = run("twilio", "reconcile", "-o", "jsonl"), run("twilio", "reconcile")

    assert sum(line.get("verdict") == "missing" for line in every.lines) == 25
    assert table.stdout.count("\nmissing") == 20
    assert "5 more" in table.stderr


def test_publishing_is_asked_for_and_a_dry_run_publishes_nothing(
    run: Run, double: TwilioDouble, staging: Staging, tmp_path: Path
) -> None:
    receive(double)

    dry = run("twilio", "reconcile", "--publish-missing", "--dry-run")
    unconfirmed = run("twilio", "reconcile", "--publish-missing")

    assert dry.exit_code == 0
    assert "Publish 1 missing message" in dry.stderr
    assert dry.stderr.endswith("Dry run: nothing was changed.\n")
    assert unconfirmed.exit_code == 5
    assert staging.messages() == []
    assert not list((tmp_path / "state").rglob("*.jsonl"))


def test_with_answers_of_sns_cut_the_run_says_how_many_are_unknown_and_of_what(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(double, 3)
    with fake_aws() as sns:
        sns.silent_batches = frozenset(range(99))
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", sns.url)
        found = run("twilio", "reconcile", "--publish-missing", "--yes", "--wait", "0s")

    assert len(sns.taken) == 3
    assert "Sent 3 messages to the topic; of these" in found.stdout
    assert "  0 published: SNS took them; 0 proven to be stored" in found.stdout
    assert "  3 unknown: no answer says whether SNS took them; 0 proven to be stored" in found.stdout
    assert found.exit_code == 4


def test_what_was_published_and_not_stored_ends_with_4(
    run: Run, double: TwilioDouble, staging: Staging
) -> None:
    """moto delivers to the witness only: no processor stores anything."""
    (sid,) = receive(double)

    found = run("twilio", "reconcile", "--publish-missing", "--yes", "--wait", "0s", "-o", "json")

    assert found.exit_code == 4
    assert found.document["recovered"]["published"] == 1
    assert found.document["recovered"]["stopped"] is False
    assert found.document["error"]["message"] == "1 of the missing messages is not proven to be stored"
    assert found.document["problems"][0]["message_sid"] == sid
    (message,) = staging.messages()
    assert message["body"]["source"] == "reconcile"
    assert message["body"]["params"]["From"] == SENDER


PUBLISH = ("twilio", "reconcile", "--publish-missing", "--yes", "--wait", "0s")


def test_a_dead_letter_is_counted_apart_and_left_to_a_redrive(
    run: Run, double: TwilioDouble, staging: Staging
) -> None:
    """It has the buttons and the names that Twilio's own copy lacks, and would be skipped once that one is stored."""
    dead, lost = receive(double, 2)
    bury(dead)

    table = run(*PUBLISH)
    found = run("twilio", "reconcile", "-o", "json").document

    assert [each["body"]["params"]["MessageSid"] for each in staging.messages()] == [lost]
    assert "1 in the dead-letter queue: b2bpilot dlq redrive -e staging" in table.stdout.splitlines()
    assert (found["reconciled"]["missing"], found["reconciled"]["dead_letter"]) == (1, 1)
    assert found["reconciled"]["doubts"] == []
    by_verdict = {each["verdict"]: each for each in found["messages"]}
    assert by_verdict["dead_letter"]["why"] == "in the dead-letter queue, with all its parameters"


def test_where_only_dead_letters_have_no_row_nothing_is_published_and_that_is_said(
    run: Run, double: TwilioDouble, staging: Staging, tmp_path: Path
) -> None:
    (dead,) = receive(double)
    bury(dead)

    found = run(*PUBLISH, "--exit-code")

    assert found.exit_code == 3
    assert "There is nothing to publish." in found.stderr
    assert staging.messages() == []
    assert not list((tmp_path / "state").rglob("*.jsonl"))


@pytest.mark.parametrize(
    ("metric", "value", "doubt"),
    [
        ("Throttles", 3, "the processor was throttled in the last 10 minutes"),
        ("AsyncEventAge", 900_000, "messages waited in Lambda's queue, one for 900 s"),
    ],
)
def test_while_lambda_may_hold_messages_they_are_not_published(
    run: Run, double: TwilioDouble, staging: Staging, *, metric: str, value: float, doubt: str
) -> None:
    receive(double)
    measure(metric, value)

    looked = run("twilio", "reconcile", "--exit-code")
    refused = run(*PUBLISH, "-o", "json")
    dry = run(*PUBLISH, "--dry-run")

    assert looked.exit_code == 3
    assert f"what is missing may be in a queue of ours: {doubt}" in looked.stdout
    assert (refused.exit_code, refused.document["error"]["code"]) == (5, "refused")
    assert doubt in refused.document["reconciled"]["doubts"][0]
    assert "Nothing was published" in refused.document["error"]["message"]
    assert "--even-if-queued" in refused.document["error"]["hint"]
    assert dry.exit_code == 5
    assert staging.messages() == []


def test_a_dead_letter_queue_that_cannot_be_asked_is_told_and_not_taken_for_empty(
    run: Run, double: TwilioDouble, staging: Staging
) -> None:
    receive(double)
    client("sqs").delete_queue(QueueUrl=client("sqs").get_queue_url(QueueName=DEAD_LETTERS)["QueueUrl"])

    found = run(*PUBLISH)

    assert found.exit_code == 5
    assert "the dead-letter queue was not asked: " in found.stdout
    assert staging.messages() == []


def test_what_may_be_queued_is_published_when_that_is_asked_for_and_recorded(
    run: Run, double: TwilioDouble, staging: Staging
) -> None:
    receive(double)
    measure("Throttles", 3)

    found = run(*PUBLISH, "--even-if-queued")

    assert "what it has of them besides will be skipped" in found.stderr
    assert found.exit_code == 4  # moto has no processor: nothing is proven to be stored
    assert len(staging.messages()) == 1
    (record,) = run("runs", "list", "-o", "json").document["runs"]
    assert record["parameters"]["even_if_queued"] is True


@pytest.mark.parametrize(
    "command",
    [
        ("reconcile", "--publish-missing", "--yes"),
        ("route",),
        ("cutover", "--to", "https://new.example/", "--number", NUMBER, "--confirm", NUMBER),
    ],
)
@pytest.mark.parametrize("trouble", ["token", "suspended", "network", "half", "throttled"])
def test_trouble_with_twilio_is_one_clear_line_and_changes_nothing(
    run: Run,
    double: TwilioDouble,
    *,
    staging: Staging,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    trouble: str,
) -> None:
    add_number(double, NUMBER, sms_url="https://old.example/")
    receive(double)
    before = settings(double)
    expected = {
        "token": "refused the token",
        "suspended": "not active",
        "network": "was not reached",
        "half": "cut off",
        "throttled": "throttling",
    }[trouble]
    match trouble:
        case "token":
            use_token(staging, database_url, "wrong")
        case "suspended":
            double.set_status("suspended")
        case "network":
            monkeypatch.setenv("TWILIO_API_URL", "http://127.0.0.1:9")
        case "half":
            double.faults.plan(PlannedFault(fault=Fault.GARBAGE, times=9))
        case "throttled":
            double.faults.plan(PlannedFault(fault=Fault.REFUSE, status=429, code=20429, times=99))

    found = run("twilio", *command)

    assert found.exit_code == 1
    (line,) = [each for each in found.stderr.splitlines() if each.startswith("error:")]
    assert expected in line
    assert "Traceback" not in found.stderr
    assert staging.messages() == []
    assert settings(double) == before


@pytest.mark.parametrize(
    "command",
    [
        ("reconcile",),
        ("route",),
        ("cutover", "--to", "https://new.example/", "--number", NUMBER, "--confirm", NUMBER),
    ],
)
def test_a_secret_that_names_no_account_or_no_host_is_refused_by_name_by_all_commands(
    run: Run, double: TwilioDouble, *, staging: Staging, database_url: str, command: tuple[str, ...]
) -> None:
    secret = {"DATABASE_URL": database_url, "TWILIO_ACCOUNT_SID": ACCOUNT_SID, "TWILIO_AUTH_TOKEN": TOKEN}
    for wrong in ({"TWILIO_ACCOUNT_SID": "SK" + "1" * 32}, {"TWILIO_REGION": "ie1"}):
        text = json.dumps({**secret, **wrong})
        client("secretsmanager").put_secret_value(SecretId=staging.secret_arn, SecretString=text)

        found = run("twilio", *command)

        assert found.exit_code == 2
        assert f"error: {next(iter(wrong))} is" in found.stderr
        assert double.requests == []


def test_a_region_of_the_shell_is_not_used_and_that_is_said(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    add_number(double, NUMBER, sms_url=OUTPUTS["WebhookUrl"])

    said = "TWILIO_REGION=ie1 of this shell is not used: the environment's secret names none."
    assert said in run("twilio", "route").stderr


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9"])
def test_a_traceback_shows_neither_token_nor_numbers(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    """The SDK's and the network's own errors repeat the URL, and with it the number."""
    double.faults.plan(
        PlannedFault(fault=Fault.REFUSE, matching="Messages", status=400, code=21211, times=99)
    )
    monkeypatch.setenv("TWILIO_API_URL", url or double.url)

    found = run("twilio", "reconcile", "--to", NUMBER, "--verbose")

    assert "Traceback" in found.stderr
    for secret in (TOKEN, NUMBER[1:]):
        assert secret not in found.stderr + found.stdout


def test_a_route_is_shown_with_what_is_unsafe(run: Run, double: TwilioDouble) -> None:
    add_service(double, add_number(double, NUMBER, sms_url="https://n"), inbound_request_url="https://s")

    found = run("twilio", "route", "-o", "json", "--exit-code")
    table = run("twilio", "route")

    assert found.exit_code == 3
    (route,) = found.document["routes"]
    assert (route["decided_by"], route["url"]) == ("messaging service", "https://s")
    assert [level["url"] for level in route["levels"]] == ["https://s", "https://n"]
    assert "its messages go elsewhere" in " ".join(route["unsafe"])
    assert NUMBER not in table.stdout + json.dumps(route)
    assert NUMBER in run("twilio", "route", "--reveal").stdout
    (told,) = [line for line in table.stdout.splitlines() if "b2bpilot twilio cutover" in line]
    assert told.endswith(f" --to stack --service {route['sid']} --fallback URL")


def test_of_an_unsafe_number_the_command_that_changes_it_is_told(run: Run, double: TwilioDouble) -> None:
    """It ended in what is unsafe, and with no next step."""
    add_number(double, NUMBER, sms_url="http://n")

    told = run("twilio", "route").stdout.splitlines()

    assert told[0].split()[-1] == "issues"
    assert told[-1].startswith("Change it (--dry-run shows what would be written): b2bpilot twilio cutover ")
    assert told[-1].endswith(" --to stack --number NUMBER --fallback URL")


def test_a_number_at_the_url_that_the_webhook_had_before_comes_here(run: Run, double: TwilioDouble) -> None:
    previous = "https://previous.example.com/webhook"
    role = client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client("lambda").create_function(
        FunctionName=OUTPUTS["WebhookFunctionName"],
        Runtime="python3.13",
        Role=role,
        Handler="x.y",
        Code={"ZipFile": b"x"},
        Environment={"Variables": {"PREVIOUS_WEBHOOK_URL": previous}},
    )
    add_number(double, NUMBER, sms_url=previous)

    (route,) = run("twilio", "route", "-o", "json").document["routes"]

    assert not any("elsewhere" in each for each in route["unsafe"])


def test_an_account_without_numbers_is_told_what_was_not_read(run: Run, double: TwilioDouble) -> None:
    found = run("twilio", "route")

    assert "has no phone numbers" in found.stderr
    assert "WhatsApp senders" in found.stderr


@pytest.mark.parametrize("option", ["--number", "--service", "--fallback"])
def test_an_option_that_is_empty_is_not_taken_for_none(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    """As of a shell whose variable is not set."""
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    add_number(double, NUMBER, sms_url="https://old.example/")
    before = settings(double)

    found = run("twilio", "cutover", "--to", "stack", option, "", "--confirm", NUMBER)

    assert (found.exit_code, settings(double)) == (2, before)
    assert f"{option} is empty" in found.stderr
    assert option != "--number" or run("twilio", "route", option, "").exit_code == 2


def test_only_what_is_of_the_period_counts_as_listed_and_what_was_asked_for_was_compared(
    run: Run, double: TwilioDouble, database_url: str
) -> None:
    with DatabaseManager(database_url) as database:
        deployment = Deployment(double, database, double.clock())
        deployment.store(deployment.receive(1, ago=timedelta(hours=2)), ago=timedelta(hours=2))
        deployment.store(deployment.receive(1, ago=timedelta(hours=30)), ago=timedelta(hours=30))
    double.faults.plan(PlannedFault(fault=Fault.LAG, seconds=3 * 3600, times=1))

    found = run("twilio", "reconcile", "-o", "json")

    assert found.document["reconciled"]["stored"] == 1
    assert found.document["reconciled"]["twilio_list"]["listed"] == 0
    assert "Twilio's list has no inbound message of this time" in found.stderr
    assert "nothing was compared" not in found.stderr


def test_a_url_that_does_not_answer_with_twiml_is_refused(run: Run, double: TwilioDouble) -> None:
    add_number(double, NUMBER, sms_url="https://old.example/")
    before = settings(double)

    with listening() as (url, called):
        found = run("twilio", "cutover", "--to", url, "--confirm", NUMBER)

    assert found.exit_code == 1
    assert "not with TwiML" in found.stderr
    assert called
    assert settings(double) == before


@pytest.mark.parametrize("option", ["--to", "--fallback"])
def test_a_url_with_what_is_no_override_is_not_written(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    add_number(double, NUMBER, sms_url="https://old.example/")
    before = settings(double)
    wrong = "https://new.example/#rc=9&rp=5xx,foo&ct=1&rt=99999"
    urls = (option, wrong) if option == "--to" else ("--to", "stack", option, wrong)

    found = run("twilio", "cutover", *urls, "--confirm", NUMBER)

    assert (found.exit_code, settings(double)) == (2, before)
    assert (
        f"{option}: invalid # overrides, error 11243 at Twilio: rc=9 is not 0 to 5; rp=5xx,foo has foo"
        in found.stderr
    )


def test_a_webhook_that_answers_204_is_taken_and_that_is_said(run: Run, double: TwilioDouble) -> None:
    add_number(double, NUMBER, sms_url="https://old.example/")

    with answering((204, {}, "")) as (url, _):
        found = run("twilio", "cutover", "--to", url, "--confirm", NUMBER)

    assert found.exit_code == 0
    assert "answered a signed request as Twilio takes it." in found.stdout
    assert "answered with 204 and no TwiML: Twilio takes that as no reply." in found.stdout
    assert [each["sms_url"] for each in double.store.all(ResourceFilter(kind="number"))] == [url]


def test_a_message_without_a_date_ends_no_reconcile(run: Run, double: TwilioDouble) -> None:
    undated, _ = receive(double, 2)
    double.store.change("message", undated, {"date_sent": None, "date_created": None})

    found = run("twilio", "reconcile", "-o", "json").document

    assert (found["reconciled"]["undated"], found["reconciled"]["missing"]) == (1, 1)
    assert [
        (each["message_sid"], each["sent_at"]) for each in found["messages"] if each["verdict"] == "undated"
    ] == [(undated, None)]


def test_what_sns_certainly_refused_is_said_and_ends_with_1(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(double, 3)
    with fake_aws() as sns:
        sns.denied = True
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", sns.url)
        found = run("twilio", "reconcile", "--publish-missing", "--yes", "--wait", "0s")

    assert "  3 certainly not published" in found.stdout
    assert "unknown" not in found.stdout
    assert found.exit_code == 1


def test_a_url_at_which_nobody_listens_is_told_in_words(run: Run, double: TwilioDouble) -> None:
    add_number(double, NUMBER, sms_url="https://old.example/")

    found = run("twilio", "cutover", "--to", "https://127.0.0.1:9/", "--confirm", NUMBER)

    assert found.exit_code == 1
    assert "127.0.0.1 did not answer (Connection refused). Nothing was changed" in found.stderr


@pytest.mark.parametrize("confirm", [(), ("--confirm", OTHER), ("--confirm", "staging")])
def test_a_cut_over_needs_the_number_typed(
    run: Run, double: TwilioDouble, confirm: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    add_number(double, NUMBER, sms_url="https://old.example/")
    before = settings(double)

    found = run("twilio", "cutover", "--to", "https://new.example/", *confirm)

    assert found.exit_code == 5
    assert NUMBER not in found.stdout + found.stderr
    assert settings(double) == before


def test_a_cut_over_and_its_rollback_from_the_command_line(
    run: Run, double: TwilioDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    add_number(double, NUMBER, sms_url="https://old.example/?x=1#rc=2")
    before = settings(double)

    done = run("twilio", "cutover", "--to", "stack", "--confirm", NUMBER, "-o", "json")
    same = run("twilio", "cutover", "--to", "stack", "--dry-run")
    (journal,) = (tmp_path / "state").rglob("*.jsonl")
    (route,) = run("twilio", "route", "-o", "json").document["routes"]
    back = run("twilio", "rollback", done.document["run_id"], "--yes")
    again = run("twilio", "rollback", done.document["run_id"], "--yes")

    assert done.exit_code == 0
    assert same.stdout.startswith("1 number, environment staging ")
    assert "Nothing to change: it is already set like this." in same.stdout
    assert route["url"] == "https://hooks.example.com/webhook#rc=3&rp=5xx,ct,rt&ct=2000&rt=4000"
    assert NUMBER[1:] not in journal.read_text()
    assert (journal.stat().st_mode & 0o777) == 0o600
    assert (back.exit_code, again.exit_code) == (0, 0)
    assert settings(double) == before
    assert "Nothing to change" in again.stdout
    assert "not switched: webhook rules" in done.stderr
    assert "What decides now" in back.stderr


def test_a_number_whose_application_is_gone_is_not_said_to_be_switched(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    add_number(double, NUMBER, sms_url="https://old.example/", sms_application_sid="AP" + "0" * 32)
    before = settings(double)

    found = run("twilio", "cutover", "--to", "stack", "--number", NUMBER, "--confirm", NUMBER)

    assert found.exit_code == 5
    assert "does not exist" in found.stderr
    assert "an empty SmsApplicationSid" in found.stderr
    assert settings(double) == before


def test_what_is_unsafe_after_a_cut_over_is_told(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    sid = add_number(double, NUMBER, sms_url="https://old.example/")

    table = run("twilio", "cutover", "--to", "stack", "--confirm", NUMBER)
    found = run("twilio", "cutover", "--to", "https://new.example/", "--confirm", NUMBER, "-o", "json")

    assert (table.exit_code, found.exit_code) == (0, 0)
    assert "+1500***0009: no fallback URL: what the URL does not take is lost" in table.stdout
    dangers = [each["danger"] for each in found.document["unsafe"] if each["number_sid"] == sid]
    assert [danger.partition(":")[0] for danger in dangers] == [
        "a 5xx answer is not tried again",
        "no fallback URL",
    ]


def test_a_cut_over_that_something_else_overrules_by_now_is_not_done(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody gives the number an application between the plan and the write."""
    sid = add_number(double, NUMBER, sms_url="https://old.example/")
    gone = {"sms_application_sid": "AP" + "0" * 32}
    monkeypatch.setattr(
        "b2bpilot.twilio.probe.probe", lambda *_, **__: double.store.change("number", sid, gone)
    )

    found = run("twilio", "cutover", "--to", "stack", "--confirm", NUMBER, "-o", "json")

    assert found.exit_code == 4
    assert "1 of 1 number does not deliver to the new URL" in found.document["error"]["message"]
    assert (
        f"b2bpilot twilio rollback -e staging {found.document['run_id']}" in found.document["error"]["hint"]
    )
    assert "does not exist" in found.document["unsafe"][0]["danger"]


def test_a_cut_over_that_cannot_be_looked_at_afterwards_was_made_all_the_same(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_number(double, NUMBER, sms_url="https://old.example/")
    later = PlannedFault(fault=Fault.REFUSE, matching="GET .*Services", status=401, code=20003, times=9)
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: double.faults.plan(later))

    found = run("twilio", "cutover", "--to", "stack", "--confirm", NUMBER)

    assert found.exit_code == 0
    assert "Written: read back and found as written." in found.stdout
    assert "What takes effect now could not be read" in found.stderr


def test_a_cut_over_that_is_carried_out_later_is_unknown_until_then(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    add_number(double, NUMBER, sms_url="https://old.example/")
    before = settings(double)
    double.faults.plan(PlannedFault(fault=Fault.LATE, matching="POST .*IncomingPhone", seconds=60))

    found = run("twilio", "cutover", "--to", "stack", "--confirm", NUMBER)

    assert (found.exit_code, settings(double)) == (4, before)
    assert "may be changed, now or in a moment" in found.stderr
    assert "othing was changed" not in found.stdout + found.stderr
    double.do_what_is_late()
    assert settings(double) != before
    (record,) = run("runs", "list", "-o", "json").document["runs"]
    assert "unknown" in run("runs", "show", record["run_id"]).stdout
    back = run("twilio", "rollback", record["run_id"], "--yes")
    assert (back.exit_code, settings(double)) == (0, before)
    assert "may still be carried out" in back.stderr


def test_a_cut_over_is_done_though_twilio_shows_the_old_setting_for_a_while(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_number(double, NUMBER, sms_url="https://old.example/")
    stale = PlannedFault(fault=Fault.STALE, matching="GET .*IncomingPhone", times=7)
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: double.faults.plan(stale))

    found = run("twilio", "cutover", "--to", "stack", "--confirm", NUMBER, "-o", "json")

    assert found.exit_code == 0
    assert [each["url"].partition("#")[0] for each in found.document["after"]] == [OUTPUTS["WebhookUrl"]]


def test_a_rollback_right_after_a_cut_over_restores_what_twilio_shows_already(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    add_number(double, NUMBER, sms_url="https://old.example/")
    before = settings(double)
    done = run("twilio", "cutover", "--to", "stack", "--confirm", NUMBER, "-o", "json").document["run_id"]
    double.faults.plan(PlannedFault(fault=Fault.STALE, matching="GET .*IncomingPhone", times=2))

    back = run("twilio", "rollback", done, "--yes")

    assert (back.exit_code, settings(double)) == (0, before)
    assert "Restored 1" in back.stdout


def test_a_cut_over_that_somebody_else_has_made_meanwhile_is_not_claimed(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sid = add_number(double, NUMBER, sms_url="https://old.example/")
    monkeypatch.setattr(
        "b2bpilot.twilio.probe.probe",
        lambda *_, **__: double.store.change("number", sid, {"sms_url": "https://new.example/"}) and None,
    )

    found = run("twilio", "cutover", "--to", "https://new.example/", "--confirm", NUMBER)

    assert found.exit_code == 0
    assert "Written" not in found.stdout
    assert "Somebody has set it like this in the meantime: nothing was changed." in found.stderr
    assert not list((tmp_path / "state").rglob("*.jsonl"))


def test_a_cut_over_that_came_to_its_end_is_not_made_again_by_a_resume(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has rolled it back: only `cutover` cuts over again."""
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    add_number(double, NUMBER, sms_url="https://old.example/")
    before = settings(double)
    done = run("twilio", "cutover", "--to", "stack", "--confirm", NUMBER, "-o", "json").document["run_id"]
    dry = run("twilio", "rollback", done, "--dry-run")
    run("twilio", "rollback", done, "--yes")

    resumed = run("runs", "resume", done, "--yes")

    assert resumed.exit_code == 0
    assert "nothing left to do" in resumed.stderr
    assert "Changed" not in resumed.stdout
    assert settings(double) == before
    assert "Dry run: nothing was changed." in dry.stderr
    found = {each["run_id"]: each for each in run("runs", "list", "-o", "json").document["runs"]}
    assert found[done]["counts"] == {"changed": 1}


def test_what_had_no_url_keeps_the_new_one_and_a_rollback_of_nothing_else_is_refused(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    add_number(double, NUMBER, sms_url="")
    done = run("twilio", "cutover", "--to", "stack", "--confirm", NUMBER, "-o", "json").document["run_id"]
    switched = settings(double)

    back = run("twilio", "rollback", done, "--yes")

    assert back.exit_code == 5
    assert "had no URL before and keeps the new one" in back.stderr
    assert "Nothing was changed" in back.stderr
    assert "Nothing to change" not in back.stdout
    assert settings(double) == switched


def test_a_cut_over_that_wrote_nothing_leaves_nothing_to_roll_back(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number has no URL, before and after: it keeps no new one."""
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    add_number(double, NUMBER, sms_url="")
    double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching="POST .*IncomingPhone", status=400, times=9))
    failed = run("twilio", "cutover", "--to", "stack", "--confirm", NUMBER)
    double.faults.forget()
    (record,) = run("runs", "list", "-o", "json").document["runs"]

    back = run("twilio", "rollback", record["run_id"], "--yes")

    assert failed.exit_code == 1
    assert "Nothing was changed" in failed.stderr
    assert back.exit_code == 0
    assert "keeps the new one" not in back.stderr
    assert "Nothing to change" in back.stdout


def interrupted_cut_over(run: Run, double: TwilioDouble, tmp_path: Path) -> str:
    """A service that uses its numbers' webhooks, with the first of two numbers written; returns the run."""
    numbers = [add_number(double, number, sms_url="https://old.example/") for number in (NUMBER, OTHER)]
    service = add_service(double, *numbers, uses_number_webhook=True, inbound_request_url="https://s")
    double.faults.plan(
        PlannedFault(fault=Fault.REFUSE, matching="POST .*IncomingPhone", after=1, status=400, times=9)
    )
    found = run("twilio", "cutover", "--to", "stack", "--service", service, "--confirm", service)
    assert found.exit_code == 4
    double.faults.forget()
    (journal,) = (tmp_path / "state").rglob("*-cutover-*.jsonl")
    return journal.stem


def test_an_interrupted_cut_over_is_gone_on_with_and_counted_whole(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    run_id = interrupted_cut_over(run, double, tmp_path)

    resumed = run("runs", "resume", run_id, "--yes")

    assert resumed.exit_code == 0
    assert "Changed 1; read back and found as written" in resumed.stdout
    assert all("hooks.example.com" in each for each in settings(double)[:2])
    (record,) = run("runs", "list", "-o", "json").document["runs"]
    assert record["counts"] == {"changed": 2}


def test_an_interrupted_cut_over_that_was_rolled_back_is_not_gone_on_with(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    run_id = interrupted_cut_over(run, double, tmp_path)
    back = run("twilio", "rollback", run_id, "--yes", "-o", "json")
    restored = settings(double)

    resumed = run("runs", "resume", run_id, "--yes")

    assert back.exit_code == 0
    assert resumed.exit_code == 5
    assert f"run {run_id} was rolled back by {back.document['run_id']}" in resumed.stderr
    assert settings(double) == restored
    assert all("old.example" in each for each in restored[:2])


def test_an_interrupted_cut_over_that_somebody_finished_by_hand_claims_no_change(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    run_id = interrupted_cut_over(run, double, tmp_path)
    (written,) = [json.loads(each)["sms_url"] for each in settings(double) if "hooks.example.com" in each]
    for each in double.store.all(ResourceFilter(kind="number")):
        double.store.change("number", each["sid"], {"sms_url": written, "sms_method": "POST"})

    resumed = run("runs", "resume", run_id, "--yes")

    assert resumed.exit_code == 0
    assert "Changed" not in resumed.stdout
    assert "It was changed before." in resumed.stdout
    (record,) = run("runs", "list", "-o", "json").document["runs"]
    assert (record["counts"]["changed"], record["counts"]["set_already"]) == (1, 1)


def test_a_number_that_is_gone_keeps_no_other_from_being_restored(
    run: Run, double: TwilioDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.probe.probe", lambda *_, **__: None)
    kept, released = [
        add_number(double, number, sms_url="https://old.example/") for number in (NUMBER, OTHER)
    ]
    service = add_service(double, kept, released, uses_number_webhook=True, inbound_request_url="https://s")
    done = run("twilio", "cutover", "--to", "stack", "--service", service, "--confirm", service, "-o", "json")
    double.store.remove("number", released)

    dry = run("twilio", "rollback", done.document["run_id"], "--dry-run")
    back = run("twilio", "rollback", done.document["run_id"], "--yes")
    again = run("twilio", "rollback", done.document["run_id"], "--yes")

    assert [each["sms_url"] for each in double.store.all(ResourceFilter(kind="number"))] == [
        "https://old.example/"
    ]
    assert (dry.exit_code, back.exit_code, again.exit_code) == (5, 4, 5)
    assert "Restored 1; read back and found as written" in back.stdout
    for found in (dry, back, again):
        assert f"number {released} is not at Twilio any more" in found.stderr


def test_an_account_without_numbers_has_none_to_name(run: Run, double: TwilioDouble) -> None:
    found = run("twilio", "cutover", "--to", "stack", "--confirm", NUMBER)

    assert found.exit_code == 1
    assert "the Twilio account has no phone numbers" in found.stderr


def test_only_a_cut_over_can_be_rolled_back(run: Run, double: TwilioDouble) -> None:
    receive(double)
    run("twilio", "reconcile", "--publish-missing", "--yes", "--wait", "0s")
    (found,) = run("runs", "list", "-o", "json").document["runs"]

    refused = run("twilio", "rollback", found["run_id"])

    assert refused.exit_code == 2
    assert "not a cut-over" in refused.stderr


@pytest.mark.parametrize("url", ["http://example.com", "ftp://127.0.0.1", "nonsense"])
def test_the_token_is_not_sent_in_the_clear(run: Run, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TWILIO_API_URL", url)

    found = run("twilio", "route")

    assert found.exit_code == 2
    assert "TWILIO_API_URL" in found.stderr


def test_a_run_that_has_ended_has_nothing_left(run: Run, double: TwilioDouble, tmp_path: Path) -> None:
    """What moto's account did not store stays for the next run to find; an ended one proves what it can."""
    receive(double)
    run("twilio", "reconcile", "--publish-missing", "--yes", "--wait", "0s")
    (journal,) = (tmp_path / "state").rglob("*-reconcile-*.jsonl")
    with journal.open("a") as file:
        last = json.loads(journal.read_text().splitlines()[1])
        entry = {"at": last["at"], "event": "proof", "fate": "completed"}
        file.write(json.dumps({**entry, "queue_message_id": last["queue_message_id"]}) + "\n")
        file.write(json.dumps({"at": last["at"], "event": "finished", "counts": {}}) + "\n")

    found = run("runs", "resume", journal.stem)

    assert found.exit_code == 0
    assert "nothing left to do" in found.stderr


def put(double: TwilioDouble, **changes: str) -> str:
    """Let one message come in that no webhook ever gets."""
    params = sample_params(
        Sample.TEXT, **{"From": SENDER, "To": NUMBER, "AccountSid": ACCOUNT_SID, **changes}
    )
    double.receive(params, at=double.clock() - timedelta(hours=2), deliver=False)
    return params["MessageSid"]


def test_a_redacted_message_is_lost_and_published_only_with_allow_partial(
    run: Run, double: TwilioDouble, staging: Staging
) -> None:
    receive(double)
    sid = put(double, Body="", From="+1500555XXXX")

    looked = run("twilio", "reconcile", "--exit-code", "-o", "json")
    whole = run(*PUBLISH)
    part = run(*PUBLISH, "--allow-partial", "-o", "json")

    assert looked.exit_code == 3
    assert (looked.document["reconciled"]["missing"], looked.document["reconciled"]["lost_at_twilio"]) == (
        1,
        1,
    )
    by_verdict = {each["verdict"]: each for each in looked.document["messages"]}
    assert by_verdict["lost_at_twilio"]["message_sid"] == sid
    assert by_verdict["lost_at_twilio"]["why"] == "redacted at Twilio: a number is masked"
    assert "1 lost: redacted at Twilio, or they may be, and the table does not have them" in whole.stdout
    assert "Publish 1 missing message" in whole.stderr
    assert "1 lost at Twilio is not published. --allow-partial publishes what is left of them" in whole.stderr
    assert "a full copy that arrives later will be skipped" in part.stderr
    assert part.document["recovered"]["partial"] == 1
    published = [each["body"]["params"] for each in staging.messages()]
    assert [each["From"] for each in published].count("") == 1


def test_where_all_is_lost_at_twilio_nothing_is_published_and_that_is_found(
    run: Run, double: TwilioDouble, staging: Staging, tmp_path: Path
) -> None:
    add_number(double, NUMBER, sms_url=OUTPUTS["WebhookUrl"])
    put(double, Body="")

    found = run(*PUBLISH, "--exit-code")

    assert found.exit_code == 3
    assert "There is nothing to publish." in found.stderr
    assert staging.messages() == []
    assert not list((tmp_path / "state").rglob("*.jsonl"))


def test_a_message_to_another_systems_number_is_not_counted_and_not_published(
    run: Run, double: TwilioDouble, staging: Staging
) -> None:
    sid = add_number(double, NUMBER, sms_url="https://crm.example/sms")
    receive(double)

    looked = run("twilio", "reconcile", "--exit-code", "-o", "json")
    table = run(*PUBLISH, "--allow-partial", "--even-if-queued", "--exit-code")

    assert (looked.exit_code, table.exit_code) == (0, 0)
    assert looked.document["reconciled"]["missing"] == 0
    assert looked.document["reconciled"]["not_routed_here"] == 1
    (message,) = looked.document["messages"]
    assert message["verdict"] == "not_routed_here"
    assert message["why"] == f"number {sid} delivers to crm.example"
    assert "1 to numbers that do not deliver here: not counted as missing, never published" in table.stdout
    assert staging.messages() == []


def test_a_route_that_twilio_does_not_tell_is_unknown_and_nothing_is_published(
    run: Run, double: TwilioDouble, staging: Staging
) -> None:
    receive(double)
    double.faults.plan(
        PlannedFault(fault=Fault.REFUSE, matching="IncomingPhoneNumbers", status=403, code=20003, times=99)
    )

    found = run(*PUBLISH, "--exit-code", "-o", "json")

    assert found.exit_code == 0
    assert (found.document["reconciled"]["missing"], found.document["reconciled"]["route_unknown"]) == (0, 1)
    assert found.document["messages"][0]["why"].startswith("the numbers' routes could not be read: ")
    assert staging.messages() == []


def test_a_resumed_run_publishes_parts_only_when_it_was_asked_to(
    run: Run, double: TwilioDouble, staging: Staging
) -> None:
    add_number(double, NUMBER, sms_url=OUTPUTS["WebhookUrl"])
    put(double, Body="")
    run(*PUBLISH, "--allow-partial")
    (record,) = run("runs", "list", "-o", "json").document["runs"]

    assert record["parameters"]["allow_partial"] is True
    assert len(staging.messages()) == 1


@pytest.mark.parametrize("off", [timedelta(minutes=-10), timedelta(days=3), timedelta(days=-3)], ids=str)
def test_what_is_missing_is_judged_by_aws_s_clock_and_not_by_this_machine_s(
    double: TwilioDouble, capsys: pytest.CaptureFixture[str], off: timedelta
) -> None:
    (old,) = receive(double)
    young = sample_params(Sample.TEXT, From=SENDER, To=NUMBER, AccountSid=ACCOUNT_SID)
    double.receive(young, at=double.clock() - timedelta(minutes=1), deliver=False)

    main(["twilio", "reconcile", "-o", "json"], machine=lambda: datetime.now(UTC) + off)

    found = json.loads(capsys.readouterr().out)
    assert [each["message_sid"] for each in found["messages"]] == [old]
