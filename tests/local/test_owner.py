"""A second subscriber whose dead letters land in the environment's queue: none of them is touched, and its owner is named."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.cli.app import main
from b2bpilot.ops.environment import Environment, discover
from b2bpilot.ops.runs.runs import list_runs
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, encode
from b2bpilot.pipeline.models import SubmissionStatus
from tests.events import message, sns_event
from tests.local.conftest import SNS_MAY_SEND, Machine
from tests.local.polling import eventually

BILLING = "arn:aws:lambda:us-east-1:{account}:function:billing"
"""A function that is gone: what SNS cannot deliver to it is a dead letter at once."""


@pytest.fixture(scope="module")
def deployed(environment: Machine) -> Environment:
    return discover("local", environment.access)


@pytest.fixture
def queue(environment: Machine, deployed: Environment) -> Iterator[Queue]:
    found = Queue(environment.client("sqs"), deployed.stack.dead_letter_queue_url)
    found.empty()
    yield found
    found.empty()


@pytest.fixture
def billing(environment: Machine, deployed: Environment, queue: Queue) -> Iterator[str]:
    """The subscription of another function, with this environment's queue for its dead letters."""
    sns = environment.client("sns")
    arn = sns.subscribe(
        TopicArn=deployed.stack.topic_arn,
        Protocol="lambda",
        Endpoint=BILLING.format(account=deployed.stack.account_id),
        Attributes={
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": deployed.stack.dead_letter_queue_arn})
        },
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    yield arn
    sns.unsubscribe(SubscriptionArn=arn)


@pytest.fixture
def database(environment: Machine) -> Iterator[DatabaseManager]:
    with DatabaseManager(environment.state.database_url) as manager:
        yield manager


@pytest.fixture
def cli(
    environment: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    monkeypatch.setenv("B2BPILOT_HOME", str(environment.home))

    def run(*arguments: str) -> tuple[int, str, str]:
        exit_code = main([*arguments, "-e", "local"])
        captured = capsys.readouterr()
        return exit_code, captured.out, captured.err

    return run


class Queue:
    """The dead-letter queue without any code of the project's."""

    def __init__(self, client: Any, url: str) -> None:
        self._client, self._url = client, url

    def put(self, body: object, **attributes: Any) -> str:
        sent = self._client.send_message(
            QueueUrl=self._url,
            MessageBody=body if isinstance(body, str) else json.dumps(body),
            MessageAttributes=attributes,
        )
        return str(sent["MessageId"])

    def all(self) -> dict[str, tuple[str, Any]]:
        """What is visible now, by its id: body and attributes."""
        found = []
        while batch := self._client.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=20
        ).get("Messages"):
            found += batch
        for one in found:
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0
            )
        return {one["MessageId"]: (one["Body"], one.get("MessageAttributes")) for one in found}

    def empty(self) -> None:
        self._client.purge_queue(QueueUrl=self._url)


def event(of: PilotMessage, subscription_arn: str) -> dict[str, Any]:
    found = sns_event(of)
    found["Records"][0]["EventSubscriptionArn"] = subscription_arn
    return found


def envelope(of: PilotMessage, subscription_arn: str) -> dict[str, Any]:
    """What SNS itself writes: the subscription is named by the address that ends it
    (docs/aws-facts.md#subscription-names)."""
    notification = sns_event(of)["Records"][0]["Sns"]
    url = f"https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"
    return {name: value for name, value in notification.items() if name != "UnsubscribeUrl"} | {
        "UnsubscribeURL": url
    }


