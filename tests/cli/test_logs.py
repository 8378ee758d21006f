"""`b2bpilot logs`: what it refuses and what it says. tests/local follows real functions."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run, Staging


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mailer"], "there is no function 'mailer'\nhint: one of webhook, processor, stale, redriver"),
        (["--level", "loud"], "--level: 'loud' must be one of"),
        (["--message-id", "4711"], "'4711' is neither a message_id nor a MessageSid"),
        (["--request-id", 'a" b'], "--request-id: 'a\" b' is not a request id"),
        (["--follow", "--until", "1m"], "--follow cannot be used with --until or -o json"),
        (["--follow", "-o", "json"], "--follow cannot be used with --until or -o json"),
        (["--since", "1h", "--until", "2h"], "--until: '2h' is not after --since"),
        (["--until", "1h"], "--until: '1h' is not after --since"),
        (["--filter", ""], "--filter: '' matches every line"),
        (["--since", "yesterday"], "--since: 'yesterday' is neither a duration nor a time"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, staging: Staging, arguments: list[str], said: str) -> None:
    result = run("logs", "-e", "staging", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr + result.stdout


def test_a_log_group_that_does_not_exist_yet_is_said(run: Run, staging: Staging) -> None:
    result = run("logs", "stale", "-e", "staging")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(
        "stale: there is no log group /aws/lambda/b2b-pilot-stale-message-processor-staging (yet)"
    )
