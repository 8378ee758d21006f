"""`b2bpilot subscribers new`: the folder that a team deploys, and what is refused before anything is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.ops.subscribers.new_folder import Protocol
from b2bpilot.ops.verify.template import parse
from tests.cli.conftest import Run, Staging
from tests.cli.test_subscribers import subscribe

MARK = re.compile("__[A-Z]+__")
NEW = ("subscribers", "new")
FILES = {
    ".gitignore", "Makefile", "README.md", "event.json", "handler.py", "once.py", "rds.pem", "requirements.txt",
    "template.yaml", "test_handler.py",
}  # fmt: skip


@pytest.fixture
def here(run: Run) -> Path:
    """The empty folder that the operator stands in."""
    return Path.cwd()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def policy(folder: Path) -> Any:
    return parse((folder / "template.yaml").read_text())["Resources"]["Subscription"]["Properties"].get(
        "FilterPolicy"
    )


@pytest.mark.parametrize("protocol", Protocol)
def test_a_folder_is_written_the_same_bytes_each_time(run: Run, here: Path, protocol: str) -> None:
    first = run(*NEW, "analytics", "--protocol", protocol, "-o", "json")
    second = run(*NEW, "analytics", "--protocol", protocol, "--dir", "again")

    assert (first.exit_code, second.exit_code) == (0, 0), first.stderr + second.stderr
    assert set(first.document["files"]) == FILES
    assert contents(here / "analytics") == contents(here / "again")
    assert not MARK.findall("".join(path.read_text() for path in (here / "again").iterdir()))


def test_test_messages_are_left_out_unless_told_otherwise(run: Run, here: Path) -> None:
    run(*NEW, "analytics")
    run(*NEW, "audit", "--filter", "{}")

    assert policy(here / "analytics") == {"test": ["false"]}
    assert policy(here / "audit") is None


@pytest.mark.parametrize(
    "name", ["Analytics", "1st", "a_b", "a" * 32, "", "processor", "b2b-pilot", "b2b-pilot-x", "a.b"]
)
def test_a_name_that_the_core_or_aws_would_not_take_is_refused(run: Run, here: Path, name: str) -> None:
    result = run(*NEW, name, "--dir", "folder")

    assert (result.exit_code, result.stdout, list(here.iterdir())) == (2, "", [])
    assert result.stderr.startswith(f"error: {name!r} ")


def test_a_name_that_is_subscribed_already_is_taken(run: Run, here: Path, staging: Staging) -> None:
    subscribe(
        staging,
        "lambda",
        staging.topic_arn.replace("sns", "lambda").rpartition(":")[0]
        + ":function:analytics-b2b-pilot-staging",
    )

    result = run(*NEW, "analytics", "-e", "staging")

    assert (result.exit_code, list(here.iterdir())) == (2, [])
    assert result.stderr.splitlines()[0] == "error: staging has a subscriber analytics already"
    assert run(*NEW, "billing", "-e", "staging").exit_code == 0
