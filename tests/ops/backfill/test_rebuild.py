"""What becomes of each row, with the message as it was published first."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.errors import UsageError
from b2bpilot.ops.backfill.rebuild import ROWS, RowFate, decided
from b2bpilot.ops.dead_letters.expression import Expression
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, Priority, Source
from b2bpilot.pipeline.models import UserSubmission
from tests.events import SUBSCRIPTION_ARN, TOPIC_ARN, message
from tests.ops.backfill.rows import put_one

ALL = Subscription(
    arn=SUBSCRIPTION_ARN,
    topic_arn=TOPIC_ARN,
    protocol="lambda",
    endpoint="arn:aws:lambda:us-east-1:123456789012:function:analytics-b2b-pilot-prod",
    owner="123456789012",
    confirmed=True,
    raw_delivery=False,
    filter_policy=None,
    filter_policy_scope="MessageAttributes",
    redrive_policy=None,
)


def filtering(policy: str, scope: str = "MessageAttributes") -> Subscription:
    return Subscription(
        **{
            **{name: getattr(ALL, name) for name in Subscription.__dataclass_fields__},
            "filter_policy": policy,
            "filter_policy_scope": scope,
        }
    )


@pytest.fixture
def stored(database: DatabaseManager, admin: psycopg.Connection) -> Any:
    def stored(of: PilotMessage, **columns: Any) -> UserSubmission:
        put_one(admin, of, **columns)
        return database.list_submissions(limit=1)[0]

    return stored


@pytest.mark.parametrize(
    "of",
    [
        message(),
        message(source=Source.RECONCILE, priority=Priority.HIGH),
        message(source=Source.CLI, test=True, params={"NumMedia": "0"}),
        message(params={"Body": "a\0b", "NumMedia": "0", "ButtonText": "Yes"}),
    ],
)
def test_a_row_becomes_the_message_that_was_published(stored: Any, of: PilotMessage) -> None:
    found = decided(stored(of), ALL, None)

    assert (found.fate, found.message and found.message.received_at) == (RowFate.SEND, _milliseconds(of))
    assert found.message is not None
    for name in ("message_id", "source", "params", "test", "priority", "message_type"):
        assert getattr(found.message, name) == getattr(of, name)


@pytest.mark.parametrize(
    ("columns", "fate"),
    [
        ({"message_id": None}, RowFate.UNIDENTIFIED),
        ({"params": None}, RowFate.WITHOUT_PARAMS),
        ({"status": "abandoned", "discarded_by": "a run"}, RowFate.DISCARDED),
        ({"discarded_by": "a run"}, RowFate.SEND),
        ({"status": "failed"}, RowFate.SEND),
        ({"message_id": "no uuid"}, RowFate.UNREADABLE),
        ({"params": '["Body"]'}, RowFate.UNREADABLE),
        ({"params": '{"Body": 7}'}, RowFate.UNREADABLE),
        ({"source": "tomorrow's"}, RowFate.UNREADABLE),
        ({"priority": "tomorrow's"}, RowFate.UNREADABLE),
        ({"source": None, "priority": None, "message_type": None}, RowFate.SEND),
        ({"params": '{"Body": "' + "x" * 262_144 + '"}'}, RowFate.UNREADABLE),
    ],
)
def test_what_cannot_be_rebuilt_is_told_by_its_reason(
    stored: Any, columns: dict[str, Any], fate: RowFate
) -> None:
    found = decided(stored(message(), **columns), ALL, None)

    assert (found.fate, found.message is not None) == (fate, fate is RowFate.SEND)


@pytest.mark.parametrize(
    ("policy", "scope", "fate"),
    [
        ('{"test": ["false"]}', "MessageAttributes", RowFate.SEND),
        ('{"test": ["true"]}', "MessageAttributes", RowFate.FILTERED),
        ('{"message_type": ["media"]}', "MessageAttributes", RowFate.SEND),
        ('{"message_type": ["text"]}', "MessageAttributes", RowFate.FILTERED),
        ('{"test": [false]}', "MessageBody", RowFate.SEND),
        ('{"params": {"From": [{"prefix": "whatsapp:"}]}}', "MessageBody", RowFate.SEND),
        ('{"params": {"From": [{"prefix": "sms:"}]}}', "MessageBody", RowFate.FILTERED),
        ('{"source": [{"tomorrow": "x"}]}', "MessageAttributes", RowFate.UNDECIDED),
        ('{"source": [{"tomorrow": "x"}], "test": ["true"]}', "MessageAttributes", RowFate.FILTERED),
        ("[]", "MessageAttributes", RowFate.UNDECIDED),
    ],
)
def test_the_subscriptions_filter_decides_and_what_it_does_not_tell_is_not_sent(
    stored: Any, policy: str, scope: str, fate: RowFate
) -> None:
    assert decided(stored(message()), filtering(policy, scope), None).fate is fate


@pytest.mark.parametrize(
    ("where", "fate"),
    [
        ("params.ProfileName == 'Ana'", RowFate.SEND),
        ("message.source == 'cli'", RowFate.NOT_SELECTED),
        ("row.status == 'completed' && row.attempts == `1`", RowFate.SEND),
        ("row.completed_at < '2001-01-01'", RowFate.NOT_SELECTED),
        ("contains(row.last_error, 'x')", RowFate.NOT_SELECTED),
    ],
)
def test_where_names_fields_of_message_and_row(stored: Any, where: str, fate: RowFate) -> None:
    assert decided(stored(message()), ALL, Expression.parse(where, ROWS)).fate is fate


@pytest.mark.parametrize("where", ["failure.kind", "letter.id", "row.message_id", "message.body"])
def test_a_field_that_no_row_has_is_refused_with_those_that_there_are(where: str) -> None:
    with pytest.raises(UsageError, match="there is no field") as refused:
        Expression.parse(where, ROWS)
    assert str(refused.value.hint).endswith("fields: message.*, params.*, row.*")


def _milliseconds(of: PilotMessage) -> object:
    return of.received_at.replace(microsecond=of.received_at.microsecond // 1_000 * 1_000)
