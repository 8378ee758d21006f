"""A first deploy as a person at a terminal meets it: where it goes, what it asks, and that no secret is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from b2bpilot.aws.session import AwsAccess
from tests.cli.terminal import Session, at_a_terminal


@pytest.fixture
def deploying(plain_emulator: AwsAccess, tmp_path: Path) -> Iterator[Session]:
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-west-1",
    }
    arguments = ("deploy", "-e", "asked", "--endpoint-url", str(plain_emulator.endpoint_url), "--no-build")
    with at_a_terminal(*arguments, environment=environment) as session:
        yield session


def test_it_asks_for_what_has_no_value_and_hides_secrets(deploying: Session) -> None:
    deploying.wait_for("> ")
    assert "eu-west-1, as arn:aws:" in deploying.screen, "where it goes comes first"
    deploying.type(f"AC{'0' * 32}\n")
    deploying.wait_for("(not shown) ")
    deploying.type("hunter2\n")
    deploying.wait_for("DatabaseUrl: ")
    assert "hunter2" not in deploying.screen
    deploying.screen = deploying.screen.rpartition("DatabaseUrl: ")[2]
    deploying.wait_for("(not shown) ")
    deploying.type("postgresql://u:hunter2@db.example/x\n")
    deploying.wait_for("Continue? [y/N] ")
    deploying.type("n\n")
    assert deploying.exit_code() == 5
    assert "hunter2" not in deploying.screen


def test_ctrl_d_at_a_secret_changes_nothing(deploying: Session) -> None:
    deploying.wait_for("> ")
    deploying.type(f"AC{'0' * 32}\n")
    deploying.wait_for("(not shown) ")
    deploying.type("\x04")
    assert deploying.exit_code() == 5
    assert "not confirmed. Nothing was changed" in deploying.screen


def test_a_value_that_does_not_fit_is_named_and_not_shown(deploying: Session) -> None:
    deploying.wait_for("> ")
    deploying.type("hunter2\n")
    assert deploying.exit_code() == 2
    assert (
        "error: parameter TwilioAccountSid is not valid: it must be AC and 32 hexadecimal" in deploying.screen
    )
