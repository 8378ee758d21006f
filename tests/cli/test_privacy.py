"""Masks, cuts and durations."""

from __future__ import annotations

import contextlib
import unicodedata
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.cli.output import Output, Row
from b2bpilot.cli.text.durations import parse_duration, parse_since, relative
from b2bpilot.cli.text.plain import width
from b2bpilot.cli.text.privacy import cut, mask_number, mask_numbers, passwords_in, without_secrets
from b2bpilot.errors import UsageError
from b2bpilot.pipeline.dsn import AS_A_URL

NOW = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+15005550006", "+1500***0006"),
        ("whatsapp:+491701234567", "whatsapp:+4917***4567"),
        ("+4512345678", "+451***5678"),
        ("12345678", "1***5678"),
        ("1234567", "***4567"),
        ("12345", "***45"),
        ("1", "***"),
    ],
)
def test_a_masked_number_can_be_compared_but_not_called(number: str, masked: str) -> None:
    assert mask_number(number) == masked


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("call me: +14155550199", "call me: +1415***0199"),
        ("4155550199?", "415***0199?"),
        (f"{'x' * 35} +14155550199", f"{'x' * 35} +141..."),
        ("order 4711", "order 4711"),
    ],
)
def test_a_number_in_a_body_is_masked_before_the_body_is_cut(body: str, shown: str) -> None:
    assert cut(body) == shown


@given(st.text(min_size=3, max_size=30))
def test_a_mask_hides_at_least_three_characters(number: str) -> None:
    shown = mask_number(number).partition("***")
    _, _, rest = number.rpartition(":")
    hidden = len(rest) - len(shown[0].rpartition(":")[2]) - len(shown[2])
    assert hidden >= min(3, len(rest))


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:hunter2@db/pilot",
        'missing "=" after "postgres://me:hunt%er2@x" in connection info',
        "host=db password=hunter2 user=me",
        "password = 'hunt er2'",
        "postgresql://db/pilot?user=me&password=hunter2&sslmode=require",
        "postgresql://me:hunt@er2@db/pilot",
        "host=db sslpassword='hunt er2' user=me",
        "postgresql://db/pilot?sslpassword=hunter2",
        "postgresql://db/pilot?sslpass%77ord=hunter2",
        "postgresql://db/pilot?user=me&%70ass%57ord=hunter2",
        "URL=postgresql://db/pilot?x=y&PASSWORD=hunter2",
        "oauth_client_secret = hunter2",
        "(postgres://b.example/x,a://me:hunter2@db)",
        "9a.postgresql://me:hunter2@db",
    ],
)
def test_passwords_are_blanked_wherever_they_stand(text: str) -> None:
    assert "er2" not in without_secrets(text)
    assert "***" in without_secrets(text)


def test_our_own_example_is_shown_as_it_is() -> None:
    assert without_secrets(AS_A_URL) == AS_A_URL
    assert "hunter2" not in without_secrets("postgresql://USER:hunter2@HOST/d")


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:other@db/pilot?sslpass%77ord=hunt%20er2",
        "postgresql://db/pilot?pass%77ord=other&sslpassword=hunt%20er2",
        r"host=db password=other sslpassword='hunt er2'",
    ],
)
def test_each_password_of_a_url_is_blanked_wherever_else_it_stands(dsn: str) -> None:
    assert without_secrets("hunt er2 and other", *passwords_in(dsn)) == "*** and ***"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 500_000,
        "a://b:" * 75_000,
        "password" * 60_000,
        "password='" * 50_001,
        f"password{' ' * 250_000}",
    ],
)
def test_masking_ends_however_much_a_stranger_writes(text: str) -> None:
    """Where its cost is the square of the length this takes hours; `bench/hostile_input.py` has the figures."""
    assert len(without_secrets(mask_numbers(text))) <= len(text)


def test_a_known_password_is_blanked_without_its_surroundings() -> None:
    secrets = passwords_in("postgresql://me:p%40ssw0rd@db/pilot")
    assert without_secrets("password p@ssw0rd is wrong, so is p%40ssw0rd", *secrets) == (
        "password *** is wrong, so is ***"
    )


def test_a_secret_that_nobody_typed_blanks_nothing() -> None:
    assert without_secrets("TwilioAuthToken is empty", "") == "TwilioAuthToken is empty"


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5d", timedelta(hours=36)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_durations(text: str, duration: timedelta) -> None:
    assert parse_duration(text, "--wait") == duration


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-5s", "5 s", "0s", "5x", "1h-3m", "1_000s", "٣s", "9" * 12 + "d"]
)
def test_what_is_no_duration_is_refused_by_option(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--wait: "):
        parse_duration(text, "--wait")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("2026-09-30", datetime(2026, 9, 30, tzinfo=UTC)),
        ("2026-09-30T12:00+02:00", datetime(2026, 9, 30, 10, tzinfo=UTC)),
    ],
)
def test_since_is_a_duration_or_a_time(text: str, moment: datetime) -> None:
    assert parse_since(text, "--since", now=NOW) == moment


@given(st.text(max_size=20))
def test_no_text_makes_since_fail_otherwise(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert parse_since(text, "--since", now=NOW).tzinfo is not None


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=0.2), "0 s ago"),
        (timedelta(seconds=61), "1 m ago"),
        (timedelta(hours=25), "1 d ago"),
        (timedelta(minutes=-5), "in 5 m"),
    ],
)
def test_relative_times(ago: timedelta, text: str) -> None:
    assert relative(NOW - ago, now=NOW) == text


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=5))
def test_a_table_has_one_line_a_row_whatever_the_cells_hold(rows: list[tuple[str, str]]) -> None:
    piped = StringIO()
    output = Output(stdout=piped, stderr=StringIO())
    output.rows("things", [Row(fields={}, columns={"one": one, "two": two}) for one, two in rows])
    lines = piped.getvalue().split("\n")[:-1]
    assert len(lines) == len(rows) + 1
    characters = set("".join(lines)) - set("\u200d\ufe0f")
    assert {unicodedata.category(character) for character in characters}.isdisjoint(
        {"Cc", "Cf", "Cs", "Zl", "Zp"}
    )


def test_wide_characters_take_two_columns_and_joined_ones_none() -> None:
    assert (width("日本"), width("e\u0301"), width("ok")) == (4, 1, 2)
