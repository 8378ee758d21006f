"""`b2bpilot publish`."""

from __future__ import annotations

from tests.cli.conftest import Run, Staging

MESSAGE_ID = "6a2a4cf4-5b3e-4f0e-9d62-6e9f2c4d7a10"


def test_a_published_message_is_a_test_message_from_the_cli(run: Run, staging: Staging) -> None:
    result = run("publish", "-e", "staging", "--body", "hello", "--message-id", MESSAGE_ID)
    (sent,) = staging.messages()
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Published test message {MESSAGE_ID} (SNS ")
    assert sent["body"]["params"]["Body"] == "hello"
    assert sent["body"]["test"] is True
    assert sent["attributes"] == {
        "message_id": MESSAGE_ID,
        "source": "cli",
        "message_type": "test",
        "priority": "normal",
        "test": "true",
    }
