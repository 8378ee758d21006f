"""A processor's container that outlives its secret: what is refused is read anew before the next run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from moto import mock_aws

from b2bpilot.errors import DatabaseUnreachable, PilotError, SettingsInvalid
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import ReplyState
from b2bpilot.twilio.replies import TokenRefused
from lambdas.background_processor import handler as processor
from lambdas.stale_message_processor import handler as stale
from tests.aws_clients import client
from tests.events import message, sns_event
from tests.twilio.double import ACCOUNT_SID, TOKEN, add_number, running_double

UNREACHABLE = "postgresql://pilot:old@127.0.0.1:1/pilot"
OURS, SENDER = "+15005550009", "+15005550006"
Rotate = Callable[..., None]


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 300_000


@pytest.fixture
def rotate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rotate]:
    """Write fields of the secret that the functions read."""
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        secrets = client("secretsmanager", "us-east-1")
        arn = secrets.create_secret(Name="pilot", SecretString="{}")["ARN"]
        monkeypatch.setenv("SECRET_ARN", arn)
        fields: dict[str, Any] = {}

        def rotate(**changes: str) -> None:
            fields.update(changes)
            secrets.put_secret_value(SecretId=arn, SecretString=json.dumps(fields))

        yield rotate
        processor.end()
        stale.end()


def run(event: dict[str, Any]) -> list[str]:
    return processor.handler(event, Context())["outcomes"]


@pytest.mark.parametrize(
    ("old", "error"), [({"DATABASE_URL": UNREACHABLE}, DatabaseUnreachable), ({}, SettingsInvalid)]
)
def test_a_database_url_that_was_rotated_is_used_by_the_next_run(
    rotate: Rotate, database_url: str, old: dict[str, str], error: type[PilotError]
) -> None:
    rotate(**old)
    event = sns_event(message())
    with pytest.raises(error):
        run(event)

    rotate(DATABASE_URL=database_url)

    assert run(event) == ["stored"]


def test_the_functions_do_not_stay_with_a_server_that_only_reads(rotate: Rotate, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {admin.info.dbname} SET default_transaction_read_only = on".encode())
    rotate(DATABASE_URL=database_url)

    with pytest.raises(DatabaseUnreachable, match="read-only"):
        run(sns_event(message()))
    with pytest.raises(DatabaseUnreachable, match="read-only"):
        stale._database().count_by_status()


def test_a_token_that_twilio_refuses_is_read_anew_for_the_next_run(
    rotate: Rotate, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = sns_event(sent := message(params={"From": SENDER, "To": OURS}))
    rotate(DATABASE_URL=database_url, TWILIO_ACCOUNT_SID=ACCOUNT_SID, TWILIO_AUTH_TOKEN="f" * 32)
    monkeypatch.setenv("REPLY_TEXT", "Thanks")
    with running_double() as double:
        add_number(double, OURS)
        monkeypatch.setenv("TWILIO_API_URL", double.url)
        with pytest.raises(TokenRefused):
            run(event)

        rotate(TWILIO_AUTH_TOKEN=TOKEN)

        assert run(event) == ["stored"]
    with DatabaseManager(database_url) as database:
        stored = database.get_submission_by_message_id(sent.message_id)
    assert stored is not None
    assert stored.reply_state is ReplyState.SENT


def test_the_stale_processor_reads_a_rotated_database_url_for_its_next_run(
    rotate: Rotate, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCESSOR_FUNCTION_NAME", "processor")
    rotate(DATABASE_URL=UNREACHABLE)
    with pytest.raises(DatabaseUnreachable):
        stale.handler({}, None)

    rotate(DATABASE_URL=database_url)

    assert stale.handler({}, None)["claimed"] == 0
