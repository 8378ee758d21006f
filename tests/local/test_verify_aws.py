"""`verify` finds what is wrong with a deployment, says it with one code, and prints the command that fixes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.aws.mappings import EventSourceMapping
from b2bpilot.ops.verify.check import Status
from b2bpilot.pipeline.remote_run import RemoteRun
from tests.breaking import breaks
from tests.local.conftest import machine
from tests.local.verify_breakages import BREAKAGES, Breakage
from tests.local.verify_stage import LOOKED_AT, OF_AWS, Stage, opened


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """An environment of this module's own: others leave dead letters and failures behind."""
    folder = tmp_path_factory.mktemp("verify")
    with machine(folder / "home") as environment:
        yield opened(environment.access)


@breaks("B2B088")
def test_a_fresh_environment_is_whole_but_nobody_hears_its_alarms(stage: Stage) -> None:
    assert stage.before == {"B2B088"}


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda one: f"{one.code}-{one.what.replace(' ', '-')}")
def test_a_breakage_is_found_by_its_own_code_and_fixed_by_the_printed_command(
    stage: Stage, breakage: Breakage
) -> None:
    breakage.do(stage)
    red = stage.red()
    assert list(red) == [breakage.code], {code: one.seen for code, one in red.items()}
    fix = red[breakage.code].fix
    if breakage.fixed:
        assert fix
        stage.run(fix)
        assert stage.one(breakage.code).status is Status.OK
    breakage.after(stage)


def test_after_all_that_was_broken_and_fixed_the_environment_is_whole(stage: Stage) -> None:
    assert stage.red() == {}


@breaks("B2B020", "B2B030", "B2B040", "B2B060", "B2B070")
@pytest.mark.parametrize(
    ("code", "output", "name"),
    [
        ("B2B020", "webhook_function_name", "gone"),
        ("B2B030", "topic_arn", "arn:aws:sns:us-east-1:000000000001:gone"),
        ("B2B040", "processor_function_name", "gone"),
        ("B2B060", "dead_letter_queue_url", "http://127.0.0.1/000000000001/gone"),
        ("B2B070", "stale_function_name", "gone"),
    ],
)
def test_where_something_is_gone_nothing_more_is_asked_of_it(
    stage: Stage, code: str, output: str, name: str
) -> None:
    found = stage.look(**{output: name})
    assert (found[code].status, found[code].fix) == (Status.FAILED, None)
    assert {one.status for one in found.values() if code in one.check.needs} == {Status.SKIPPED}


@breaks("B2B029", "B2B038", "B2B039", "B2B055", "B2B056", "B2B057", "B2B058", "B2B059", "B2B125")
@pytest.mark.parametrize(
    ("code", "namespace", "metric", "value"),
    [
        ("B2B029", "AWS/ApiGateway", "5xx", 1),
        ("B2B038", "AWS/SNS", "NumberOfNotificationsFailed", 1),
        ("B2B038", "AWS/SNS", "NumberOfNotificationsFilteredOut", 1),
        ("B2B039", "AWS/SNS", "NumberOfNotificationsFailedToRedriveToDlq", 1),
        ("B2B055", "AWS/Lambda", "AsyncEventsDropped", 1),
        ("B2B056", "AWS/Lambda", "DeadLetterErrors", 1),
        ("B2B057", "AWS/Lambda", "Errors", 1),
        ("B2B058", "AWS/Lambda", "Throttles", 1),
        ("B2B059", "AWS/Lambda", "AsyncEventAge", 700_000),
        ("B2B125", "B2BPilot/local", "StatusCallbacks", 1),
    ],
)
def test_what_cloudwatch_counted_in_the_last_day_is_found(
    stage: Stage, code: str, namespace: str, metric: str, value: float
) -> None:
    """At times of its own: what was counted cannot be taken back."""
    then = datetime.now(UTC) - stage.apart()
    stage.count(namespace, metric, value, at=then)
    assert stage.one(code, now=then + timedelta(minutes=20)).status is stage.worst(code)
    assert stage.one(code, now=then - timedelta(hours=1)).status is Status.OK


@breaks("B2B064")
def test_a_dead_letter_that_sqs_is_about_to_delete_is_found_however_often_it_was_received(
    stage: Stage,
) -> None:
    """CloudWatch's age of the oldest leaves out what was received three times."""
    url = stage.stack.dead_letter_queue_url
    stage.aws("sqs").send_message(QueueUrl=url, MessageBody="{}")
    for _ in range(5):
        assert stage.aws("sqs").receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    now = datetime.now(UTC)
    found = stage.one("B2B064", now=now + timedelta(days=12))
    young = stage.one("B2B064", now=now + timedelta(days=2))
    stage.aws("sqs").purge_queue(QueueUrl=url)
    assert (found.status, found.seen) == (
        Status.FAILED,
        "the oldest of 1 dead letter is 12 days old and deleted after 14 days",
    )
    assert young.status is Status.OK, young.seen
    assert stage.one("B2B064").status is Status.OK


