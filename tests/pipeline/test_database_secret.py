"""What a secret says of the way to the database, ours or one that RDS manages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from b2bpilot.cli.text.privacy import passwords_in
from b2bpilot.errors import SettingsInvalid
from b2bpilot.pipeline.database_secret import Elsewhere, database_url
from b2bpilot.pipeline.dsn import check_dsn

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-1-AbCdEf"
RDS = {"username": "pilot", "password": "hush"}
WHERE = Elsewhere(host="db.example.com", port="5432", name="b2b")
ROTATED_BY_LAMBDA = {**RDS, "engine": "postgres", "host": "own.example.com", "port": "6432", "dbname": "own"}


def test_our_own_secret_gives_its_url_as_it_is() -> None:
    url = "postgresql://pilot:p%40w@db.example.com/b2b?sslmode=verify-full"
    assert database_url({"DATABASE_URL": url, **RDS}, ARN, Elsewhere()) == url


@pytest.mark.parametrize(
    ("secret", "place"),
    [
        (RDS, ("db.example.com", "5432", "b2b")),
        (ROTATED_BY_LAMBDA, ("own.example.com", "6432", "own")),
        ({**RDS, "host": "own.example.com"}, ("own.example.com", "5432", "b2b")),
    ],
)
def test_a_place_in_the_secret_wins_over_the_parameters(
    secret: dict[str, str], place: tuple[str, str, str]
) -> None:
    parts = conninfo_to_dict(database_url(secret, ARN, WHERE))
    assert (parts["host"], parts["port"], parts["dbname"]) == place
    assert (parts["user"], parts["password"], parts["sslmode"]) == ("pilot", "hush", "verify-full")


@pytest.mark.parametrize(
    ("secret", "elsewhere", "words"),
    [
        ({}, WHERE, "has no DATABASE_URL"),
        ({"DATABASE_URL": ""}, WHERE, "has no DATABASE_URL"),
        ({"username": "hush"}, WHERE, "has no password"),
        ({"username": "hush", "password": ""}, WHERE, "has no password"),
        ({"password": "hush"}, WHERE, "has no username"),
        (RDS, Elsewhere(port="5432", name="b2b"), "has no host, and DatabaseHost gives none"),
        (RDS, Elsewhere(host="h", port="5432"), "has no dbname, and DatabaseName gives none"),
        ({**RDS, "port": "hush"}, WHERE, "has a port that is not a number"),
    ],
)
def test_what_is_missing_or_wrong_is_named_in_one_line_without_what_is_there(
    secret: dict[str, str], elsewhere: Elsewhere, words: str
) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        database_url(secret, ARN, elsewhere)

    assert str(raised.value) == f"secret {ARN} {words}"
    assert raised.value.exit_code == 2
    assert "hush" not in f"{raised.value}{raised.value.hint}"


PASSWORDS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1)


@given(password=PASSWORDS, username=PASSWORDS)
def test_every_character_of_a_password_comes_through(password: str, username: str) -> None:
    secret = {"username": username, "password": password}
    dsn = database_url(secret, ARN, WHERE)

    check_dsn(dsn)
    parts = conninfo_to_dict(dsn)
    assert (parts["user"], parts["password"], parts["host"]) == (username, password, "db.example.com")


@pytest.mark.parametrize(
    "password", ["a://b@c@d", "x schema=y", "it's", "back\\slash", "p%40w", "' host=evil"]
)
def test_an_odd_password_is_blanked_in_what_is_printed(password: str) -> None:
    dsn = database_url({"username": "pilot", "password": password}, ARN, WHERE)

    check_dsn(dsn)
    assert password in passwords_in(dsn)
