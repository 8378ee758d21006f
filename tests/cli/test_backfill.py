"""`b2bpilot subscribers backfill`, against moto's SNS and SQS and a real database."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pytest

from b2bpilot.aws.queue import DeadLetterQueue, Outgoing, Unsent
from b2bpilot.cli.frame.options import DRY_RUN
from b2bpilot.errors import AwsError
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.pipeline.message import PilotMessage
from tests.aws_clients import client
from tests.cli.conftest import ACCOUNT, OUTPUTS, REGION, Run, Staging
from tests.events import message
from tests.ops.backfill.rows import put, row_of

ENV = ("-e", "staging")
SINCE = ("--since", "2001-01-01")
FUNCTIONS = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"


@pytest.fixture
def rows(staging: Staging, admin: psycopg.Connection) -> list[PilotMessage]:
    """Two media messages, a text, a test, and three rows that cannot be rebuilt."""
    texts = {"NumMedia": "0", "Body": "hello", "From": "+15005550006"}
    messages = [message(), message(), message(params=texts), message(test=True, params=texts)]
    put(admin, map(row_of, messages))
    put(
        admin,
        [
            row_of(message(), message_id=None),
            row_of(message(), params=None),
            row_of(message(), status="abandoned", discarded_by="a run"),
        ],
    )
    return messages


def subscribe(
    staging: Staging, protocol: str, endpoint: str, policy: Any = None, *, is_raw: bool = False
) -> str:
    attributes = {"RawMessageDelivery": "true"} if is_raw else {}
    if policy is not None:
        attributes["FilterPolicy"] = json.dumps(policy)
    return str(
        client("sns").subscribe(
            TopicArn=staging.topic_arn, Protocol=protocol, Endpoint=endpoint, Attributes=attributes
        )["SubscriptionArn"]
    )


def queue(staging: Staging, name: str = "audit", policy: Any = None, *, is_raw: bool = False) -> str:
    """A queue that is subscribed; its URL."""
    url = client("sqs").create_queue(QueueName=f"{name}-b2b-pilot-staging")["QueueUrl"]
    subscribe(
        staging, "sqs", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-b2b-pilot-staging", policy, is_raw=is_raw
    )
    return str(url)


def received(url: str) -> list[dict[str, Any]]:
    found = client("sqs").receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
    )
    return list(found.get("Messages", []))


def test_the_plan_counts_each_row_by_what_becomes_of_it(
    run: Run, staging: Staging, rows: list[PilotMessage]
) -> None:
    url = queue(staging, policy={"test": ["false"]})

    result = run("subscribers", "backfill", "audit", *ENV, *SINCE, "--dry-run", "-o", "json")

    plan = result.document["plan"]
    assert (plan["rows"], plan["messages"], plan["tests"], plan["days"]) == (7, 3, 0, {"2001-01-01": 3})
    assert {name: count for name, count in plan["left"].items() if count} == {
        "filtered_out": 1,
        "no_message_id": 1,
        "no_parameters": 1,
        "discarded": 1,
    }
    assert result.stderr.splitlines()[-1] == DRY_RUN
    assert "Send 3 messages to subscriber audit, and to nobody else:" in result.stderr
    assert (received(url), staging.messages()) == ([], [])


def test_a_queue_gets_sns_s_envelope_through_its_filter_and_no_other_subscriber_anything(
    run: Run, staging: Staging, rows: list[PilotMessage]
) -> None:
    url = queue(staging, policy={"test": ["true"]})

    result = run("subscribers", "backfill", "audit", *ENV, *SINCE, "--yes", "-o", "json")

    assert (result.exit_code, result.document["backfilled"]["accepted"]) == (0, 1)
    (found,) = map(json.loads, (one["Body"] for one in received(url)))
    assert json.loads(found["Message"])["message_id"] == rows[3].message_id
    assert found["backfill"] == {"run_id": result.document["backfilled"]["run_id"]}
    assert staging.messages() == []


def test_raw_delivery_is_kept(run: Run, staging: Staging, rows: list[PilotMessage]) -> None:
    url = queue(staging, is_raw=True)

    assert run("subscribers", "backfill", "audit", *ENV, *SINCE, "--yes").exit_code == 0

    found = {json.loads(one["Body"])["message_id"]: one["MessageAttributes"] for one in received(url)}
    assert found.keys() == {one.message_id for one in rows}
    names = {"message_id", "source", "message_type", "priority", "test", "backfill_run_id"}
    assert {frozenset(one) for one in found.values()} == {frozenset(names)}


CHOSEN = {
    ("--where", "params.From == '+15005550006'"): {2, 3},
    ("--where", "message.message_type == 'media'"): {0, 1},
    ("--limit", "3"): {0, 1, 2},
    ("--limit", "1", "--where", "message.test"): {3},
    ("--until", "2002-01-01"): {0, 1, 2, 3},
}


def test_options_choose_the_oldest_that_match(run: Run, staging: Staging, rows: list[PilotMessage]) -> None:
    url = queue(staging, is_raw=True)
    for options, sent in CHOSEN.items():
        assert run("subscribers", "backfill", "audit", *ENV, *SINCE, *options, "--yes").exit_code == 0
        found = {json.loads(one["Body"])["message_id"] for one in received(url)}
        assert found == {rows[place].message_id for place in sent}


NOTHING = (
    (None, ("--until", "2001-01-01T06:00Z"), "no rows were created in that period"),
    (None, ("--where", "row.attempts > `9`"), "7 rows looked at"),
    ({"priority": ["high"]}, (), "4 rejected by its filter policy"),
    ({"source": [{"tomorrow": "x"}]}, (), "4 not sent: whether its filter policy accepts them cannot be"),
)


def test_nothing_to_send_is_no_failure_and_no_run(
    run: Run, staging: Staging, rows: list[PilotMessage]
) -> None:
    queue(staging)
    found = client("sns").list_subscriptions_by_topic(TopicArn=staging.topic_arn)["Subscriptions"]
    (arn,) = (one["SubscriptionArn"] for one in found if "audit" in one["Endpoint"])
    for policy, options, says in NOTHING:
        _set_policy(arn, policy)
        result = run("subscribers", "backfill", "audit", *ENV, *SINCE, *options, "--yes")
        assert result.exit_code == 0
        assert "There is nothing to send" in result.stderr
        assert says in result.stderr
    assert "backfill" not in run("runs", "list").stdout


def _set_policy(arn: str, policy: Any) -> None:
    """Past moto's own check of it."""
    from moto.backends import get_backend

    subscription = get_backend("sns")[ACCOUNT][REGION].subscriptions[arn]
    subscription.attributes["FilterPolicy"] = json.dumps(policy or {})


