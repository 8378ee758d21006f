"""`subscribers --coverage`, judged by what the emulator really delivers of each kind of message."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from b2bpilot.aws.subscriptions import subscriptions
from b2bpilot.ops.environment import Environment, discover
from b2bpilot.ops.recipient import PROCESSOR
from b2bpilot.ops.subscribers.filter_limits import problems_of
from b2bpilot.ops.subscribers.kinds import kinds
from b2bpilot.ops.subscribers.who_gets_what import who_gets_what
from tests.fuzz import drawn
from tests.local.conftest import SNS_MAY_SEND, Machine
from tests.local.polling import eventually
from tests.ops.subscribers.test_coverage import attributes_of

SCOPE = "MessageAttributes"
SEED = 38
VALUES = {
    "source": ["twilio", "stale", "reconcile", "cli"],
    "message_type": ["text", "media", "button", "location", "test"],
    "priority": ["normal", "high"],
    "test": ["true", "false"],
}
MARKS = ["message_id", "redrive_run_id", "redrive_attempt"]


def drawn_policies(draw: random.Random, number: int) -> Iterator[dict[str, Any]]:
    """Those that SNS takes: what it refuses is nobody's policy."""
    while number:
        policy = drawn_rules(draw)
        if draw.random() < 0.4:
            policy = {"$or": [drawn_rules(draw), drawn_rules(draw)]} | (policy if draw.random() < 0.5 else {})
        if not problems_of(json.dumps(policy), SCOPE):
            number -= 1
            yield policy


def drawn_rules(draw: random.Random) -> dict[str, Any]:
    keys = draw.sample([*VALUES, *MARKS], draw.randint(1, 3))
    return {key: [drawn_condition(draw, key) for _ in range(draw.randint(1, 2))] for key in keys}


def drawn_condition(draw: random.Random, key: str) -> Any:
    if key in MARKS:
        return {"exists": draw.random() < 0.5}
    value = draw.choice([*VALUES[key], "other"])
    return draw.choice(
        [
            value,
            value,
            {"prefix": value[:2]},
            {"suffix": value[-2:]},
            {"anything-but": [value]},
            {"anything-but": {"prefix": value[:1]}},
            {"equals-ignore-case": value.upper()},
            {"exists": draw.random() < 0.8},
        ]
    )


def test_who_gets_what_is_what_the_emulator_delivers(environment: Machine) -> None:
    """One topic with a queue for each policy: each kind of message is published once."""
    sns, sqs = environment.client("sns"), environment.client("sqs")
    topic = sns.create_topic(Name="coverage")["TopicArn"]
    urls = {}
    for number, policy in enumerate(drawn_policies(random.Random(SEED), drawn(50))):
        name = f"coverage-{number}"
        urls[name] = sqs.create_queue(QueueName=name, Attributes={"Policy": SNS_MAY_SEND})["QueueUrl"]
        arn = f"arn:aws:sqs:{environment.state.region}:{environment.state.account_id}:{name}"
        attributes = {"FilterPolicy": json.dumps(policy), "RawMessageDelivery": "true"}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    found = who_gets_what(here := told(environment, topic), subscriptions(here.access, topic))

    for place, kind in enumerate(kinds()):
        sns.publish(TopicArn=topic, Message=str(place), MessageAttributes=attributes_of(kind))

    drops = 0
    for name, url in urls.items():
        column = found.names.index(name)
        answers = [answers[column] for answers in found.answers.values()]
        expected = {place for place, answer in enumerate(answers) if answer is True}
        delivered = eventually_delivered(sqs, url, expected)
        assert expected <= delivered
        assert not delivered & {place for place, answer in enumerate(answers) if answer is False}
        drops += len(answers) > len(delivered)
        sqs.delete_queue(QueueUrl=url)
    sns.delete_topic(TopicArn=topic)
    assert found.names[0] == PROCESSOR
    assert drops


def told(environment: Machine, topic: str) -> Environment:
    """The environment with this topic for its own."""
    found = discover("local", environment.access)
    return replace(found, stack=replace(found.stack, topic_arn=topic))


def eventually_delivered(sqs: Any, url: str, expected: set[int]) -> set[int]:
    """Everything that is in the queue once what is expected has come."""
    got: set[int] = set()

    def receive() -> set[int]:
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            got.update(int(one["Body"]) for one in messages)
        return got

    return eventually(lambda: receive() >= expected and (got or {-1}), "the deliveries") - {-1}
