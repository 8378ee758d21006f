"""What a subscriber's file makes of records, secrets and settings. It has a reader of its own, which reads as ours does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from moto import mock_aws

from b2bpilot.errors import MessageUnreadable
from b2bpilot.pipeline.delivery import deliveries
from b2bpilot.subscriber import once as library
from b2bpilot.subscriber.once import NotReadable, NotUsable, authorities, connect, database_url, read, records
from tests.events import enveloped_record, message, queue_event, raw_record, sns_event
from tests.fuzz import attacks
from tests.lambdas.wrong_events import broken

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:analytics"


@pytest.mark.parametrize("wrap", [lambda of: sns_event(of)["Records"][0], enveloped_record, raw_record])
def test_each_way_to_a_subscriber_brings_the_same_message(wrap: Any) -> None:
    sent = message(test=True)

    found = read(wrap(sent))

    assert (found.message_id, found.params, found.test) == (sent.message_id, sent.params, True)
    assert found.attributes == {
        "message_id": sent.message_id,
        "source": "twilio",
        "message_type": "test",
        "priority": "normal",
        "test": "true",
    }


@given(event=broken(sns_event(message())))
@attacks(200, whole=5_000)
def test_what_the_processor_takes_is_taken_and_nothing_else_is_raised_than_that_it_is_not_readable(
    event: Any,
) -> None:
    try:
        found = [read(record) for record in records(event)]
    except NotReadable:
        with pytest.raises(MessageUnreadable):
            deliveries(event)
        return
    with suppress(MessageUnreadable):
        for one, theirs in zip(found, deliveries(event), strict=True):
            assert (one.message_id, one.test) == (theirs.message.message_id, theirs.message.test)
            assert one.params == theirs.message.params


@given(event=broken(queue_event(enveloped_record(message()))))
@attacks(200, whole=5_000)
def test_of_a_batch_nothing_else_is_raised_either(event: Any) -> None:
    with suppress(NotReadable):
        for one in records(event):
            read(one)


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Put a secret there, and return what a function makes of it."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")

    def put(value: dict[str, Any], **environ: str) -> str:
        text = json.dumps(value)
        arn = boto3.client("secretsmanager").create_secret(Name="analytics", SecretString=text)["ARN"]
        return database_url({"DATABASE_SECRET_ARN": arn, **environ})

    with mock_aws():
        yield put


def test_a_secret_names_the_database(secret: Any) -> None:
    assert secret({"DATABASE_URL": "postgresql://u@h/d"}) == "postgresql://u@h/d"


def test_a_secret_as_rds_writes_it_verifies_the_server(secret: Any) -> None:
    found = secret(
        {"username": "ana", "password": "it's \\ a", "port": 5432}, DATABASE_HOST="h", DATABASE_NAME="d"
    )

    assert found == r"sslmode=verify-full user=ana password='it\'s \\ a' host=h port=5432 dbname=d"


def test_a_secret_that_lacks_something_says_what_and_nothing_that_it_holds(secret: Any) -> None:
    with pytest.raises(NotUsable) as raised:
        secret({"username": "ana", "password": "p4ss"}, DATABASE_HOST="h")

    assert str(raised.value) == "the secret has no DATABASE_URL, and nothing says port, dbname"


def test_a_variable_wins_over_the_secret() -> None:
    assert database_url({"DATABASE_URL": "postgresql:///d", "DATABASE_SECRET_ARN": ARN}) == "postgresql:///d"


def test_a_function_without_a_database_says_so() -> None:
    with pytest.raises(NotUsable, match="neither DATABASE_URL nor DATABASE_SECRET_ARN is set"):
        database_url({})


@pytest.mark.parametrize(
    ("dsn", "text"),
    [
        ("postgresql://ana:p4ss@word@h/d", "more than one @"),
        ("postgresql://ana:p4ss%zz@h/d", "the database URL is none"),
        ("p4ssword", "the database URL is none"),
    ],
)
def test_a_url_that_is_none_is_named_without_a_piece_of_its_password(dsn: str, text: str) -> None:
    with pytest.raises(NotUsable, match=text) as raised:
        connect(dsn, application_name="a test")

    assert "p4ss" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(
    ("named", "environ", "is_given"),
    [
        ({"sslmode": "verify-full"}, {}, True),
        ({"sslmode": "verify-ca"}, {}, True),
        ({}, {"PGSSLMODE": "verify-full"}, True),
        ({"sslmode": "require"}, {}, False),
        ({}, {}, False),
        ({"sslmode": "verify-full"}, {"PGSSLROOTCERT": "system"}, False),
    ],
)
def test_who_verifies_and_names_nobody_believes_the_cas_that_lie_beside(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: dict[str, str],
    environ: dict[str, str],
    is_given: bool,
) -> None:
    cas = tmp_path / "rds.pem"
    monkeypatch.setattr(library, "CAS", cas)
    assert authorities(named, environ) == {}

    cas.touch()
    assert authorities(named, environ) == ({"sslrootcert": str(cas)} if is_given else {})
