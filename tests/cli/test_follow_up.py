"""A printed command works where it is pasted: it carries what this command line was given and the next shell does not have."""

from __future__ import annotations

import shlex

import pytest

from b2bpilot.cli.text.follow_up import completed
from tests.cli.conftest import REGION, Run, Staging

GIVEN = {"env": "local", "endpoint_url": "http://127.0.0.1:4566", "output": "json", "verbose": True}
ID = "7d1eea89-294a-5d6f-8bdc-73898d8ce9cc"
WHERE = "-e local --endpoint-url http://127.0.0.1:4566"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`b2bpilot dlq list` shows why", f"`b2bpilot dlq list {WHERE}` shows why"),
        ("Put it back: b2bpilot dlq restore R1", f"Put it back: b2bpilot dlq restore {WHERE} R1"),
        ("first (b2bpilot dlq list, b2bpilot status)", f"first (b2bpilot dlq list {WHERE}, b2bpilot status {WHERE})"),
        ("   b2bpilot verify -e local --only topic", "   b2bpilot verify --endpoint-url http://127.0.0.1:4566 -e local --only topic"),
        ("b2bpilot --endpoint-url http://a migrate --env=local", "b2bpilot --endpoint-url http://a migrate --env=local"),
        ("back: b2bpilot twilio rollback R; or on: b2bpilot runs resume R", f"back: b2bpilot twilio rollback {WHERE} R; or on: b2bpilot runs resume --endpoint-url http://127.0.0.1:4566 R"),
        ("3 more: b2bpilot runs show R", "3 more: b2bpilot runs show R"),
        ("start it with `b2bpilot local up`", "start it with `b2bpilot local up`"),
        ("see `b2bpilot dlq --help`", "see `b2bpilot dlq --help`"),
        ("see `b2bpilot dlq list --help`", "see `b2bpilot dlq list --help`"),
        ("Test message of b2bpilot verify", "Test message of b2bpilot verify"),
    ],
)  # fmt: skip
def test_a_command_is_completed_once_and_other_words_stay(text: str, expected: str) -> None:
    assert completed(text, GIVEN) == expected
    assert completed(expected, GIVEN) == expected


def test_what_variables_and_files_say_is_not_repeated() -> None:
    assert completed("see `b2bpilot dlq list`", {"output": "json"}) == "see `b2bpilot dlq list`"


def test_a_database_s_password_is_never_in_a_command() -> None:
    found = completed("run `b2bpilot migrate`", {"database_url": "postgresql://me:hunter2@db/pilot"})

    assert found == 'run `b2bpilot migrate --database-url "${B2BPILOT_DATABASE_URL:?}"`'


def test_a_hint_can_be_pasted(run: Run, staging: Staging) -> None:
    """Without the environment it ended with 2: no environment was named."""
    failed = run("submissions", "show", "-e", "staging", "--region", REGION, ID)
    hint = failed.stderr.partition("hint: ")[2]
    command = shlex.split(hint.split("`")[1])

    assert command == ["b2bpilot", "inspect", "-e", "staging", "--region", REGION]
    assert run(*command[1:], ID).exit_code != 2


def test_a_hint_in_a_document_can_be_pasted(run: Run, staging: Staging) -> None:
    failed = run("submissions", "show", "-e", "staging", "-o", "json", ID)

    assert "`b2bpilot inspect -e staging`" in failed.document["error"]["hint"]


def test_a_hint_says_nothing_that_the_shell_knows(
    run: Run, staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2BPILOT_ENV", "staging")

    assert "`b2bpilot inspect`" in run("submissions", "show", ID).stderr
