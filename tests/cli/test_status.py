"""`b2bpilot status` against moto's AWS, where some sources cannot answer."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO, TextIOWrapper

import pytest

from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.stack import describe
from b2bpilot.cli.output import Line, Output, Tone
from b2bpilot.ops.verify.alarm_table import alarms_of
from tests.aws_clients import client
from tests.cli.conftest import Run, Staging, admit_sns
from tests.clock import StillClock

ENV = ("-e", "staging", "--timeout", "60s")
"""A source that answers may be slow on a busy machine; the last --timeout of a command line counts."""


@pytest.fixture
def queue(staging: Staging) -> str:
    """The environment's dead-letter queue, its processor subscribed to its topic; the queue's URL."""
    subscribe(staging)
    return str(client("sqs").create_queue(QueueName="b2b-pilot-dead-letters-staging")["QueueUrl"])


def subscribe(staging: Staging) -> str:
    endpoint = "arn:aws:lambda:eu-west-1:123456789012:function:b2b-pilot-background-processor-staging"
    arn = client("sns").subscribe(TopicArn=staging.topic_arn, Protocol="lambda", Endpoint=endpoint)
    return str(arn["SubscriptionArn"])


def put(namespace: str, name: str, value: float, *, at: datetime | None = None, **dimensions: str) -> None:
    named = [{"Name": key, "Value": text} for key, text in dimensions.items()]
    datum = {"MetricName": name, "Value": value, "Dimensions": named} | ({"Timestamp": at} if at else {})
    client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[datum])


def line_of(stdout: str, name: str) -> str:
    return next(line for line in stdout.splitlines() if line.startswith(name))


def test_a_source_that_cannot_be_asked_is_named_in_its_place(run: Run, queue: str) -> None:
    result = run("status", *ENV)
    assert result.exit_code == 0
    assert "No answer: the redriver's mapping: lambda:GetEventSourceMapping failed" in result.stdout
    assert line_of(result.stdout, "redriver").startswith("redriver      unknown: lambda:GetEventSource")
    assert line_of(result.stdout, "in flight") == "in flight     none lately, limit unknown"
    assert "No problems in the sources that answered." in result.stdout


def test_other_subscribers_are_one_row_with_who_is_unhealthy(run: Run, staging: Staging, queue: str) -> None:
    """The witness has no dead-letter queue: nothing waits for it. What nobody may look at is no zero."""
    subscribe(staging)
    waiting = client("sqs").create_queue(QueueName="billing-b2b-pilot-staging-dlq")["QueueUrl"]
    for _ in range(12):
        client("sqs").send_message(QueueUrl=waiting, MessageBody="x")
    here = client("sqs").create_queue(QueueName="billing-b2b-pilot-staging")["QueueUrl"]
    for url in (waiting, here):
        admit_sns(url, staging.topic_arn)
    for name, dead_letters in (("billing", "billing-b2b-pilot-staging-dlq"), ("crm", "gone")):
        policy = {"deadLetterTargetArn": f"arn:aws:sqs:eu-west-1:123456789012:{dead_letters}"}
        client("sns").subscribe(
            TopicArn=staging.topic_arn,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:eu-west-1:123456789012:{name}-b2b-pilot-staging",
            Attributes={"RedrivePolicy": json.dumps(policy)},
        )
    result = run("status", *ENV, "--exit-code")
    document = run("status", *ENV, "-o", "json").document["status"]
    found = document["subscribers"]
    assert result.exit_code == 3
    arn = "arn:aws:sqs:eu-west-1:123456789012"
    gone = (
        f"crm: {arn}:crm-b2b-pilot-staging does not exist, its dead-letter queue {arn}:gone does not exist: "
        "what SNS cannot deliver is lost"
    )
    assert [(one["gravity"], one["text"], one["command"]) for one in document["wrong"]] == [
        ("stopped", f"subscriber {gone}", "b2bpilot subscribers -e staging"),
        (
            "waiting",
            "subscriber billing: 12 dead letters",
            "b2bpilot dlq list -e staging --subscriber billing",
        ),
    ]
    named = {one["name"]: one for one in found}

    assert line_of(result.stdout, "subscribers") == (
        f"subscribers   4, 2 unhealthy (billing: 12 dead letters; {gone})"
    )
    assert sorted(named) == ["billing", "crm", "witness"]
    assert named["billing"]["dead_letters"] == 12
    assert (named["crm"]["dead_letters"], named["witness"]["dead_letters"]) == (None, None)
    assert "gone does not exist" in named["crm"]["doubt"]


def test_without_the_database_the_latency_is_unknown_and_not_said_to_be_none(run: Run, queue: str) -> None:
    result = run("status", *ENV, "--database-url", "postgresql://me@127.0.0.1:9/none")
    assert line_of(result.stdout, "latency").startswith("latency       unknown: ")
    assert line_of(result.stdout, "no lease").startswith("no lease      unknown: ")
    assert "nothing was stored recently" not in result.stdout


def test_what_is_unknown_is_null_for_programs(run: Run, queue: str) -> None:
    status = run("status", *ENV, "-o", "json").document["status"]
    assert (status["redriver"], status["reserved_concurrency"]) == (None, None)
    unanswered = {one["source"] for one in status["unanswered"]}
    assert unanswered == {
        "the redriver's mapping",
        "the processor's reserved concurrency",
        "the message queue",
    }
    assert (status["dead_letters"]["depth"], status["rows"]["by_status"], status["alarms"]) == (0, {}, [])


def test_the_numbers_are_those_of_cloudwatch_the_queue_and_the_table(run: Run, queue: str) -> None:
    topic = {"TopicName": "b2b-pilot-messages-staging"}
    put("AWS/SNS", "NumberOfMessagesPublished", 1_204, **topic)
    put("B2BPilot/staging", "MessagesStored", 1_190)
    client("sqs").send_message(QueueUrl=queue, MessageBody="x")
    stdout = run("status", *ENV, "--window", "1h").stdout
    assert line_of(stdout, "published").startswith("published     1,204 ")
    assert line_of(stdout, "stored").split()[:2] == ["stored", "1,190"]
    assert line_of(stdout, "dead letters").startswith("dead letters  1; the oldest ")
    first, command = stdout.splitlines()[2:4]
    assert first.startswith("1. 1 dead letter in the queue (last ")
    assert command == "   b2bpilot dlq list -e staging"


def test_of_dead_letters_that_somebody_else_holds_nothing_is_counted_as_seen(run: Run, queue: str) -> None:
    client("sqs").send_message(QueueUrl=queue, MessageBody="{}")
    client("sqs").receive_message(QueueUrl=queue, VisibilityTimeout=600)
    line = line_of(run("status", *ENV).stdout, "dead letters")
    assert line == "dead letters  about 1, 1 of them in flight; none was seen, so their age is unknown"


def test_a_topic_without_the_processor_is_the_first_thing_that_is_wrong(run: Run, staging: Staging) -> None:
    url = client("sqs").create_queue(QueueName="b2b-pilot-dead-letters-staging")["QueueUrl"]
    client("sqs").send_message(QueueUrl=url, MessageBody="x")
    found = run("status", *ENV)

    assert found.stdout.splitlines()[2].startswith("1. The processor is not subscribed to the topic")
    assert found.stdout.splitlines()[3] == "   b2bpilot verify -e staging --only topic"
    assert run("status", *ENV, "-o", "json").document["status"]["processor_subscribed"] is False


def test_with_exit_code_it_ends_with_3_for_what_is_wrong_or_unknown(run: Run, queue: str) -> None:
    assert run("status", *ENV, "--exit-code").exit_code == 3


def test_an_unreachable_database_is_a_numbered_finding_in_every_form(run: Run, queue: str) -> None:
    away = (*ENV, "--database-url", "postgresql://me@127.0.0.1:9/none")
    shown = run("status", *away, "--exit-code")
    assert shown.exit_code == 3
    assert shown.stdout.splitlines()[2].startswith("1. The database cannot be read from this machine: ")
    assert shown.stdout.count("127.0.0.1:9") == 1
    (wrong,) = run("status", *away, "-o", "json").document["status"]["wrong"]
    assert (wrong["kind"], wrong["command"]) == (
        "database_unreadable",
        'b2bpilot verify -e staging --database-url "${B2BPILOT_DATABASE_URL:?export it first}" --only database',
    )
    assert wrong["last_seen"] == wrong["last_seen_until"]


def test_what_is_over_stands_under_earlier_and_does_not_count_for_the_exit_code(run: Run, queue: str) -> None:
    topic = {"TopicName": "b2b-pilot-messages-staging"}
    put("AWS/SNS", "NumberOfNotificationsFailed", 2, at=datetime.now(UTC) - timedelta(hours=1), **topic)
    put("AWS/SNS", "NumberOfNotificationsDelivered", 5, **topic)
    shown = run("status", *ENV).stdout
    lines = shown.splitlines()
    place = lines.index("Earlier: seen in this period, but not recently")
    assert lines[place + 1].startswith("1. 2 deliveries that failed, to the processor or another subscriber")
    assert "; 5 delivered since (last seen between " in lines[place + 1]
    assert lines[place + 2] == "   b2bpilot subscribers -e staging"
    document = run("status", *ENV, "-o", "json").document["status"]
    assert (document["wrong"], [one["kind"] for one in document["earlier"]]) == ([], ["not_delivered"])


def test_another_environment_s_alarms_are_not_shown(run: Run, queue: str) -> None:
    for name, watched in (
        ("b2b-pilot-dlq-staging", "b2b-pilot-dead-letters-staging"),
        ("b2b-pilot-x-eu-staging", "x"),
    ):
        client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/SQS",
            MetricName="NumberOfMessagesSent",
            Dimensions=[{"Name": "QueueName", "Value": watched}],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            Threshold=1.0,
        )
        client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    stdout = run("status", *ENV).stdout
    assert line_of(stdout, "alarms").startswith("alarms        1 of 1 on: dlq (")
    assert "1 alarm is on: dlq" in stdout


def test_the_alarm_of_an_empty_queue_is_shown_and_is_nothing_wrong(run: Run, queue: str) -> None:
    """It outlasts the dead letters by 40 minutes: the queue's counters decide."""
    client("cloudwatch").put_metric_alarm(
        AlarmName="b2b-pilot-dlq-staging",
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": "b2b-pilot-dead-letters-staging"}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=40,
        DatapointsToAlarm=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Threshold=1.0,
    )
    client("cloudwatch").set_alarm_state(
        AlarmName="b2b-pilot-dlq-staging", StateValue="ALARM", StateReason="test"
    )
    shown = run("status", *ENV).stdout
    assert ", the queue is empty now" in line_of(shown, "alarms")
    assert "alarm is on" not in shown
    client("sqs").send_message(QueueUrl=queue, MessageBody="{}")
    shown = run("status", *ENV).stdout
    assert "the queue is empty now" not in shown
    assert "1 alarm is on: dlq" in shown


