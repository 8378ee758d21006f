"""Other teams' subscribers in the local environment: deployed from their folders, run in processes of their own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from b2bpilot.cli.app import main
from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local.clients import LocalAws
from b2bpilot.local.stack import delete, deploy_as
from b2bpilot.pipeline.database import DatabaseManager
from tests.local.conftest import Machine, Subscribed, machine
from tests.local.polling import eventually
from tests.local.subscriber_folders import TestSubscriber, write_subscriber

OURS = {"TWILIO_API_URL", "TWILIO_SECRET_ARN", "SNS_TOPIC_ARN", "REPLY_TEXT", "PROCESSOR_FUNCTION_NAME"}


@pytest.fixture(params=["analytics", "archive"])
def subscriber(request: pytest.FixtureRequest, subscribed: Subscribed) -> Iterator[TestSubscriber]:
    found: TestSubscriber = getattr(subscribed, request.param)
    yield found
    found.order.unlink(missing_ok=True)
    subscribed.empty(found.dead_letter_queue)


def letters_of(subscribed: Subscribed, subscriber: TestSubscriber, message_id: str) -> list[dict[str, Any]]:
    found = subscribed.dead_letters(subscriber.dead_letter_queue)
    return [one for one in found if message_id in one["Body"]]


def test_each_subscriber_stores_a_message_once(subscribed: Subscribed) -> None:
    sent = subscribed.publish()
    for each in (subscribed.analytics, subscribed.archive):
        assert len(eventually(lambda each=each: each.stored(sent), f"{sent} at {each.name}")) == 1
        row = eventually(lambda each=each: completed(subscribed, each, sent), "its row")
        assert row == [("completed", 1)]


def completed(subscribed: Subscribed, subscriber: TestSubscriber, message_id: str) -> list[tuple[str, int]]:
    return [row for row in subscribed.deliveries(subscriber, message_id) if row[0] == "completed"]


def test_a_function_has_its_own_variables_and_none_of_ours(
    subscribed: Subscribed, subscriber: TestSubscriber
) -> None:
    sent = subscribed.publish()
    (line,) = eventually(lambda: subscriber.began(sent), "the message")
    environ = line["environ"]
    assert environ["AWS_LAMBDA_FUNCTION_NAME"] == subscriber.stack
    assert f":secret:{subscriber.stack}-database-" in environ["DATABASE_SECRET_ARN"]
    assert "poison" not in environ.values()
    assert subscribed.state.twilio_auth_token not in json.dumps(environ)
    assert subscribed.state.database_url not in environ.values()
    assert not OURS & set(environ)
    assert line["pid"] != subscribed.process.pid


def test_a_broken_handler_fills_its_own_dead_letter_queue_and_not_ours(
    subscribed: Subscribed, subscriber: TestSubscriber
) -> None:
    subscriber.order.write_text("fail")
    sent = subscribed.publish()
    (letter,) = eventually(lambda: letters_of(subscribed, subscriber, sent), "a dead letter")
    assert len(subscriber.began(sent)) == 3
    ours = subscribed.stack_output("DeadLetterQueueUrl").rpartition("/")[2]
    assert sent not in json.dumps(subscribed.dead_letters(ours))
    if subscriber.name == "analytics":
        assert letter["MessageAttributes"]["ErrorMessage"]["StringValue"] == "analytics is broken"


def test_a_process_that_is_killed_in_the_middle_loses_nothing(
    subscribed: Subscribed, subscriber: TestSubscriber
) -> None:
    """As on AWS it is a failed run: Lambda, or the queue, gives the message again when its lease is over."""
    subscriber.order.write_text("wait")
    sent = subscribed.publish()
    (begun,) = eventually(lambda: subscriber.began(sent), "its begin")
    os.kill(begun["pid"], signal.SIGKILL)
    subscriber.order.unlink()
    (stored,) = eventually(lambda: subscriber.stored(sent), "its end")
    assert stored["pid"] != begun["pid"]
    assert eventually(lambda: completed(subscribed, subscriber, sent), "its row") == [("completed", 2)]
    assert letters_of(subscribed, subscriber, sent) == []


def test_a_queue_gets_the_envelope_with_its_own_subscription(subscribed: Subscribed) -> None:
    sent = subscribed.publish()
    eventually(lambda: subscribed.archive.stored(sent), "the message")
    bodies = [
        record["body"] for line in subscribed.archive.lines("event") for record in line["event"]["Records"]
    ]
    (envelope,) = [json.loads(body) for body in bodies if sent in body]
    topic = subscribed.stack_output("TopicArn")
    found = subscribed.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    (own,) = [
        one["SubscriptionArn"] for one in found if one["Endpoint"].endswith(f":{subscribed.archive.stack}")
    ]
    assert envelope["UnsubscribeURL"].endswith(f"&SubscriptionArn={own}")


def test_its_dead_letters_ring_its_own_alarm(subscribed: Subscribed) -> None:
    analytics = subscribed.analytics
    analytics.order.write_text("fail")
    sent = subscribed.publish()
    try:
        eventually(lambda: letters_of(subscribed, analytics, sent), "a dead letter")
        eventually(lambda: is_ringing(subscribed, f"{analytics.stack}-dlq"), "the alarm")
    finally:
        analytics.order.unlink()
        subscribed.empty(analytics.dead_letter_queue)


def is_ringing(subscribed: Subscribed, name: str) -> bool:
    (alarm,) = subscribed.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return bool(alarm["StateValue"] == "ALARM")


def test_only_the_handlers_of_the_folders_are_run(subscribed: Subscribed) -> None:
    """Whoever has the environment's key could set another one."""
    functions, name = subscribed.client("lambda"), subscribed.analytics.stack
    functions.update_function_configuration(FunctionName=name, Handler="os.system")

    def is_refused() -> bool:
        answer = functions.invoke(FunctionName=name, Payload=b"{}")
        return "'os.system' is no handler of" in answer["Payload"].read().decode()

    try:
        eventually(is_refused, "a refusal")
    finally:
        functions.update_function_configuration(FunctionName=name, Handler="handler.handler")