def test_a_dead_letter_that_somebody_hides_is_not_called_young(stage: Stage) -> None:
    url = stage.stack.dead_letter_queue_url
    stage.aws("sqs").send_message(QueueUrl=url, MessageBody="{}")
    stage.aws("sqs").receive_message(QueueUrl=url, VisibilityTimeout=600)
    hidden = stage.one("B2B064")
    stage.aws("sqs").send_message(QueueUrl=url, MessageBody="{}")
    one_of_two = stage.one("B2B064")
    stage.aws("sqs").purge_queue(QueueUrl=url)
    assert (hidden.status, hidden.seen) == (
        Status.SKIPPED,
        "none of about 1 dead letter can be received at the moment",
    )
    assert (one_of_two.status, one_of_two.is_known) == (Status.WARNING, False)
    assert "of 1 that were seen of about 2 dead letters" in one_of_two.seen


def test_an_alarm_that_outlasts_an_emptied_queue_is_no_alarm_that_is_on(stage: Stage) -> None:
    """40 minutes of it: the queue's counters decide."""
    url, queue = stage.stack.dead_letter_queue_url, stage.stack.dead_letter_queue_arn.rpartition(":")[2]
    stage.count("AWS/SQS", "ApproximateNumberOfMessagesVisible", 1, at=datetime.now(UTC))
    (alarm,) = stage.aws("cloudwatch").describe_alarms(AlarmNames=["b2b-pilot-dlq-local"])["MetricAlarms"]
    assert (alarm["StateValue"], alarm["Dimensions"][0]["Value"]) == ("ALARM", queue)
    over = stage.one("B2B089")
    stage.aws("sqs").send_message(QueueUrl=url, MessageBody="{}", DelaySeconds=900)
    on = stage.one("B2B089")
    stage.aws("sqs").purge_queue(QueueUrl=url)
    assert over.status is Status.OK
    assert "b2b-pilot-dlq-local: the queue is empty by its counters, so this ends by itself" in over.seen
    assert on.status is Status.WARNING


@breaks("B2B072")
def test_a_stale_processor_that_does_not_run_any_more_is_found_and_may_yet_run(stage: Stage) -> None:
    found = stage.one("B2B072", now=datetime.now(UTC) + timedelta(hours=1))
    assert (found.status, found.may_change) == (Status.FAILED, True)
    assert found.seen == "no run of the stale processor in the last 10 minutes"


@breaks("B2B023")
@pytest.mark.parametrize(
    ("path", "seen"),
    [("/_aws/execute-api/b2bpilot/nowhere", "answered 404 instead of 403"), ("", "did not answer")],
)
def test_a_webhook_that_does_not_answer_as_ours_is_found(stage: Stage, path: str, seen: str) -> None:
    endpoint = stage.deployment.access.endpoint_url if path else "http://127.0.0.1:9/webhook?key=secret"
    found = stage.one("B2B023", alone=True, webhook_url=f"{endpoint}{path}")
    assert found.status is Status.FAILED
    assert seen in found.seen
    assert "secret" not in found.seen


def test_a_redriver_whose_run_is_on_may_be_on(stage: Stage) -> None:
    now = datetime.now(UTC)
    run = RemoteRun(run_id="r1", started_at=now, ends_at=now + timedelta(hours=1), max_failures=0.2)
    mapping = EventSourceMapping.connect(stage.stack.redriver_mapping_id, access=stage.deployment.access)
    mapping.write_tags(run.tags())
    mapping.enable(max_concurrency=2)
    found = stage.one("B2B069")
    mapping.disable()
    mapping.write_tags({**run.tags(), "b2bpilot:redrive-ended": "over"})
    assert found.status is Status.OK, found.seen
    assert "run r1 is on" in found.seen


def test_a_check_declares_every_action_that_it_uses(stage: Stage) -> None:
    """What --print-iam prints lets a caller run it."""
    undeclared: dict[str, set[str]] = {}
    with stage.recorded() as used:
        for check in OF_AWS:
            used.clear()
            stage.look([replace(check, needs=(), unless_failed=())])
            undeclared[check.code] = used - set(check.actions)
    assert {code: actions for code, actions in undeclared.items() if actions} == {}


def test_a_look_asks_each_source_once_and_takes_no_message_away(stage: Stage) -> None:
    sent = stage.aws("sqs").send_message(QueueUrl=stage.stack.dead_letter_queue_url, MessageBody="{}")
    stage.look(LOOKED_AT)
    received = stage.aws("sqs").receive_message(
        QueueUrl=stage.stack.dead_letter_queue_url, MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )
    stage.aws("sqs").purge_queue(QueueUrl=stage.stack.dead_letter_queue_url)
    (message,) = received["Messages"]
    assert message["MessageId"] == sent["MessageId"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"
    """One look, for the age of the dead letters; and this one."""
