"""`subscribers`, of an environment with two other teams' subscribers, deployed from their templates."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from b2bpilot.cli.app import main
from tests.events import message, sns_event
from tests.local.conftest import Subscribed
from tests.local.polling import eventually

Ask = Callable[..., Any]


@pytest.fixture
def ask(subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command that answers with a document; its exit code is one of its fields."""
    monkeypatch.setenv("B2BPILOT_HOME", str(subscribed.home))

    def run(*words: str) -> Any:
        code = main([*words, "-e", "local", "-o", "json"])
        return {**json.loads(capsys.readouterr().out), "exit_code": code}

    return run


@pytest.fixture
def in_order(subscribed: Subscribed) -> Iterator[None]:
    """What was told to fail fails each of its three times: else there is no dead letter to wait for."""
    yield
    eventually(lambda: subscribed.dead_letters(subscribed.analytics.dead_letter_queue), "its dead letter")
    subscribed.analytics.order.unlink(missing_ok=True)
    subscribed.empty(subscribed.analytics.dead_letter_queue)


@pytest.fixture
def without_analytics(subscribed: Subscribed) -> Iterator[None]:
    """Its subscription deleted by hand, behind CloudFormation's back, and there again at the end."""
    sns = subscribed.client("sns")
    topic = subscribed.stack_output("TopicArn")
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    one = next(one for one in listed if one["Endpoint"].endswith(":analytics-b2b-pilot-local"))
    made = sns.get_subscription_attributes(SubscriptionArn=one["SubscriptionArn"])["Attributes"]
    sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])
    yield
    kept = {name: made[name] for name in ("RedrivePolicy", "FilterPolicy") if name in made}
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=one["Endpoint"], Attributes=kept)


def test_each_subscriber_is_found_with_what_is_its_own(ask: Ask) -> None:
    found = ask("subscribers")
    named = {one["name"]: one for one in found["subscriptions"]}
    assert found["missing"] == []
    assert found["missing_unknown"] == []
    for name, kind in (("processor", "function"), ("analytics", "function"), ("archive", "queue")):
        assert (named[name]["kind"], named[name]["filter"]) == (kind, "everything")
    for name in ("analytics", "archive"):
        (queue,) = named[name]["dead_letter_queues"]
        (function,) = named[name]["functions"]
        assert queue.endswith(f":{name}-b2b-pilot-local-dlq")
        assert function.endswith(f":{name}-b2b-pilot-local")
        assert named[name]["dead_letters"]["count"] is not None


@pytest.mark.usefixtures("without_analytics")
def test_a_deleted_subscription_is_told_by_its_stack(ask: Ask) -> None:
    found = ask("subscribers")
    (missing,) = found["missing"]
    assert found["exit_code"] == 1
    assert (missing["name"], missing["stack"]) == ("analytics", "analytics-b2b-pilot-local")
    assert missing["commands"][-1] == "b2bpilot local up --detach --subscriber DIR"
    assert not any("--fresh" in command for command in missing["commands"])


def test_a_message_is_told_at_each_subscriber(ask: Ask, subscribed: Subscribed) -> None:
    """Both got it, and one has a dead letter of it, too."""
    published = ask("publish", "--wait", "30s")
    sent = published["published"]["message_id"]
    assert sorted(published["reach"]["reached"]) == ["analytics", "archive"]
    for one in (subscribed.analytics, subscribed.archive):
        eventually(lambda one=one: one.stored(sent), f"{sent} at {one.name}")
    sqs = subscribed.client("sqs")
    url = sqs.get_queue_url(QueueName="archive-b2b-pilot-local-dlq")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(sns_event(message(message_id=sent, test=True))))

    def told() -> dict[str, Any]:
        found = ask("inspect", sent)["inspection"]["subscribers"]
        named = {one["name"]: one for one in found}
        return named if all(one["log"] for one in found) else {}

    named = eventually(told, "the logs of both")
    steps = ask("inspect", sent)["inspection"]["next"]
    sqs.purge_queue(QueueUrl=url)
    assert sorted(named) == ["analytics", "archive"]
    assert [named[name]["delivers"] for name in ("analytics", "archive")] == [True, True]
    assert (named["analytics"]["dead_letters"], named["archive"]["dead_letters"]) == (0, 1)
    assert named["archive"]["text"].startswith("its filter policy lets it through; its log: stored")
    assert named["archive"]["text"].endswith("; 1 dead letter of it")
    assert [named[name]["command"] for name in ("analytics", "archive")] == [None, None]
    redrive = f"b2bpilot dlq redrive -e local --subscriber archive --message-id {sent}"
    assert steps == [f"fix the cause at archive, then: {redrive}"]


@pytest.fixture
def shut_out(subscribed: Subscribed) -> Iterator[None]:
    """archive's queue and its dead-letter queue let nobody in; as they were at the end."""
    sqs, kept = subscribed.client("sqs"), {}
    for name in ("archive-b2b-pilot-local", "archive-b2b-pilot-local-dlq"):
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        kept[url] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    yield
    for url, policy in kept.items():
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


@pytest.mark.usefixtures("shut_out")
def test_who_can_receive_nothing_is_unhealthy_and_gets_what_it_missed_by_a_backfill(
    ask: Ask, subscribed: Subscribed
) -> None:
    """The processor stored it, so that Twilio is not asked for it."""
    sent = ask("publish", "--wait", "30s")["published"]["message_id"]
    eventually(lambda: subscribed.analytics.stored(sent), f"{sent} at analytics")
    listed = {one["name"]: one for one in ask("subscribers")["subscriptions"]}["archive"]
    steps = " ".join(ask("inspect", sent)["inspection"]["next"])
    checks = {one["code"]: one for one in ask("verify", "--only", "topic")["checks"]}
    backfill = "b2bpilot subscribers backfill -e local archive --since "

    assert listed["verdict"] == "unhealthy"
    commands = [one["command"] for one in listed["problems"]]
    assert commands == ["b2bpilot verify -e local --subscriber archive"] * 2 + [f"{backfill}24h"]
    assert backfill in steps
    assert f"message.message_id == '{sent}'" in shlex.split(steps)
    assert checks["B2B039"]["mend"] == f"{backfill}24h"


def test_a_subscriber_s_failure_is_named_with_the_command_that_shows_it(
    ask: Ask, subscribed: Subscribed, in_order: None
) -> None:
    subscribed.analytics.order.write_text("fail")
    sent = subscribed.publish()

    def told() -> str:
        (one,) = (
            one for one in ask("inspect", sent)["inspection"]["subscribers"] if one["name"] == "analytics"
        )
        return str(one["command"] or "")

    program, *words = shlex.split(eventually(told, "its failure in the log of analytics"))
    shown = ask(*[word for word in words if word not in ("-e", "local")])

    assert (program, words[0]) == ("b2bpilot", "logs")
    failures = [line["line"] for line in shown["lines"] if line["line"]["event"] == "failed"]
    assert {(one["message_id"], one["subscriber"]) for one in failures} == {(sent, "analytics")}
    assert "analytics is broken" in failures[0]["error"]