def test_an_alarm_that_is_missing_is_named(run: Run, queue: str) -> None:
    stack = describe("staging", AwsAccess(region="eu-west-1"))
    first, *others = alarms_of(stack)
    for definition in others:
        client("cloudwatch").put_metric_alarm(
            AlarmName=definition.full_name(stack),
            Namespace=definition.full_namespace(stack),
            MetricName=definition.metric,
            Dimensions=[{"Name": k, "Value": v} for k, v in definition.dimensions(stack).items()],
            Statistic=definition.statistic,
            Period=definition.period_seconds,
            EvaluationPeriods=definition.periods,
            ComparisonOperator=definition.comparison,
            Threshold=float(definition.threshold),
        )
    line = line_of(run("status", *ENV).stdout, "alarms")
    assert line == f"alarms        0 of {len(others)} on; 1 missing: {first.name}"


@pytest.fixture
def hole() -> Iterator[str]:
    """An endpoint that accepts connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"postgresql://user:secretpassword@127.0.0.1:{listening.getsockname()[1]}/b2b"


def test_a_source_that_hangs_is_given_up_without_its_password(run: Run, queue: str, hole: str) -> None:
    """Four seconds, because a busy machine needs its time for the sources that do answer."""
    result = run("status", *ENV, "--database-url", hole, "--timeout", "4s")
    assert result.exit_code == 0
    assert line_of(result.stdout, "rows") == "rows          unknown: see 1"
    told = "The database cannot be read from this machine: no answer within 4 s"
    assert f"1. {told} (now)\n" in result.stdout
    unread = [line for line in result.stdout.splitlines() if "no answer" in line and "atabase" in line]
    assert unread == [f"1. {told} (now)"]
    assert "secretpassword" not in result.stdout + result.stderr


def test_an_aws_that_hangs_ends_the_command_in_time(run: Run, aws: None, hole: str) -> None:
    """Real sockets: moto answers for AWS's own addresses only."""
    endpoint = f"http://{hole.rpartition('@')[2].partition('/')[0]}"
    result = run("status", *ENV, "--endpoint-url", endpoint, "--timeout", "500ms")
    assert result.exit_code == 1
    assert "the stack's outputs: no answer within 0.5 s" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--window", "1m"], "not between 5 minutes and 14 days"),
        (["--watch", "--interval", "10ms"], "shorter than a second"),
        (["--watch", "--exit-code"], "cannot be used with --watch"),
        (["--watch", "-o", "json"], "use -o jsonl"),
        (["--timeout", "soon"], "is not a duration"),
    ],
)
def test_options_that_cannot_be_used_are_refused(
    arguments: list[str], text: str, run: Run, staging: Staging
) -> None:
    result = run("status", *ENV, *arguments)
    assert result.exit_code == 2
    assert text in result.stderr + result.stdout


