"""`b2bpilot submissions`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, Source, message_id_for
from b2bpilot.pipeline.processing import submission_fields
from tests.cli.conftest import Run, Staging

LONG = "Is my order 4711 on its way? I have been waiting for two weeks now."

UNPROVEN = "not proven to be the processor's: no environment was named whose processor could write it"


def sid(number: int) -> str:
    return f"SM{number:032x}"


@pytest.fixture
def three_rows(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Row 0 failed, rows 1 and 2 are completed; 2 is the newest and holds an escape sequence."""
    with DatabaseManager(database_url) as database:
        for number, body in enumerate(["hello", LONG, "\x1b[2Jevil\nsecond line"]):
            message = PilotMessage(
                message_id=message_id_for(sid(number)),
                source=Source.TWILIO,
                received_at=datetime.now(UTC) - timedelta(hours=3 - number),
                params={
                    "MessageSid": sid(number),
                    "From": "whatsapp:+491701234567",
                    "To": "+15005550001",
                    "Body": body,
                    "ProfileName": "Ada Lovelace",
                    "WaId": "491701234567",
                },
            )
            claim = database.claim(message, lease=timedelta(seconds=60))
            assert claim is not None
            if number == 0:
                database.fail(claim, "the CRM is down")
            else:
                database.complete(claim, submission_fields(message))
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", database_url)
    return database_url


def test_the_table_shows_the_newest_first_with_numbers_masked_and_texts_cut(
    run: Run, three_rows: str
) -> None:
    result = run("submissions", "list")
    assert result.exit_code == 0
    assert UNPROVEN in result.stderr
    assert result.stdout == (
        "received  message id                            status     from                   text or error\n"
        f"1 h ago   {message_id_for(sid(2))}  completed  whatsapp:+4917***4567  \\u001b[2Jevil\\nsecond line\n"
        f"2 h ago   {message_id_for(sid(1))}  completed  whatsapp:+4917***4567  "
        "Is my order 4711 on its way? I have been...\n"
        f"3 h ago   {message_id_for(sid(0))}  failed     whatsapp:+4917***4567  the CRM is down\n"
    )


def test_json_is_one_document(run: Run, three_rows: str) -> None:
    document = run("submissions", "list", "-o", "json").document
    assert document["schema_version"] == 1
    assert [row["message_sid"] for row in document["submissions"]] == [sid(2), sid(1), sid(0)]
    assert document["submissions"][1]["body"] == "Is my order 4711 on its way? I have been..."
    assert document["submissions"][1]["from"] == "whatsapp:+4917***4567"


def test_a_row_that_is_not_completed_says_what_its_message_said(run: Run, three_rows: str) -> None:
    row = run("submissions", "list", "--status", "failed", "-o", "json").document["submissions"][0]
    assert (row["from"], row["to"], row["body"]) == ("whatsapp:+4917***4567", "+1500***0001", "hello")


def test_jsonl_is_one_document_a_line(run: Run, three_rows: str) -> None:
    lines = run("submissions", "list", "-o", "jsonl").lines
    assert [(line["schema_version"], line["status"]) for line in lines] == [
        (1, "completed"),
        (1, "completed"),
        (1, "failed"),
    ]


def test_reveal_shows_everything(run: Run, three_rows: str) -> None:
    rows = run("submissions", "list", "--reveal", "-o", "json").document["submissions"]
    assert rows[1]["body"] == LONG
    assert rows[1]["from"] == "whatsapp:+491701234567"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--status", "failed"], [0]),
        (["--status", "completed", "--limit", "1"], [2]),
        (["--since", "1h"], [2, 1, 0]),
        (["--since", "2100-01-01"], []),
        (["--until", "2100-01-01"], [2, 1, 0]),
        (["--until", "2000-01-01"], []),
        (["--from", "+491701234567"], [2, 1, 0]),
        (["--from", "whatsapp:+491701234567", "--status", "failed"], [0]),
        (["--from", "sms:+491701234567"], []),
        (["--from", "+4917012345"], []),
        (["--from", "4917.1234567"], []),
        (["--test"], []),
        (["--no-test", "--all"], [2, 1, 0]),
    ],
)
def test_filters(run: Run, three_rows: str, options: list[str], found: list[int]) -> None:
    rows = run("submissions", "list", *options, "-o", "json").document["submissions"]
    assert [row["message_sid"] for row in rows] == [sid(number) for number in found]


