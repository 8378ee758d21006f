"""`b2bpilot subscribers` and `subscribers test`, against moto's AWS."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.cli.subscribers.subscription_view import row
from b2bpilot.errors import AwsDenied
from b2bpilot.ops.subscribers.activity import FailedRuns
from b2bpilot.ops.subscribers.discovery import SubscriberKind
from tests.aws_clients import client
from tests.cli.conftest import ACCOUNT, OUTPUTS, REGION, Run, Staging, admit_sns
from tests.cli.golden_scenes import a_report, a_subscription

PROCESSOR = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{OUTPUTS['ProcessorFunctionName']}"
ENV = ("-e", "staging")


@pytest.fixture
def queue(staging: Staging) -> str:
    """The environment's dead-letter queue, which lets SNS in; its ARN."""
    url = client("sqs").create_queue(QueueName="b2b-pilot-dead-letters-staging")["QueueUrl"]
    admit_sns(url, staging.topic_arn)
    return OUTPUTS["DeadLetterQueueArn"]


@pytest.fixture
def processor(staging: Staging) -> str:
    """The processor's function, which lets SNS in; its name."""
    role = client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    functions = client("lambda")
    name = OUTPUTS["ProcessorFunctionName"]
    functions.create_function(
        FunctionName=name, Runtime="python3.13", Role=role, Handler="x.y", Code={"ZipFile": b"x"}
    )
    functions.add_permission(
        FunctionName=name,
        StatementId="sns",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=staging.topic_arn,
    )
    return name


def subscribe(staging: Staging, protocol: str, endpoint: str, **attributes: Any) -> str:
    texts = {name: json.dumps(value) for name, value in attributes.items()}
    return str(
        client("sns").subscribe(
            TopicArn=staging.topic_arn, Protocol=protocol, Endpoint=endpoint, Attributes=texts
        )["SubscriptionArn"]
    )