def test_of_a_message_that_both_get_the_other_subscriber_s_dead_letter_is_not_removed_by_our_row(
    *,
    environment: Machine,
    deployed: Environment,
    queue: Queue,
    billing: str,
    database: DatabaseManager,
    cli: Callable[..., Any],
    tmp_path: Path,
) -> None:
    sent = message()
    encoded = encode(sent)
    environment.client("sns").publish(
        TopicArn=deployed.stack.topic_arn, Message=encoded.body, MessageAttributes=encoded.attributes
    )
    eventually(lambda: _is_completed(database, sent), "the processor's row")
    before = eventually(queue.all, "the other subscriber's dead letter")
    (dead_letter_id,) = before

    exit_code, out, err = cli("dlq", "redrive", "--yes")
    assert exit_code == 5
    assert "function billing" in err
    assert "only removed" not in out

    assert cli("dlq", "discard", "--yes", "--confirm", "local")[0] == 5
    assert cli("dlq", "replay", "--yes")[0] == 5
    assert cli("dlq", "edit", dead_letter_id)[0] == 5
    assert cli("dlq", "redrive", "--yes", "--via", "topic")[0] == 5
    assert cli("dlq", "redrive", "--yes", "--engine", "lambda")[0] == 5
    assert queue.all() == before

    shown = json.loads(cli("dlq", "show", dead_letter_id, "-o", "json")[1])["dead_letter"]
    assert (shown["owner"], shown["decision"], shown["row_state"]) == (
        "function billing",
        "somebody else's",
        None,
    )
    (group,) = json.loads(cli("dlq", "list", "-o", "json")[1])["groups"]
    assert (group["owners"][0]["owner"], group["rows"]) == ("function billing", {})
    exported = tmp_path / "letters.jsonl"
    assert cli("dlq", "export", str(exported))[0] == 0
    summary = json.loads(exported.read_text())["summary"]
    assert (summary["owner"], summary["subscription_arn"]) == ("function billing", billing)
    assert "function billing" in cli("status")[1]
    told = json.loads(cli("inspect", sent.message_id, "-o", "json")[1])
    assert "function billing" in json.dumps(told)


def test_what_is_ours_is_redriven_and_the_other_subscriber_s_stays_beside_it(
    deployed: Environment, queue: Queue, billing: str, database: DatabaseManager, cli: Callable[..., Any]
) -> None:
    ours, theirs = message(), message()
    own = queue.put(event(ours, deployed.stack.subscription_arn))
    left = {queue.put(event(theirs, billing)), queue.put(envelope(ours, billing))}

    exit_code, out, _ = cli("dlq", "redrive", "--yes", "-o", "json")

    document = json.loads(out)
    assert exit_code == 0
    assert document["plan"]["decisions"] == {"send": 1, "somebody else's": 2}
    assert (document["summary"]["completed"], document["summary"]["others"]) == (1, 2)
    assert queue.all().keys() == left
    assert own not in left
    assert _is_completed(database, ours)
    assert database.get_submission_by_message_id(theirs.message_id) is None


@pytest.mark.parametrize("command", ["discard", "replay", "redrive"])
def test_a_limit_counts_only_what_is_ours(
    command: str, deployed: Environment, queue: Queue, billing: str, cli: Callable[..., Any]
) -> None:
    """The first round found `dlq discard --limit 6` say that nothing there is ours, with six of theirs in front."""
    theirs = {queue.put(event(message(), billing)) for _ in range(6)}
    ours = [queue.put(event(message(), deployed.stack.subscription_arn)) for _ in range(3)]

    confirmed = ["--confirm", "local"] if command == "discard" else ["--yes"]
    _, out, err = cli("dlq", command, "--limit", "2", "-o", "json", *confirmed)

    document = json.loads(out)
    assert sum(one["count"] for one in document["plan"]["owners"]) == 6, err
    done = {
        "discard": lambda: document["discarded"]["deleted"],
        "replay": lambda: document["summary"]["counts"]["processed"],
        "redrive": lambda: document["summary"]["completed"],
    }
    assert done[command]() == 2, out + err
    left = queue.all().keys()
    assert theirs <= left
    assert len(left & set(ours)) == (3 if command == "replay" else 1)