def test_a_limit_that_was_reached_is_said(run: Run, three_rows: str) -> None:
    result = run("submissions", "list", "--limit", "2")
    assert UNPROVEN in result.stderr
    assert (
        result.stderr.splitlines(keepends=True)[-1]
        == "The newest 2; there may be more: --limit N, or --all\n"
    )


def test_no_rows_are_said_on_stderr(run: Run, three_rows: str) -> None:
    result = run("submissions", "list", "--status", "abandoned")
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[1:]) == (
        0,
        "",
        ["No submissions match."],
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--status", "lost"], "--status: 'lost' must be one of pending"),
        (["--since", "yesterday"], "--since: 'yesterday' is neither a duration nor a time"),
        (["--since", "999999999w"], "--since: '999999999w' is"),
        (["--since", "1h", "--until", "2h"], "--until: '2h' is not after --since"),
        (["--limit", "0"], "--limit: '0' must be a whole number of at least 1"),
        (["--limit", "many"], "--limit: 'many' must be a whole number of at least 1"),
        (["--limit", "3", "--all"], "--all and --limit cannot be used together"),
    ],
)
def test_a_bad_filter_is_refused(run: Run, three_rows: str, options: list[str], said: str) -> None:
    result = run("submissions", "list", *options)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {said}")


STUCK = """
    UPDATE b2b_pilot_user_submissions SET status = 'processing', lease_expires_at = now() + %s WHERE message_sid = %s
"""


def test_stuck_lists_what_may_need_a_person_and_says_what_to_do(run: Run, three_rows: str) -> None:
    with psycopg.connect(three_rows) as connection:
        connection.execute(STUCK, ["-1 minute", sid(1)])
        connection.execute(STUCK, ["5 minutes", sid(2)])
        connection.execute(
            "UPDATE b2b_pilot_user_submissions SET updated_at = now() - interval '1 hour' WHERE message_sid = %s",
            [sid(0)],
        )

    result = run("submissions", "stuck", "--exit-code", "-o", "json")

    found = {row["message_sid"]: row["problem"] for row in result.document["submissions"]}
    assert (result.exit_code, found) == (3, {sid(0): "failed", sid(1): "stuck"})
    assert "failed (1 row): fix the cause, then redrive its dead letter" in result.stderr


@pytest.mark.parametrize(
    ("change", "problem", "exit_code"),
    [
        ("status = 'failed', reply_state = NULL, attempts = 1", "retry possible", 0),
        ("status = 'failed', reply_state = NULL, attempts = 3", "failed", 3),
        ("status = 'failed', stale_attempts = 1", "failed", 3),
        ("status = 'abandoned'", "abandoned", 3),
        ("status = 'pending', lease_expires_at = NULL", "stuck", 3),
        ("status = 'completed', reply_state = 'unknown'", "reply unknown", 3),
        ("status = 'processing', reply_state = 'sending', lease_expires_at = now()", "reply unfinished", 3),
    ],
)
def test_each_problem_has_a_name(
    run: Run, three_rows: str, change: LiteralString, problem: str, exit_code: int
) -> None:
    with psycopg.connect(three_rows) as connection:
        connection.execute("DELETE FROM b2b_pilot_user_submissions WHERE status = 'failed'")
        connection.execute(
            "UPDATE b2b_pilot_user_submissions SET " + change + " WHERE message_sid = %s", [sid(1)]
        )
    result = run("submissions", "stuck", "--exit-code")
    assert (result.exit_code, result.stdout.count("\n")) == (exit_code, 2)
    assert problem in result.stdout


def test_of_what_a_row_alone_tells_no_run_of_lambdas_is_promised(run: Run, three_rows: str) -> None:
    with psycopg.connect(three_rows) as connection:
        connection.execute(
            "UPDATE b2b_pilot_user_submissions SET status = 'failed', reply_state = NULL, attempts = 1"
        )
    told = run("submissions", "stuck").stderr
    assert "No row says which it was: `b2bpilot inspect MESSAGE_ID` tells what is known" in told
    assert "Whether these have dead letters is unknown: no environment was named" in told