QUEUES = f"arn:aws:sqs:{REGION}:{ACCOUNT}"
UNREACHABLE = {
    "nobody": (None, 2, "NAME: nobody called 'nobody' is subscribed to the topic"),
    "processor": (
        ("lambda", f"{FUNCTIONS}:{OUTPUTS['ProcessorFunctionName']}"),
        5,
        "the processor stores the messages that this table has",
    ),
    "gone": (
        ("lambda", f"{FUNCTIONS}:gone-b2b-pilot-staging"),
        5,
        "the function of subscriber gone does not",
    ),
    "lost": (("sqs", f"{QUEUES}:lost-b2b-pilot-staging"), 5, "the queue of subscriber lost does not exist"),
    "ordered.fifo": (("sqs", f"{QUEUES}:ordered.fifo"), 5, "subscriber ordered.fifo is a FIFO queue"),
    "afar": (
        ("sqs", f"arn:aws:sqs:{REGION}:999999999999:afar-b2b-pilot-staging"),
        5,
        "subscriber afar is in account 999999999999",
    ),
    "https://example.com/hook": (
        ("https", "https://example.com/hook"),
        5,
        "is reached by https: a backfill sends to functions and queues only",
    ),
}


def test_whom_it_cannot_send_to_is_told_in_one_line(run: Run, staging: Staging) -> None:
    for name, (endpoint, exit_code, says) in UNREACHABLE.items():
        arn = subscribe(staging, *endpoint) if endpoint else None
        result = run("subscribers", "backfill", name, *ENV, *SINCE, "--yes")
        assert result.exit_code == exit_code
        (error,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
        assert says in error
        if arn:
            client("sns").unsubscribe(SubscriptionArn=arn)


def test_a_filter_policy_that_lets_nothing_through_is_refused(run: Run, staging: Staging) -> None:
    queue(staging, "nothing", {"source": ["fax"]})
    result = run("subscribers", "backfill", "nothing", *ENV, *SINCE, "--yes")
    assert result.exit_code == 5
    assert "the filter policy of nothing lets no message of b2bpilot's through, such as a" in result.stderr


UNMEANT = {
    ("--since", "2999-01-01"): "--since: '2999-01-01' lies in the future",
    ("--since", "yesterday"): "neither a duration nor a time",
    ("--since", "2001-01-02", "--until", "2001-01-01"): "is not after --since",
    (*SINCE, "--where", "failure.kind"): "there is no field failure",
    (*SINCE, "--where", " "): "--where is empty",
    (*SINCE, "--where", "params.Statsu"): "none of the rows has params.Statsu",
    (): "'--since'",
}


def test_what_cannot_be_meant_is_refused(run: Run, staging: Staging, rows: list[PilotMessage]) -> None:
    url = queue(staging)
    for options, says in UNMEANT.items():
        result = run("subscribers", "backfill", "audit", *ENV, *options, "--yes")
        assert result.exit_code == 2
        assert says in result.stderr
    assert received(url) == []


def test_rows_of_a_database_that_is_not_proven_are_not_sent(
    run: Run, staging: Staging, rows: list[PilotMessage], empty_database_url: str
) -> None:
    url = queue(staging)
    result = run(
        "subscribers", "backfill", "audit", *ENV, *SINCE, "--yes", "--database-url", empty_database_url
    )
    assert result.exit_code == 5
    assert "nothing was sent: database " in result.stderr
    assert received(url) == []


def test_without_a_terminal_it_is_not_confirmed(run: Run, staging: Staging, rows: list[PilotMessage]) -> None:
    url = queue(staging)
    result = run("subscribers", "backfill", "audit", *ENV, *SINCE)
    assert (result.exit_code, received(url)) == (5, [])


class TestUnfinished:
    """A run of which some messages were refused, some got no answer, and the rest was never tried."""

    @pytest.fixture
    def fails(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, AwsError]:
        """What SQS says of a message, by its id."""
        failing: dict[str, AwsError] = {}
        send = DeadLetterQueue.send

        def refusing(own: DeadLetterQueue, messages: Sequence[Outgoing]) -> list[Unsent]:
            unsent = [
                Unsent(place=place, message=one, error=error)
                for place, one in enumerate(messages)
                for message_id, error in failing.items()
                if message_id in one.body
            ]
            refused = {one.place for one in unsent if not one.is_unknown}
            assert not send(own, [one for place, one in enumerate(messages) if place not in refused])
            return unsent

        monkeypatch.setattr(DeadLetterQueue, "send", refusing)
        return failing

    def test_the_rest_is_sent_by_a_resume_and_what_is_known_not_again(
        self, run: Run, staging: Staging, rows: list[PilotMessage], fails: dict[str, AwsError]
    ) -> None:
        url = queue(staging, is_raw=True)
        fails[rows[1].message_id] = AwsError("SQS refused it")
        fails[rows[2].message_id] = AwsError("no answer", is_unknown=True)

        first = run(
            *("subscribers", "backfill", "audit", *ENV, *SINCE),
            *("--where", "starts_with(params.From, 'whatsapp:') || params.From == '+15005550006'"),
            *("--yes", "-o", "json"),
        )

        told = first.document["backfilled"]
        assert (first.exit_code, told["accepted"], told["failed"], told["unknown"]) == (4, 2, 1, 1)
        fails.clear()
        second = run("runs", "resume", told["run_id"], "--yes", "-o", "json")
        plan = second.document["plan"]
        assert (plan["messages"], plan["perhaps_before"], plan["left"]["accepted_before"]) == (2, 1, 2)
        again = second.document["backfilled"]
        assert (second.exit_code, again["accepted"], again["accepted_earlier"]) == (0, 4, 2)
        found = Counter(json.loads(one["Body"])["message_id"] for one in received(url))
        assert found == {one.message_id: 1 for one in rows} | {rows[2].message_id: 2}
        third = run("runs", "resume", told["run_id"], "--yes")
        assert third.exit_code == 0
        assert "has nothing left to do" in third.stderr

    def test_an_interruption_says_how_it_is_resumed_and_that_what_was_under_way_is_unknown(
        self, run: Run, staging: Staging, rows: list[PilotMessage], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = queue(staging, is_raw=True)

        def interrupted(_: DeadLetterQueue, __: Sequence[Outgoing]) -> list[Unsent]:
            raise KeyboardInterrupt

        with monkeypatch.context() as amidst:
            amidst.setattr(DeadLetterQueue, "send", interrupted)
            first = run("subscribers", "backfill", "audit", *ENV, *SINCE, "--yes")
        assert first.exit_code == 130
        assert "Stopped: 4 unknown (perhaps delivered)" in first.stderr
        (command,) = re.findall(r"Resume it: b2bpilot (runs resume \S+)", first.stderr)
        assert run(*command.split(), "--yes").exit_code == 0
        assert {json.loads(one["Body"])["message_id"] for one in received(url)} == {
            one.message_id for one in rows
        }

    def test_a_run_that_was_killed_after_its_last_message_is_ended_by_a_resume(
        self, run: Run, staging: Staging, rows: list[PilotMessage], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = queue(staging, is_raw=True)

        def killed(_: Journal, __: Mapping[str, int]) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as at_the_end:
            at_the_end.setattr(Journal, "finish", killed)
            first = run("subscribers", "backfill", "audit", *ENV, *SINCE, "--yes")
        (command,) = re.findall(r"Resume it: b2bpilot (runs resume \S+)", first.stderr)
        assert "interrupted" in run("runs", "list").stdout
        second = run(*command.split(), "--yes")
        assert (second.exit_code, len(received(url))) == (0, 4)
        assert "has nothing left to do" in second.stderr
        assert "accepted 4" in run("runs", "list").stdout

    def test_a_subscriber_that_takes_nothing_is_asked_no_more_than_twenty_times(
        self, run: Run, staging: Staging, admin: psycopg.Connection, fails: dict[str, AwsError]
    ) -> None:
        many = [message() for _ in range(100)]
        put(admin, map(row_of, many))
        queue(staging, is_raw=True)
        fails.update({one.message_id: AwsError("SQS is closed") for one in many})

        result = run(
            "subscribers", "backfill", "audit", *ENV, *SINCE, "--yes", "-o", "json", "--concurrency", "1"
        )

        told = result.document["backfilled"]
        assert (result.exit_code, told["accepted"], told["failed"], told["never_sent"]) == (1, 0, 20, 80)
        assert result.document["error"]["message"].startswith("SQS is closed")

    def test_what_was_discarded_meanwhile_is_not_sent(
        self,
        run: Run,
        staging: Staging,
        rows: list[PilotMessage],
        admin: psycopg.Connection,
        fails: dict[str, AwsError],
    ) -> None:
        queue(staging, is_raw=True)
        fails[rows[1].message_id] = AwsError("SQS refused it")
        first = run("subscribers", "backfill", "audit", *ENV, *SINCE, "--yes", "-o", "json")
        admin.execute(
            "UPDATE b2b_pilot_user_submissions SET status = 'abandoned', discarded_by = 'a run' WHERE message_id = %s",
            [rows[1].message_id],
        )
        second = run("runs", "resume", first.document["backfilled"]["run_id"], "--yes", "-o", "json")
        assert (second.exit_code, second.document["plan"]["messages"]) == (0, 0)
        assert second.document["plan"]["left"]["discarded"] == 2

    def test_another_filter_than_the_run_began_with_is_told(
        self, run: Run, staging: Staging, rows: list[PilotMessage], fails: dict[str, AwsError]
    ) -> None:
        queue(staging, is_raw=True)
        fails[rows[3].message_id] = AwsError("SQS refused it")
        first = run("subscribers", "backfill", "audit", *ENV, *SINCE, "--yes", "-o", "json")
        arn = first.document["plan"]["subscription"]
        client("sns").set_subscription_attributes(
            SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue='{"test": ["false"]}'
        )
        second = run("runs", "resume", first.document["backfilled"]["run_id"], "--yes")
        assert (
            'Its filter policy was changed since the run began: it was none, and is {"test": ["false"]}.'
            in second.stderr
        )
        assert "There is nothing to send" in second.stderr


def test_runs_tell_what_was_delivered_to_whom(run: Run, staging: Staging, rows: list[PilotMessage]) -> None:
    queue(staging, is_raw=True)
    first = run("subscribers", "backfill", "audit", *ENV, *SINCE, "--yes", "--reason", "new", "-o", "json")
    run_id = first.document["backfilled"]["run_id"]

    listed = run("runs", "list").stdout
    shown = run("runs", "show", run_id, "--all").stdout
    inspected = run("inspect", rows[0].message_id, *ENV).stdout

    assert "accepted 4" in listed
    assert "subscriber audit" in shown
    assert shown.count("delivered") == 4
    assert f"backfill {run_id} to subscriber audit by " in inspected