def test_status_names_the_subscribers(
    subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(subscribed.home))
    sent = subscribed.publish()
    eventually(lambda: subscribed.archive.stored(sent), "a process of it")
    assert main(["local", "status", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    own = found["subscribers"][1].pop("database_url")
    with psycopg.connect(own) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("subscriber-archive",)
    assert found["subscribers"][1] == {
        "name": "archive",
        "folder": str(subscribed.archive.folder),
        "stack_name": "archive-b2b-pilot-local",
        "functions": ["archive-b2b-pilot-local"],
        "queue": "archive-b2b-pilot-local",
        "dead_letter_queue": "archive-b2b-pilot-local-dlq",
    }
    assert "archive-b2b-pilot-local" in {one["name"] for one in found["components"]}
    assert main(["local", "status"]) == 0
    shown = capsys.readouterr().out
    assert "archive: function archive-b2b-pilot-local, queue archive-b2b-" in shown
    assert f"database {own}" in shown


def test_a_subscriber_that_the_next_start_is_not_given_is_deleted(tmp_path: Path) -> None:
    folder = write_subscriber(tmp_path / "crm", "crm").folder
    with machine(tmp_path / "home", f"--subscriber={folder}") as first:
        assert names_of(first) == ["b2b-pilot-local", "crm-b2b-pilot-local"]
    heard: list[str] = []
    with machine(tmp_path / "home", hear=lambda report: heard.append(str(report.get("text")))) as second:
        assert names_of(second) == ["b2b-pilot-local"]
        assert second.client("sqs").list_queues(QueueNamePrefix="crm").get("QueueUrls", []) == []
        assert second.state.subscribers == ()
    assert "deleted the subscriber crm, which was not named this time" in heard


def test_a_template_that_fails_says_where_and_is_deployed_once_it_is_corrected(
    subscribed: Subscribed,
) -> None:
    aws = LocalAws(subscribed.state.endpoint_url, subscribed.state.keys)
    queue = 'Resources:\n  Queue: {Type: "AWS::SQS::Queue"}\n'
    config = "AWS::Lambda::EventInvokeConfig, Properties: {FunctionName: nobody, Qualifier: $LATEST}"
    for _ in range(2):
        with pytest.raises(LocalEnvironmentError, match=r"ROLLBACK_COMPLETE: Config: .*nobody") as refused:
            deploy_as(aws, "broken", f"{queue}  Config: {{Type: {config}}}\n", {})
        assert refused.value.hint == "correct its template"
    deploy_as(aws, "broken", queue, {})
    delete(aws, "broken")
    assert "broken" not in names_of(subscribed)


def names_of(machine: Machine) -> list[str]:
    stacks = machine.client("cloudformation").describe_stacks()["Stacks"]
    return sorted(stack["StackName"] for stack in stacks)


def test_a_run_that_ends_its_process_says_so_in_its_dead_letter_and_its_log(subscribed: Subscribed) -> None:
    analytics, name = subscribed.analytics, subscribed.analytics.stack
    analytics.order.write_text("exit")
    sent = subscribed.publish()
    try:
        (letter,) = eventually(lambda: letters_of(subscribed, analytics, sent), "a dead letter")
    finally:
        analytics.order.unlink()
        subscribed.empty(analytics.dead_letter_queue)
    said = letter["MessageAttributes"]["ErrorMessage"]["StringValue"]
    assert said.endswith("Error: Runtime exited with error: exit status 3")

    def logged() -> list[str]:
        events = subscribed.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        return [event["message"] for event in events if "Runtime.ExitError" in event["message"]]

    assert eventually(logged, "a line in its log")


def test_a_changed_handler_is_used_without_a_deploy(subscribed: Subscribed) -> None:
    analytics, code = subscribed.analytics, subscribed.analytics.folder / "handler.py"
    before = code.read_text()

    def ends_as(point: str) -> bool:
        sent = subscribed.publish()
        (line,) = eventually(
            lambda: [
                one for at in ("end", "changed") for one in analytics.lines(at) if one["message_id"] == sent
            ],
            "its end",
        )
        return bool(line["at"] == point)

    code.write_text(before.replace('at="end"', 'at="changed"'))
    eventually(lambda: ends_as("changed"), "the new code")
    code.write_text(before)
    eventually(lambda: ends_as("end"), "the old code again")


def test_a_backfill_reaches_one_subscriber_which_skips_what_it_completed(
    subscribed: Subscribed, subscriber: TestSubscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(subscribed.home))
    both = (subscribed.analytics, subscribed.archive)
    sent = subscribed.publish()
    for each in both:
        eventually(lambda each=each: completed(subscribed, each, sent), f"{sent} at {each.name}")
    with DatabaseManager(subscribed.state.database_url) as rows:
        eventually(lambda: rows.progress_of([sent]), "the processor's row")
    this_one = ("--since", "1h", "--where", f"message.message_id == '{sent}'")

    assert main(["subscribers", "backfill", subscriber.name, *this_one, "--yes", "-e", "local"]) == 0

    eventually(lambda: len(events_of(subscriber, sent)) == 2, "the second delivery")
    (first, second) = events_of(subscriber, sent)
    assert ("backfill" in first, "backfill" in second) == (False, True)
    (other,) = (each for each in both if each is not subscriber)
    assert len(events_of(other, sent)) == 1
    assert len(subscriber.stored(sent)) == 1
    assert subscribed.deliveries(subscriber, sent) == [("completed", 1)]


def events_of(subscriber: TestSubscriber, message_id: str) -> list[str]:
    found = [json.dumps(line["event"]) for line in subscriber.lines("event")]
    return [event for event in found if message_id in event]