def test_the_advice_of_each_problem_leads_where_the_command_line_led(run: Run, three_rows: str) -> None:
    with psycopg.connect(three_rows) as connection:
        connection.execute("UPDATE b2b_pilot_user_submissions SET status = 'abandoned', reply_state = NULL")

    told = run("submissions", "stuck", "--region", "eu-west-1").stderr

    assert "`b2bpilot submissions republish --region eu-west-1 MESSAGE_ID`" in told


def test_nothing_stuck_is_said(run: Run, three_rows: str) -> None:
    with psycopg.connect(three_rows) as connection:
        connection.execute("DELETE FROM b2b_pilot_user_submissions WHERE status = 'failed'")
    result = run("submissions", "stuck", "--exit-code")
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[1:]) == (
        0,
        "",
        ["No rows need attention."],
    )


@pytest.mark.parametrize("colon", [": ", ":", " : ", ":\\n  "])
def test_a_sender_is_found_in_a_row_whose_parameters_postgresql_cannot_take_apart(
    run: Run, three_rows: str, colon: str
) -> None:
    """Taking a field out of json fails on a NUL anywhere in it; and who wrote the row may spell JSON in another way."""
    with psycopg.connect(three_rows) as connection:
        connection.execute(
            "UPDATE b2b_pilot_user_submissions SET params ="
            f""" E'{{"Body": "\\\\u0000", "From"{colon}"whatsapp:+491701234567"}}'::json"""
            " WHERE message_sid = %s",
            [sid(0)],
        )
    rows = run("submissions", "list", "--from", "+491701234567", "-o", "json").document["submissions"]
    assert len(rows) == 3


def test_a_row_from_before_the_migration_is_shown_by_its_sid(run: Run, three_rows: str) -> None:
    with psycopg.connect(three_rows) as connection:
        connection.execute(
            "UPDATE b2b_pilot_user_submissions SET message_id = NULL WHERE message_sid = %s", [sid(1)]
        )
    shown = run("submissions", "show", sid(1), "-o", "json").document["submission"]
    assert (shown["message_sid"], shown["message_id"]) == (sid(1), None)


@pytest.mark.parametrize("name", [sid(1), message_id_for(sid(1)), message_id_for(sid(1)).upper()])
def test_a_row_is_shown_by_either_id(run: Run, three_rows: str, name: str) -> None:
    result = run("submissions", "show", name)
    lines = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    assert result.exit_code == 0
    assert lines["message id"].strip() == message_id_for(sid(1))
    assert lines["status"].strip() == "completed, attempts: 1"
    assert lines["from"].strip() == "whatsapp:+4917***4567"


def test_show_hides_the_parameters_that_may_be_about_a_person(run: Run, three_rows: str) -> None:
    params = run("submissions", "show", sid(1), "-o", "json").document["submission"]["params"]
    assert params == {
        "MessageSid": sid(1),
        "From": "whatsapp:+4917***4567",
        "To": "+1500***0001",
        "Body": "Is my order 4711 on its way? I have been...",
        "ProfileName": "***",
        "WaId": "49170***4567",
    }


def test_show_says_when_there_is_no_row(run: Run, three_rows: str) -> None:
    result = run("submissions", "show", sid(9))
    assert result.exit_code == 1
    assert result.stderr.startswith(
        f"error: message {message_id_for(sid(9))} has no row\nhint: it may be on its way"
    )


def test_show_refuses_what_is_no_id(run: Run, three_rows: str) -> None:
    result = run("submissions", "show", "4711", "-o", "json")
    assert result.exit_code == 2
    assert result.document["error"]["message"] == "'4711' is neither a message_id nor a MessageSid"


@pytest.mark.parametrize("options", [["--abandoned"], [sid(1)], [sid(0), "--dry-run"], [sid(9)]])
def test_of_a_database_that_is_not_proven_republish_says_nothing_about_any_row(
    run: Run, staging: Staging, three_rows: str, options: list[str]
) -> None:
    result = run("submissions", "republish", "-e", "staging", *options, "--yes")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "not proven to be the processor's" in result.stderr
    assert "Nothing was published" in result.stderr
    assert not any(
        word in result.stderr for word in ("completed", "nothing to publish", "Left alone", "no row")
    )