def test_the_redriver_gives_the_other_subscriber_s_back_as_they_are(
    deployed: Environment, queue: Queue, billing: str, database: DatabaseManager, cli: Callable[..., Any]
) -> None:
    ours, theirs = message(), message()
    queue.put(event(ours, deployed.stack.subscription_arn))
    queue.put(envelope(theirs, billing))
    queue.put(encode(theirs).body, amount={"DataType": "Number", "StringValue": "7"})
    before = queue.all()

    exit_code, out, _ = cli("dlq", "redrive", "--yes", "--engine", "lambda", "-o", "json")

    assert (exit_code, json.loads(out)["summary"]["completed"]) == (4, 1)
    assert _is_completed(database, ours)
    assert database.get_submission_by_message_id(theirs.message_id) is None
    left = eventually(lambda: found if len(found := queue.all()) == 2 else {}, "two given back")
    assert left.items() <= before.items()


def test_the_processor_s_subscription_that_a_repair_made_anew_is_ours_for_both_engines(
    environment: Machine, deployed: Environment, queue: Queue, cli: Callable[..., Any]
) -> None:
    sns, stack = environment.client("sns"), deployed.stack
    function = (
        f"arn:aws:lambda:{stack.region}:{stack.account_id}:function:{stack.processor_function_name}:$LATEST"
    )
    anew = sns.subscribe(
        TopicArn=stack.topic_arn, Protocol="lambda", Endpoint=function, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    try:
        for engine in ("terminal", "lambda"):
            queue.put(event(message(), anew))
            exit_code, out, err = cli("dlq", "redrive", "--yes", "--engine", engine)
            assert (exit_code, queue.all()) == (0, {}), out + err
    finally:
        sns.unsubscribe(SubscriptionArn=anew)


def test_what_was_sent_raw_is_of_an_unknown_owner_as_long_as_another_subscriber_shares_the_queue(
    environment: Machine, queue: Queue, billing: str, database: DatabaseManager, cli: Callable[..., Any]
) -> None:
    sent = message()
    queue.put(encode(sent).body)

    exit_code, _, err = cli("dlq", "redrive", "--yes")
    assert exit_code == 5
    assert "function billing sends dead letters here, too" in err
    assert len(queue.all()) == 1

    environment.client("sns").unsubscribe(SubscriptionArn=billing)
    assert cli("dlq", "redrive", "--yes")[0] == 0
    assert _is_completed(database, sent)


@pytest.mark.parametrize("engine", ["terminal", "lambda"])
def test_a_subscription_that_is_gone_is_named_and_its_dead_letters_are_sent_once_somebody_adopts_them(
    *,
    engine: str,
    environment: Machine,
    queue: Queue,
    billing: str,
    database: DatabaseManager,
    cli: Callable[..., Any],
) -> None:
    environment.client("sns").unsubscribe(SubscriptionArn=billing)
    sent = [message(), message()]
    for one in sent:
        queue.put(event(one, billing))

    exit_code, out, err = cli("dlq", "redrive", "--yes", "--engine", engine)
    assert exit_code == 5
    assert f"2 dead letters of a subscription that no longer exists: {billing}" in out + err
    assert len(queue.all()) == 2

    assert cli("dlq", "redrive", "--yes", "--engine", engine, "--adopt", billing)[0] == 0
    assert queue.all() == {}
    assert all(_is_completed(database, one) for one in sent)
    assert any(run.parameters.get("adopt") == [billing] for run in list_runs(environment.home))


def test_what_is_adopted_is_sent_although_a_row_is_completed(
    *,
    deployed: Environment,
    environment: Machine,
    queue: Queue,
    billing: str,
    database: DatabaseManager,
    cli: Callable[..., Any],
) -> None:
    sent = message()
    queue.put(event(sent, deployed.stack.subscription_arn))
    assert cli("dlq", "redrive", "--yes")[0] == 0
    environment.client("sns").unsubscribe(SubscriptionArn=billing)
    queue.put(event(sent, billing))

    exit_code, out, _ = cli("dlq", "redrive", "--yes", "--adopt", billing, "-o", "json")

    document = json.loads(out)
    assert exit_code == 0
    assert document["plan"]["decisions"] == {"send": 1}
    assert (document["summary"]["completed"], document["summary"]["removed"]) == (1, 0)


def test_a_live_subscription_is_not_adopted(billing: str, queue: Queue, cli: Callable[..., Any]) -> None:
    queue.put(event(message(), billing))

    exit_code, _, err = cli("dlq", "redrive", "--yes", "--adopt", billing)

    assert (exit_code, "is alive and delivers to function billing" in err) == (5, True)
    assert cli("dlq", "redrive", "--yes", "--adopt", "billing")[0] == 2
    assert len(queue.all()) == 1


def test_subscriptions_never_names_our_queue_for_another_subscriber(
    environment: Machine, deployed: Environment, billing: str, cli: Callable[..., Any]
) -> None:
    rows = json.loads(cli("subscribers", "-o", "json")[1])["subscriptions"]
    (found,) = [one for one in rows if one["subscription_arn"] == billing]
    assert "this environment's queue, where nobody redrives it" in json.dumps(found["remarks"])

    environment.client("sns").set_subscription_attributes(
        SubscriptionArn=billing, AttributeName="RedrivePolicy", AttributeValue="{}"
    )
    rows = json.loads(cli("subscribers", "-o", "json")[1])["subscriptions"]
    (found,) = [one for one in rows if one["subscription_arn"] == billing]
    assert deployed.stack.dead_letter_queue_arn not in json.dumps(found)


def test_other_publishers_attributes_keep_their_types_on_the_topic(
    environment: Machine, deployed: Environment, queue: Queue, cli: Callable[..., Any]
) -> None:
    """Cases 50 and 52: a witness beside the processor gets what the topic was given. The emulator drops bytes from a batch:
    tests/pipeline/test_attribute_types.py has those."""
    sqs, sns = environment.client("sqs"), environment.client("sns")
    attributes = {"Policy": SNS_MAY_SEND}
    witness = sqs.create_queue(QueueName=f"witness-{uuid.uuid4().hex}", Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=witness, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = sns.subscribe(
        TopicArn=deployed.stack.topic_arn,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    typed = {
        "attr1": {"Type": "Number", "Value": "111"},
        "attr2": {"Type": "String.Array", "Value": '["a", 1]'},
    }
    found = envelope(message(), deployed.stack.subscription_arn) | {"MessageAttributes": typed}
    many = event(message(), deployed.stack.subscription_arn)
    extra = {f"extra{n}": {"Type": "String", "Value": str(n)} for n in range(4)}
    many["Records"][0]["Sns"]["MessageAttributes"].update(extra)
    queue.put(found)
    queue.put(many)
    try:
        exit_code, out, err = cli("dlq", "redrive", "--yes", "--via", "topic")
        assert exit_code == 0, out + err
        assert "1 dead letter would have more than 10 attributes" in err
        got = eventually(lambda: _with(sqs, witness, "attr2"), "the witness's copy")
    finally:
        sns.unsubscribe(SubscriptionArn=subscription)
    assert (got["attr1"]["DataType"], got["attr1"]["StringValue"]) == ("Number", "111")
    assert (got["attr2"]["DataType"], got["attr2"]["StringValue"]) == ("String.Array", '["a", 1]')


def _with(sqs: Any, url: str, name: str) -> dict[str, Any]:
    found = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=0
    ).get("Messages", [])
    return next((one["MessageAttributes"] for one in found if name in one.get("MessageAttributes", {})), {})


def _is_completed(database: DatabaseManager, of: PilotMessage) -> bool:
    row = database.get_submission_by_message_id(of.message_id)
    return row is not None and row.status is SubmissionStatus.COMPLETED
