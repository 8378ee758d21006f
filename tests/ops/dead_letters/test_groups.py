"""One cause, one group."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.advice import NOWHERE, written
from b2bpilot.cli.dlq import group_view
from b2bpilot.cli.output import Line
from b2bpilot.ops.dead_letters.causes import (
    Cause,
    Expiry,
    SeenDeadLetter,
    cause_of,
    group_key,
    grouped,
    numbered,
    without_details,
)
from b2bpilot.ops.dead_letters.peek import peek
from b2bpilot.ops.table.row_state import Asked, RowState
from b2bpilot.pipeline.dead_letter import FailureKind, read_dead_letter
from b2bpilot.pipeline.owner import OURS, Owner, Ownership
from tests.events import message, notification, ours, received, sns_event
from tests.fakes.dead_letters import dead
from tests.fakes.sqs import FakeQueue

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("NumMedia is 'two', not a count", "NumMedia is 'two', not a count"),
        (
            'connection to server at "db-1.abc.eu-west-1.rds.amazonaws.com" (10.0.3.4), port 5432 failed',
            'connection to server at "<host>" (<host>), port <n> failed',
        ),
        ("no route to fe80::1:2 nor 2001:db8::8a2e:370:7334", "no route to <host> nor <host>"),
        (
            "HTTPSConnectionPool(host='crm.example.com', port=443): Read timed out. (read timeout=10)",
            "HTTPSConnectionPool(host='<host>', port=<n>): Read timed out. (read timeout=<n>)",
        ),
        (
            "https://api.crm.dev/v1/customers/4711?x=1: 3 errors",
            "https://<host>/v1/customers/<n>?x=<n>: <n> errors",
        ),
        ("order 4711 of 2026-10-01T12:45:07.123Z, at 12:45:07,5", "order <n> of <time>, at <time>"),
        ("2026-10-01 12:45:07+02:00 and 2026-10-01", "<time> and <time>"),
        ("SM0123456789abcdef0123456789abcdef from whatsapp:+15005550006", "<id> from whatsapp:<n>"),
        ("key 7d1eea89-294a-5d6f-8bdc-73898d8ce9cc at 0x7f3b2c00", "key <id> at <id>"),
        ("the CRM answered HTTP 503", "the CRM answered HTTP 503"),
        ("status code: 429 after 12.5 s", "status code: 429 after <n> s"),
        ("[Errno 111] Connection refused", "[Errno 111] Connection refused"),
        ("MediaUrl0 is no utf8", "MediaUrl0 is no utf8"),
        ("MediaUrl10 is no utf16", "MediaUrl10 is no utf16"),
        ("built for arm64, runs on x86_64", "built for arm64, runs on x86_64"),
        ("order4711 on worker-12", "order<n> on worker-<n>"),
        (
            'relation "b2b_pilot_user_submissions" lacks idx_b2b_pilot_user_submissions_message_id',
            'relation "b2b_pilot_user_submissions" lacks idx_b2b_pilot_user_submissions_message_id',
        ),
        (
            'violates check constraint "short"\nDETAIL:  Failing row contains (12, +15005550006, hello)',
            'violates check constraint "short"',
        ),
        ("it failed.\n  Twice.", "it failed. Twice."),
        (
            "psycopg.errors.UniqueViolation in params.NumMedia",
            "psycopg.errors.UniqueViolation in params.NumMedia",
        ),
    ],
)
def test_what_differs_from_dead_letter_to_dead_letter_is_left_out(text: str, cause: str) -> None:
    assert without_details(text) == cause


@given(st.text(alphabet=string.printable, max_size=80))
def test_a_text_without_details_has_none(text: str) -> None:
    once = without_details(text)
    assert without_details(once) == once


CAUSES: list[Callable[[random.Random], str]] = [
    lambda r: f"order {r.randrange(10**6)} has no customer {uuid.UUID(int=r.getrandbits(128))}",
    lambda r: f"https://crm{r.randrange(9)}.example.com/v1/{r.randrange(999)}: HTTP 503",
    lambda r: f"https://crm{r.randrange(9)}.example.com/v1/{r.randrange(999)}: HTTP 400",
    lambda r: (
        f"RequestId: {uuid.UUID(int=r.getrandbits(128))} Error: Task timed out after {r.randrange(300)}.00 seconds"
    ),
    lambda r: (
        f"no answer from 10.0.{r.randrange(255)}.{r.randrange(255)}:5432 since 2026-10-{r.randrange(10, 31)}"
    ),
]


def test_a_thousand_dead_letters_of_five_causes_are_five_groups() -> None:
    chance = random.Random(4711)
    queue = FakeQueue(dead(CAUSES[n % 5](chance)) for n in range(1_000))
    seen = peek(queue, now=NOW, monotonic=queue.sqs.clock)
    groups = grouped(seen.found, seen.names, retention=14 * DAY, states=None)

    assert [(group.id, group.count) for group in groups] == [(f"G{n}", 200) for n in range(1, 6)]
    assert {group.cause.kind for group in groups} == {FailureKind.EXCEPTION, FailureKind.TIMEOUT}


@pytest.mark.parametrize(
    ("dead_letter", "cause"),
    [
        (received("hello"), Cause(FailureKind.UNREADABLE, "the body is not JSON")),
        (
            received({"Records": [{"Sns": {"Message": '{"Type": "Notification"}'}}]}),
            Cause(FailureKind.UNREADABLE, "the body is an SNS envelope inside an envelope"),
        ),
        (
            received(notification(message())),
            Cause(FailureKind.NOT_DELIVERED, "SNS could not deliver the message to the function"),
        ),
        (received(sns_event(message())), Cause(FailureKind.UNKNOWN, "no error was recorded")),
        (
            dead(
                "2026-10-01T12:00:00Z 7b8b0a52-3f0d-4d3e-9a9b-7b8b0a523f0d Task timed out after 3.00 seconds"
            ),
            Cause(FailureKind.TIMEOUT, "Task timed out after <n> seconds"),
        ),
        (
            received(
                sns_event(message()), ErrorCode=("Number", "429"), ErrorMessage=("String", "Rate Exceeded.")
            ),
            Cause(FailureKind.THROTTLED, "Rate Exceeded."),
        ),
    ],
)
def test_each_kind_has_its_own_text(dead_letter: dict[str, object], cause: Cause) -> None:
    decoded = read_dead_letter(dead_letter)
    assert cause_of(ours(decoded)) == cause
    assert group_key(ours(decoded)) == cause.text


def test_what_another_subscriber_did_not_get_was_not_for_the_function() -> None:
    billing = Owner(ownership=Ownership.OTHER, name="queue billing")
    dead_letter = replace(read_dead_letter(received(notification(message()))), owner=billing)

    assert cause_of(dead_letter) == Cause(
        FailureKind.NOT_DELIVERED, "SNS could not deliver the message to a subscriber"
    )


def test_groups_are_numbered_by_count_then_text_however_they_were_met() -> None:
    kind = FailureKind.EXCEPTION
    counts = {Cause(kind, "b"): 2, Cause(kind, "c"): 9, Cause(kind, "a"): 2}

    names = numbered(counts)
    assert names == {Cause(kind, "c"): "G1", Cause(kind, "a"): "G2", Cause(kind, "b"): "G3"}
    assert numbered(dict(reversed(counts.items()))) == names


CAUSE = Cause(FailureKind.EXCEPTION, "boom")


def found(number: int, *, days_ago: float = 0, message_id: str | None = "") -> SeenDeadLetter:
    return SeenDeadLetter(
        queue_message_id=f"queue-{number}",
        message_id=f"message-{number}" if message_id == "" else message_id,
        cause=CAUSE,
        sent_at=NOW - days_ago * DAY,
        redrives=0,
        receive_count=1,
        owner=OURS,
    )


def test_a_group_says_how_many_expire_together_and_when() -> None:
    dead_letters = [found(1), found(2, days_ago=11.5), found(3, days_ago=12), found(4, days_ago=2)]
    (group,) = grouped(dead_letters, {CAUSE: "G1"}, retention=14 * DAY, states=None)

    assert group.expiry == Expiry(at=NOW + 2 * DAY, count=2)
    assert (group.count, group.oldest, group.newest) == (4, NOW - 12 * DAY, NOW)
    assert group.sample == "message-3"


def test_a_group_counts_what_the_database_says() -> None:
    """Each row once, however many dead letters its message has."""
    states = {
        Asked("message-1"): RowState.COMPLETED,
        Asked("message-2"): RowState.FAILED,
        Asked("message-3"): RowState.FAILED,
    }
    dead_letters = [found(1), found(2), found(3), found(3)]
    (group,) = grouped(dead_letters, {CAUSE: "G1"}, retention=DAY, states=states)

    assert group.states == {RowState.FAILED: 2, RowState.COMPLETED: 1}


def test_dead_letters_that_cannot_be_read_have_no_row_and_are_named_by_the_queue() -> None:
    (group,) = grouped([found(1, message_id=None)], {CAUSE: "G1"}, retention=DAY, states={})

    assert (group.states, group.sample) == ({}, "queue-1")


def test_states_are_counted_in_messages_and_not_in_dead_letters() -> None:
    """At e623749 `dlq list` said "rows: 7 failed" of five rows: a message may have several dead letters."""
    ids = ["a", "a", "a", "b", "c", "d", "e"]
    dead_letters = [found(number, message_id=id_) for number, id_ in enumerate(ids)]
    states = {Asked(one): RowState.FAILED for one in ids}

    (group,) = grouped(dead_letters, {CAUSE: "G1"}, retention=DAY, states=states)

    assert group.states == {RowState.FAILED: 5}
    shown = [
        written(line.text if isinstance(line, Line) else line, NOWHERE)
        for line in group_view.lines(group, now=NOW)
    ]
    assert "7 dead letters of 5 messages" in shown[1]
    assert "rows: 5 failed" in shown[1]
    assert group_view.fields(group)["messages"] == 5