@pytest.mark.parametrize("command", [("subscribers",), ("subscribers", "test"), ("diagnose", "cost")])
def test_an_aws_that_hangs_is_told_of_in_one_line(
    command: tuple[str, ...], run: Run, aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real sockets: moto answers for AWS's own addresses only."""
    short = Timeouts(connect_seconds=0.1, read_seconds=0.1, attempts=1)
    monkeypatch.setattr("b2bpilot.aws.stack.TIMEOUTS", short)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
        result = run(*command, *ENV, "--endpoint-url", endpoint)
    assert result.exit_code == 1
    assert "error: cloudformation:DescribeStacks: no answer" in result.stderr


def only(found: list[Any], protocol: str) -> Any:
    (one,) = [one for one in found if one["protocol"] == protocol]
    return one


def test_the_processor_s_subscription_is_healthy_when_it_can_receive(
    run: Run, staging: Staging, queue: str, processor: str
) -> None:
    subscribe(staging, "lambda", PROCESSOR, RedrivePolicy={"deadLetterTargetArn": queue})
    result = run("subscribers", *ENV)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split("  ")[0] == "health"
    assert lines[2].split() == ["healthy", "processor", "function", "0", "-", "none", "everything"]
    assert lines[3].startswith("The whole topic in 24 hours: published 0, delivered 0, failed 0")


def test_the_former_name_works_the_same_and_stands_in_no_help(
    run: Run, staging: Staging, queue: str, processor: str
) -> None:
    subscribe(staging, "lambda", PROCESSOR, RedrivePolicy={"deadLetterTargetArn": queue})

    assert run("subscriptions", *ENV).stdout == run("subscribers", *ENV).stdout
    assert run("subscribers", "list", *ENV) == run("subscribers", *ENV)
    assert run("subscriptions", "test", *ENV).stdout == run("subscribers", "test", *ENV).stdout
    assert "subscriptions" not in [
        line.split()[0] for line in run("--help").stdout.splitlines() if line.strip()
    ]


def test_the_two_ways_to_the_processor_are_told_apart_and_its_dead_letters_once(
    run: Run, staging: Staging, queue: str, processor: str
) -> None:
    waiting = client("sqs").create_queue(QueueName=OUTPUTS["MessageQueueArn"].rpartition(":")[2])["QueueUrl"]
    admit_sns(waiting, staging.topic_arn)
    for protocol, endpoint in (("lambda", PROCESSOR), ("sqs", OUTPUTS["MessageQueueArn"])):
        subscribe(staging, protocol, endpoint, RedrivePolicy={"deadLetterTargetArn": queue})
    dead_letters = client("sqs").get_queue_url(QueueName=queue.rpartition(":")[2])["QueueUrl"]
    client("sqs").send_message(QueueUrl=dead_letters, MessageBody="x")

    result = run("subscribers", *ENV)

    names = [line.split("  ")[1].strip() for line in result.stdout.splitlines() if "processor" in line]
    assert names == ["processor", "processor, by its queue"]
    assert result.stderr.count("1 dead letter waits for somebody") == 1
    listed = run("subscribers", *ENV, "-o", "json").document["subscriptions"]
    assert [one["name"] for one in listed if one["processor"]] == ["processor"] * 2


@pytest.fixture
def analytics(staging: Staging) -> str:
    """A subscriber's function with its own dead-letter queue for both senders; the queue's URL."""
    url = client("sqs").create_queue(QueueName="analytics-b2b-pilot-staging-dlq")["QueueUrl"]
    admit_sns(url, staging.topic_arn)
    dead_letters = f"arn:aws:sqs:{REGION}:{ACCOUNT}:analytics-b2b-pilot-staging-dlq"
    role = client("iam").create_role(RoleName="analytics", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    function = client("lambda").create_function(
        FunctionName="analytics-b2b-pilot-staging",
        Runtime="python3.13",
        Role=role,
        Handler="x.y",
        Code={"ZipFile": b"x"},
        DeadLetterConfig={"TargetArn": dead_letters},
    )["FunctionArn"]
    client("lambda").add_permission(
        FunctionName=function,
        StatementId="sns",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=staging.topic_arn,
    )
    policies = {
        "FilterPolicy": {"test": ["false"], "priority": ["high"]},
        "RedrivePolicy": {"deadLetterTargetArn": dead_letters},
    }
    subscribe(staging, "lambda", function, **policies)
    return url


def failed(function: str, metric: str, number: int) -> None:
    dimensions = [{"Name": "FunctionName", "Value": function}]
    client("cloudwatch").put_metric_data(
        Namespace="AWS/Lambda",
        MetricData=[{"MetricName": metric, "Value": number, "Dimensions": dimensions}],
    )


def test_a_subscriber_is_told_with_what_waits_and_what_failed(
    run: Run, staging: Staging, analytics: str
) -> None:
    for _ in range(2):
        client("sqs").send_message(QueueUrl=analytics, MessageBody="x")
    failed("analytics-b2b-pilot-staging", "Errors", 3)
    failed("analytics-b2b-pilot-staging", "AsyncEventsDropped", 1)

    shown = run("subscribers", *ENV)
    found = only(run("subscribers", *ENV, "-o", "json").document["subscriptions"], "lambda")

    line = next(line for line in shown.stdout.splitlines() if " analytics " in line)
    assert [cell.strip() for cell in line.split("  ") if cell] == [
        "unhealthy",
        "analytics",
        "function",
        "2",
        "?",
        "3 failed runs, 1 event given up",
        "only real messages where priority is high",
    ]
    assert "analytics: 2 dead letters wait for somebody" in shown.stderr
    assert "b2bpilot dlq list -e staging --subscriber analytics" in shown.stderr
    assert (found["name"], found["kind"], found["processor"]) == ("analytics", "function", False)
    assert found["dead_letters"] == {"count": 2, "oldest_seconds": None, "has_queue": True, "error": None}
    assert found["failures_24h"] == {
        "failed_runs": 3,
        "given_up_events": 1,
        "unwritten_dead_letters": 0,
        "error": None,
    }


@pytest.mark.parametrize(
    ("kind", "failed", "shown"),
    [
        (SubscriberKind.FUNCTION, 0, "none"),
        (SubscriberKind.QUEUE, 0, "not counted"),
        (SubscriberKind.QUEUE, 2, "2 failed runs"),
    ],
)
def test_no_failed_run_behind_a_queue_is_no_proof(kind: SubscriberKind, failed: int, shown: str) -> None:
    """Its function names the messages that failed, and Lambda counts no error."""
    counts = {"failed_runs": failed, "given_up_events": 0, "unwritten_dead_letters": 0}
    archive = a_subscription("arn:aws:sqs:eu-west-1:123456789012:archive-b2b-pilot-prod", "sqs")
    found = a_report(archive, "archive", kind=kind, failed=FailedRuns(counts=counts))
    assert row(found, AwsAccess(region="eu-west-1")).columns["failures in 24 h"] == shown


@pytest.mark.parametrize(
    "command", [["list"], ["redrive", "--dry-run"], ["redrive", "--via", "async", "--yes"]]
)
def test_a_subscriber_without_its_queue_is_told_without_a_word_of_changes(
    run: Run, staging: Staging, analytics: str, command: list[str]
) -> None:
    client("sqs").delete_queue(QueueUrl=analytics)

    result = run("dlq", *command, "--subscriber", "analytics", *ENV)

    assert result.exit_code == 1
    assert "error: the dead-letter queue of subscriber analytics does not exist: arn:" in result.stderr
    assert "Nothing was changed" not in result.stderr
    assert "b2bpilot verify -e staging --subscriber analytics" in result.stderr


@pytest.mark.parametrize("more", [["--dry-run"], ["--yes"], ["--via", "async", "--yes"]])
def test_a_redrive_to_a_function_that_is_gone_says_so_and_what_brings_it_back(
    run: Run, staging: Staging, analytics: str, more: list[str]
) -> None:
    client("sqs").send_message(QueueUrl=analytics, MessageBody="x")
    client("lambda").delete_function(FunctionName="analytics-b2b-pilot-staging")

    result = run("dlq", "redrive", "--subscriber", "analytics", *more, *ENV)

    assert result.exit_code == 1
    assert (
        "error: function analytics-b2b-pilot-staging does not exist: the dead letters of subscriber analytics stay in the queue"
        in result.stderr
    )
    assert (
        "hint: deploy its stack again; `b2bpilot verify -e staging --subscriber analytics`" in result.stderr
    )


def test_what_cannot_be_counted_is_no_zero(run: Run, staging: Staging, analytics: str) -> None:
    client("sqs").delete_queue(QueueUrl=analytics)
    elsewhere = f"arn:aws:lambda:{REGION}:210987654321:function:billing"
    subscribe(staging, "lambda", elsewhere)

    result = run("subscribers", *ENV, "-o", "json")
    named = {one["name"]: one for one in result.document["subscriptions"]}

    assert named["analytics"]["dead_letters"]["count"] is None
    assert "does not exist" in named["analytics"]["dead_letters"]["error"]
    assert "210987654321" in named["billing"]["failures_24h"]["error"]
    assert named["billing"]["failures_24h"]["failed_runs"] is None
    assert named["witness"]["failures_24h"] == dict.fromkeys(named["billing"]["failures_24h"])
    assert named["witness"]["dead_letters"]["has_queue"] is False


IMPORT = {"Fn::ImportValue": "b2b-pilot-staging-TopicArn"}


def deploy(name: str, resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> None:
    template = {
        "Parameters": {"Environment": {"Type": "String", "Default": "staging"}},
        "Resources": resources,
        "Outputs": outputs or {},
    }
    client("cloudformation").create_stack(
        StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
    )


@pytest.fixture
def exported(staging: Staging) -> None:
    value = {"Value": staging.topic_arn, "Export": {"Name": "b2b-pilot-staging-TopicArn"}}
    deploy("exporting", {"Any": {"Type": "AWS::SQS::Queue"}}, {"TopicArn": value})


def unsubscribe(staging: Staging, queue: str) -> None:
    sns = client("sns")
    for one in sns.list_subscriptions_by_topic(TopicArn=staging.topic_arn)["Subscriptions"]:
        if one["Endpoint"].endswith(f":{queue}"):
            sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])


@pytest.mark.usefixtures("exported", "processor")
def test_who_is_missing_is_told_with_what_brings_it_back(run: Run, staging: Staging, queue: str) -> None:
    subscribe(staging, "lambda", PROCESSOR, RedrivePolicy={"deadLetterTargetArn": queue})
    unsubscribe(staging, "witness")
    name = "billing-b2b-pilot-staging"
    made = {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}}
    deploy(name, made, {"Topic": {"Value": IMPORT}})
    admit_sns(client("sqs").get_queue_url(QueueName=name)["QueueUrl"], staging.topic_arn)
    subscribe(staging, "sqs", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
    before = run("subscribers", *ENV, "-o", "json")
    unsubscribe(staging, "billing-b2b-pilot-staging")
    shown, found = run("subscribers", *ENV), run("subscribers", *ENV, "-o", "json")

    assert (before.exit_code, before.document["missing"]) == (0, [])
    assert (shown.exit_code, found.exit_code) == (1, 1)
    told = (
        "stack billing-b2b-pilot-staging imports the topic, and no subscription of the topic ends in it; "
        "put the subscription back into its template and deploy it"
    )
    assert f"billing: missing: {told}\n" in shown.stdout
    assert found.document["missing"] == [
        {"name": "billing", "stack": "billing-b2b-pilot-staging", "text": told, "commands": []}
    ]
    assert found.document["missing_unknown"] == []
    status = run("status", *ENV, "-o", "json").document["status"]
    (wrong,) = [one for one in status["wrong"] if one["kind"] == "subscriber_gets_nothing"]
    assert wrong["command"] == "b2bpilot subscribers -e staging"
    assert status["missing"] == found.document["missing"]
    assert "1, 1 missing (billing)" in run("status", *ENV).stdout


@pytest.mark.usefixtures("exported")
def test_a_stack_that_imports_the_topic_for_something_else_is_not_missing(run: Run, staging: Staging) -> None:
    topic = {"Value": IMPORT}
    deploy("publisher", {"Queue": {"Type": "AWS::SQS::Queue"}}, {"Topic": topic})
    deploy("dashboards-b2b-pilot-dev", {"Queue": {"Type": "AWS::SQS::Queue"}}, {"Topic": topic})
    deploy("analytics-b2b-pilot-staging", {"Queue": {"Type": "AWS::SQS::Queue"}}, {"Topic": topic})

    found = run("subscribers", *ENV, "-o", "json").document["missing"]

    assert [one["name"] for one in found] == ["analytics"]


def test_who_is_missing_is_unknown_where_nobody_may_ask(
    run: Run, staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise AwsDenied("AWS denied cloudformation:ListImports", action="cloudformation:ListImports")

    monkeypatch.setattr("b2bpilot.ops.subscribers.missing.importers", denied)
    monkeypatch.setattr("b2bpilot.ops.status.subscribers.importing_stacks", denied)
    result = run("subscribers", *ENV)
    assert "Unknown who is missing: AWS denied cloudformation:ListImports" in result.stdout
    assert "No answer: who is missing: AWS denied cloudformation:ListImports" in run("status", *ENV).stdout
    assert run("status", *ENV, "-o", "json").document["status"]["missing"] is None


def test_a_filter_that_lets_nothing_through_is_no_healthy_subscriber_s(run: Run, staging: Staging) -> None:
    arn = subscribe(staging, "https", "https://crm.example.com/", FilterPolicy={"priority": ["hihg"]})
    found = only(run("subscribers", *ENV, "-o", "json").document["subscriptions"], "https")

    assert found["verdict"] == "unhealthy"
    (problem,) = [one for one in found["problems"] if "filter policy" in one["text"]]
    assert "no message that b2bpilot publishes passes it" in problem["text"]
    assert problem["command"] == f"b2bpilot verify -e staging --subscriber {arn}"
    assert (
        "its filter policy lets no message through that b2bpilot publishes"
        in run("subscribers", "--coverage", *ENV).stderr
    )
    wrong = run("status", *ENV, "-o", "json").document["status"]["wrong"]
    (told,) = [one for one in wrong if one["kind"] == "subscriber_gets_nothing"]
    assert "no message that b2bpilot publishes passes it" in told["text"]


def test_coverage_finds_the_corner_that_a_filter_drops(run: Run, staging: Staging) -> None:
    arn = subscribe(staging, "lambda", PROCESSOR)
    whole = run("subscribers", "--coverage", *ENV)
    client("sns").set_subscription_attributes(
        SubscriptionArn=arn,
        AttributeName="FilterPolicy",
        AttributeValue=json.dumps({"$or": [{"priority": ["normal"]}, {"source": ["twilio"]}]}),
    )
    shown, found = (run("subscribers", "list", "--coverage", *ENV, *form) for form in ((), ("-o", "json")))

    assert (whole.exit_code, whole.stderr) == (0, "")
    assert whole.stdout.splitlines()[1].split()[:3] == ["82", "processor,", "witness"]
    assert (shown.exit_code, found.exit_code) == (1, 1)
    assert "32" in shown.stdout.splitlines()[1].split()
    assert "The processor misses 32 of 82 kinds of message" in shown.stderr
    missed = [one for one in found.document["kinds"] if one["receives"]["processor"] is False]
    assert (len(found.document["kinds"]), len(missed)) == (82, 32)
    assert all(one["receives"]["witness"] for one in missed)
    assert run("subscribers", "--coverage", "test", *ENV).exit_code == 2


KEY = {"KmsMasterKeyId": "alias/aws/sqs"}
REFUSES = "is encrypted with alias/aws/sqs, which SNS may not use"


@pytest.mark.parametrize(
    ("change", "told", "kind"),
    [
        (None, "", None),
        (("billing", KEY), f"billing {REFUSES}", "subscriber_gets_nothing"),
        (("billing", {"Policy": ""}), "does not let SNS send to it", "subscriber_gets_nothing"),
        (("billing-dlq", KEY), f"billing-dlq {REFUSES}: what SNS cannot", "subscriber_loses"),
        (("billing-dlq", {"Policy": ""}), "billing-dlq does not let SNS send to it", "subscriber_loses"),
    ],
)
def test_who_can_receive_is_judged_alike_by_subscribers_and_status(
    run: Run, staging: Staging, change: tuple[str, dict[str, str]] | None, told: str, kind: str | None
) -> None:
    """`verify` judges by the same: tests/local/test_verify_subscribers.py."""
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}"
    urls = {one: client("sqs").create_queue(QueueName=one)["QueueUrl"] for one in ("billing", "billing-dlq")}
    for url in urls.values():
        admit_sns(url, staging.topic_arn)
    subscribe(staging, "sqs", f"{arn}:billing", RedrivePolicy={"deadLetterTargetArn": f"{arn}:billing-dlq"})
    if change:
        client("sqs").set_queue_attributes(QueueUrl=urls[change[0]], Attributes=change[1])

    listed = run("subscribers", *ENV, "-o", "json").document["subscriptions"]
    status = run("status", *ENV, "--timeout", "60s", "-o", "json").document["status"]

    (one,) = [one for one in listed if one["name"] == "billing"]
    (state,) = [one for one in status["subscribers"] if one["name"] == "billing"]
    assert (one["verdict"] == "unhealthy", state["problem"] is not None) == (bool(told),) * 2
    assert told in str(one["problems"])
    assert told in str(state["problem"])
    wrong = [one["kind"] for one in status["wrong"] if "billing" in one["text"]]
    assert wrong == ([kind] if kind else [])


def test_without_the_processor_s_subscription_the_exit_code_is_1(run: Run, staging: Staging) -> None:
    result = run("subscribers", *ENV)
    assert result.exit_code == 1
    assert "No subscriber is b2b-pilot-background-processor-staging" in result.stderr


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({}, ("it has no redrive policy", "--attribute-name RedrivePolicy")),
        (
            {"RedrivePolicy": {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:123456789012:gone"}},
            ("gone does not exist", None),
        ),
        (
            {"FilterPolicy": {"source": ["twilio"]}},
            (
                "its filter policy rejects 60 of 82 kinds of message, such as a text message from stale: source is",
                "--attribute-name FilterPolicy",
            ),
        ),
    ],
)
def test_what_makes_the_processor_s_subscription_unhealthy_is_said(
    attributes: dict[str, Any], said: tuple[str, str | None], run: Run, staging: Staging, processor: str
) -> None:
    text, command = said
    subscribe(staging, "lambda", PROCESSOR, **attributes)
    result = run("subscribers", *ENV, "-o", "json")
    assert result.exit_code == 1
    found = only(result.document["subscriptions"], "lambda")
    assert found["verdict"] == "unhealthy"
    problem = next(one for one in found["problems"] if text in one["text"])
    assert command is None or command in problem["command"]


@pytest.mark.parametrize(
    ("policy", "doubt"),
    [
        (
            {"message_id": [{"prefix": "0"}]},
            "is not provable: it looks at message_id",
        ),
        ({"source": ["twilio", "stale", "reconcile", "cli"]}, "rejects a message without attributes"),
    ],
)
def test_a_filter_policy_that_is_not_proven_to_let_all_through_is_no_healthy_one(
    policy: dict[str, Any], doubt: str, run: Run, staging: Staging, queue: str
) -> None:
    attributes = {"RedrivePolicy": {"deadLetterTargetArn": queue}, "FilterPolicy": policy}
    subscribe(staging, "lambda", PROCESSOR, **attributes)
    result = run("subscribers", *ENV, "-o", "json")
    found = only(result.document["subscriptions"], "lambda")
    assert not any("filter policy" in one["text"] for one in found["problems"])
    assert f"its filter policy {doubt}" in found["doubts"][0]["text"]


def test_a_function_that_does_not_let_sns_in_is_unhealthy_with_the_command(
    run: Run, staging: Staging, queue: str, processor: str
) -> None:
    client("lambda").remove_permission(FunctionName=processor, StatementId="sns")
    subscribe(staging, "lambda", PROCESSOR, RedrivePolicy={"deadLetterTargetArn": queue})
    result = run("subscribers", *ENV)
    assert result.exit_code == 1
    assert "the function's policy does not let SNS invoke it from this topic" in result.stderr
    assert f"aws --region {REGION} lambda add-permission --function-name {PROCESSOR}" in result.stderr


def test_a_function_that_is_gone_is_told_from_one_without_permission(run: Run, staging: Staging) -> None:
    subscribe(staging, "lambda", PROCESSOR)
    result = run("subscribers", *ENV, "-o", "json")
    assert only(result.document["subscriptions"], "lambda")["permission"] == "endpoint gone"


def test_a_person_s_number_is_masked(run: Run, staging: Staging) -> None:
    subscribe(staging, "sms", "+15005550006")
    for form in ("table", "json"):
        result = run("subscribers", *ENV, "-o", form)
        assert "+1500***0006" in result.stdout
        assert "5005550006" not in result.stdout + result.stderr


def test_a_message_is_held_against_each_filter_policy(run: Run, staging: Staging) -> None:
    subscribe(staging, "lambda", PROCESSOR, FilterPolicy={"source": ["stale"], "test": ["false"]})
    result = run("subscribers", "test", *ENV, "--param", "Body=hello", "-o", "json")
    assert result.exit_code == 0
    rejecting = only(result.document["subscriptions"], "lambda")
    assert rejecting["delivers"] is False
    assert rejecting["keys"] == [{"key": "source", "found": '"twilio"', "wanted": '["stale"]'}]
    assert only(result.document["subscriptions"], "sqs")["delivers"] is True
    assert "would reach 1 of 2 subscribers" in result.stderr


def test_attributes_on_the_line_replace_the_message_s_own(run: Run, staging: Staging) -> None:
    subscribe(
        staging, "lambda", PROCESSOR, FilterPolicy={"source": ["stale"], "size": [{"numeric": [">", 5]}]}
    )
    line = ("subscribers", "test", *ENV, "--attribute", "source=stale")
    assert "size is absent" in run(*line).stdout
    assert "yes" in run(*line, "--attribute", "size:Number=7").stdout.splitlines()[2]


def test_a_policy_on_the_body_sees_the_message_as_it_is_published(
    run: Run, staging: Staging, tmp_path: Any
) -> None:
    policy = {"params": {"From": [{"prefix": "+1500"}]}, "test": [False]}
    arn = subscribe(staging, "lambda", PROCESSOR)
    for name, value in (("FilterPolicyScope", "MessageBody"), ("FilterPolicy", json.dumps(policy))):
        client("sns").set_subscription_attributes(
            SubscriptionArn=arn, AttributeName=name, AttributeValue=value
        )
    line = ("subscribers", "test", *ENV)
    assert "test is true, wanted [false]" in run(*line, "--param", "From=+15005550006", "--test").stdout
    rejected = run(*line, "--param", "From=+442071838750")
    assert 'params.From is "+4420***8750", wanted' in rejected.stdout
    assert "+442071838750" in run(*line, "--param", "From=+442071838750", "--reveal").stdout
    run("publish", *ENV, "--from", "+15005550006", "--to", "+15005550001", "--body", "x", "--real", "--yes")
    published = tmp_path / "message.json"
    published.write_text(json.dumps(staging.messages()[0]["body"]), encoding="utf-8")
    assert "yes" in run(*line, "--file", str(published)).stdout.splitlines()[2]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--attribute", "source"], "is not KEY=VALUE"),
        (["--attribute", "size:Numbre=1"], "no attribute type 'Numbre'"),
        (["--attribute", "size:Number=many"], "'many' is no Number"),
        (["--attribute", "size="], "without a name or a value"),
        (["--param", "Bdoy=x"], "did you mean Body?"),
        (["--file", "missing.json"], "cannot be read"),
        (["--file", "missing.json", "--test"], "--file is the whole message"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments: list[str], text: str, run: Run, staging: Staging) -> None:
    result = run("subscribers", "test", *ENV, *arguments)
    assert result.exit_code == 2
    assert text in result.stderr
    assert result.stdout == ""


def test_what_completion_remembers_is_no_address_and_no_url(
    run: Run, staging: Staging, analytics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path))
    subscribe(staging, "email", "ada@example.com")
    subscribe(staging, "https", "https://example.com/hook?token=hunter2")

    assert run("dlq", "list", *ENV, "--all", "--limit", "1").exit_code in (0, 1, 4)

    remembered = (tmp_path / "completion" / "subscribers-staging.json").read_text()
    assert sorted(json.loads(remembered)) == ["analytics", "witness"]
    assert not {"ada", "example", "hunter2"} & set(re.split(r"\W+", remembered))
