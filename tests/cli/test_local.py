"""`b2bpilot local` and `-e local` where no environment runs; tests/local has the running one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    home = tmp_path / "local"
    monkeypatch.setenv("B2BPILOT_HOME", str(home))
    return home


def test_status_says_that_nothing_runs(run: Run, home: Path) -> None:
    result = run("local", "status")
    assert result.exit_code == 0
    assert result.stdout == (f"No local environment is running in {home}\nStart one: b2bpilot local up\n")


def test_status_as_json(run: Run, home: Path) -> None:
    document = run("local", "status", "-o", "json").document
    assert document["running"] is False
    assert document["home"] == str(home)


def test_the_home_is_in_the_users_state(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run("local", "status", "-o", "json").document["home"].endswith("/.local/state/b2bpilot/local")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert run("local", "status", "-o", "json").document["home"] == f"{tmp_path}/b2bpilot/local"


def test_down_does_not_claim_to_have_ended_what_did_not_run(run: Run, home: Path) -> None:
    result = run("local", "down")
    assert (result.exit_code, result.stdout) == (0, "No local environment is running\n")


def test_the_local_environment_must_run_to_be_used(run: Run, home: Path) -> None:
    result = run("publish", "-e", "local")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: the local environment is not running\nhint: start it with `b2bpilot local up`\n"
    )


def test_another_endpoint_is_asked_as_the_local_environment_is(run: Run, home: Path) -> None:
    """Without any region or credentials in the shell."""
    result = run("publish", "-e", "local", "--endpoint-url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert 'AWS was not reached: Could not connect to the endpoint URL: "http://127.0.0.1:9' in result.stderr


@pytest.mark.parametrize("option", ["--region", "--profile"])
def test_an_option_that_would_be_ignored_is_refused(run: Run, home: Path, option: str) -> None:
    result = run("publish", "-e", "local", option, "eu-west-1")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {option} has no meaning for the local environment\nhint: leave it out\n"
    )


def test_without_the_extra_it_says_what_to_install(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "b2bpilot.local.control", raising=False)
    monkeypatch.delattr("b2bpilot.local.control", raising=False)
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.delitem(sys.modules, "b2bpilot.local.lock", raising=False)
    result = run("local", "status")
    assert result.exit_code == 1
    assert result.stderr.endswith("(psutil)\nhint: pip install 'b2bpilot[local]'\n")
