"""`subscribers`, of an environment with two other teams' subscribers, deployed from their templates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from b2bpilot.cli.app import main
from tests.local.conftest import Subscribed

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
    assert "--deployment-mode REVERT_DRIFT" in missing["commands"][0]