def test_watching_prints_one_reading_below_the_other_and_ends_with_0_at_ctrl_c(
    run: Run, queue: str, clock: StillClock
) -> None:
    interrupt_after(2, clock)
    result = run("status", *ENV, "--watch", "--interval", "1s")
    assert result.exit_code == 0
    assert result.stdout.count("environment staging") == 2
    assert "\x1b" not in result.stdout


def test_watching_gives_a_program_one_line_a_reading(run: Run, queue: str, clock: StillClock) -> None:
    interrupt_after(2, clock)
    lines = run("status", *ENV, "--watch", "--interval", "1s", "-o", "jsonl").lines
    assert [line["status"]["environment"] for line in lines] == ["staging", "staging"]
    assert {line["schema_version"] for line in lines} == {1}


def interrupt_after(readings: int, clock: StillClock) -> None:
    """Press Ctrl-C while the command waits for its next reading."""
    clock.at[readings] = lambda: signal.raise_signal(signal.SIGINT)


def test_sparklines_are_ascii_where_stdout_knows_no_more() -> None:
    ascii_only = TextIOWrapper(BytesIO(), encoding="ascii")
    assert not Output(stdout=ascii_only, stderr=ascii_only).can_show("▁")


def test_lines_are_shown_without_what_moves_a_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Output(stdout=sys.stdout, stderr=sys.stderr).lines([Line("a\x1b[2Jb", Tone.HEADING)])
    assert capsys.readouterr().out == "a\\u001b[2Jb\n"
