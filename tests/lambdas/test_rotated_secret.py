"""A database's secret as RDS manages it, through the functions: warm containers outlive the role and its password."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from botocore.client import BaseClient
from moto import mock_aws
from psycopg.conninfo import conninfo_to_dict

from b2bpilot.errors import CredentialsRefused, DatabaseRefused, SettingsInvalid
from lambdas.background_processor import handler as processor
from lambdas.stale_message_processor import handler as stale
from tests.aws_clients import client
from tests.events import message, sns_event

TABLE = "b2b_pilot_user_submissions"
ODD = "it's a:/?#[]@ 100%\\ schema=x"
"""A password with everything that a URL would need encoded."""


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 300_000


Rotate = Callable[[str], None]


@pytest.fixture
def roles(database_url: str) -> Iterator[Callable[[str], str]]:
    """Make a role that may do what the functions have to; without one of its name the server lets nobody in."""
    made: list[str] = []
    with psycopg.connect(database_url, autocommit=True) as admin:

        def create(kind: str) -> str:
            name = f"{kind}_{uuid.uuid4().hex[:8]}"
            admin.execute(f"CREATE ROLE {name} LOGIN".encode())
            admin.execute(f"GRANT SELECT, INSERT, UPDATE ON {TABLE} TO {name}".encode())
            made.append(name)
            return name

        yield create
        processor.end()
        stale.end()
        for name in made:
            admin.execute(f"DROP OWNED BY {name}".encode())
            admin.execute(f"DROP ROLE {name}".encode())


@pytest.fixture
def rotate(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[Rotate]:
    """Write another username into the secret, as a rotation does, with the place of the database in the variables."""
    place = conninfo_to_dict(database_url)
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        secrets = client("secretsmanager", "us-east-1")
        arn = secrets.create_secret(Name="rds!db-1", SecretString="{}")["ARN"]
        environment = {
            "DATABASE_SECRET_ARN": arn,
            "DATABASE_HOST": str(place["host"]),
            "DATABASE_PORT": str(place.get("port") or "5432"),
            "DATABASE_NAME": str(place["dbname"]),
            "PROCESSOR_FUNCTION_NAME": "processor",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        def rotate(username: str) -> None:
            fields = json.dumps({"username": username, "password": ODD})
            secrets.put_secret_value(SecretId=arn, SecretString=fields)

        yield rotate
        processor.end()
        stale.end()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of Secrets Manager that were made."""
    made: list[str] = []
    call: Callable[..., Any] = BaseClient._make_api_call

    def recorded(client: BaseClient, operation: str, parameters: Any) -> Any:
        if operation == "GetSecretValue":
            made.append(operation)
        return call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", recorded)
    return made


def run() -> list[str]:
    return processor.handler(sns_event(message()), Context())["outcomes"]


def hang_up(database_url: str, role: str) -> None:
    """End the sessions of a role and let it in no more, as a rotation that takes turns with two users ends."""
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"ALTER ROLE {role} NOLOGIN".encode())
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", (role,)
        )


def test_a_secret_of_rds_leads_the_functions_to_the_database(
    roles: Callable[[str], str], rotate: Rotate
) -> None:
    rotate(roles("pilot"))

    assert run() == ["stored"]
    assert stale.handler({}, None)["claimed"] == 0


def test_a_refused_role_is_read_again_once_and_the_same_run_goes_on(
    database_url: str, roles: Callable[[str], str], rotate: Rotate, reads: list[str]
) -> None:
    old, new = roles("old"), roles("new")
    rotate(old)
    assert run() == ["stored"]
    assert reads == ["GetSecretValue"]

    hang_up(database_url, old)
    rotate(new)

    assert run() == ["stored"]
    assert len(reads) == 2
    assert run() == ["stored"]
    assert len(reads) == 2


def test_what_is_refused_and_was_not_rotated_is_read_once_and_not_tried_again(
    database_url: str, roles: Callable[[str], str], rotate: Rotate, reads: list[str]
) -> None:
    old = roles("old")
    rotate(old)
    run()
    hang_up(database_url, old)

    with pytest.raises(CredentialsRefused, match="not permitted to log in"):
        run()
    assert len(reads) == 2


def test_the_stale_processor_reads_again_too(
    database_url: str, roles: Callable[[str], str], rotate: Rotate, reads: list[str]
) -> None:
    old, new = roles("old"), roles("new")
    rotate(old)
    stale.handler({}, None)
    hang_up(database_url, old)
    rotate(new)

    assert stale.handler({}, None)["claimed"] == 0
    assert len(reads) == 2


def test_a_refusal_that_is_not_of_the_role_reads_nothing_again(
    roles: Callable[[str], str], rotate: Rotate, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_NAME", "no_such_database")
    rotate(roles("pilot"))

    with pytest.raises(DatabaseRefused, match="does not exist") as raised:
        run()
    assert not isinstance(raised.value, CredentialsRefused)
    assert len(reads) == 1


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("DATABASE_HOST", "has no host, and DatabaseHost gives none"),
        ("DATABASE_NAME", "has no dbname, and DatabaseName gives none"),
    ],
)
def test_a_place_that_nobody_names_is_named_and_nothing_of_the_secret_is(
    rotate: Rotate, monkeypatch: pytest.MonkeyPatch, variable: str, words: str
) -> None:
    monkeypatch.delenv(variable)
    rotate("hush")

    with pytest.raises(SettingsInvalid, match=words) as raised:
        run()
    assert "hush" not in str(raised.value)
