"""`b2bpilot subscribers new`: the folder that a team deploys, and what is refused before anything is written."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.errors import AwsDenied, PilotError
from b2bpilot.ops.subscribers.new_folder import Protocol, write
from b2bpilot.ops.verify.template import parse
from tests.cli.conftest import Run, Staging
from tests.cli.test_subscribers import deploy, subscribe

UMASK = os.umask(0o022)
os.umask(UMASK)
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

    told = {
        name: " ".join((here / name / "README.md").read_text().split()) for name in ("analytics", "audit")
    }
    assert "That is a test message, which its filter policy leaves out." in told["analytics"]
    assert "That is a test message, which it takes, too." in told["audit"]
    assert policy(here / "analytics") == {"test": ["false"]}
    assert policy(here / "audit") is None


@pytest.mark.parametrize(
    "name",
    [
        "Analytics",
        "1st",
        "a_b",
        "a" * 32,
        "",
        "processor",
        "b2b-pilot",
        "b2b-pilot-x",
        "a-b2b-pilot-dev",
        "a.b",
    ],
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


def test_a_name_whose_stack_is_there_without_its_subscription_is_taken(
    run: Run, here: Path, staging: Staging
) -> None:
    deploy("analytics-b2b-pilot-staging", {"Queue": {"Type": "AWS::SQS::Queue"}})

    result = run(*NEW, "analytics", "-e", "staging")

    assert (result.exit_code, list(here.iterdir())) == (2, [])
    assert result.stderr.splitlines()[0] == "error: staging has a subscriber analytics already"


def test_a_stack_that_may_not_be_asked_for_is_said_and_hinders_nobody(
    run: Run, here: Path, staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise AwsDenied("AWS denied cloudformation:DescribeStacks", action="cloudformation:DescribeStacks")

    monkeypatch.setattr("b2bpilot.ops.subscribers.discovery.deployed", denied)
    result = run(*NEW, "analytics", "-e", "staging")

    assert (result.exit_code, (here / "analytics").is_dir()) == (0, True)
    assert (
        "Whether staging has a subscriber analytics already is unknown: AWS denied cloudformation:D"
        in result.stderr
    )


def test_an_environment_that_does_not_answer_hinders_nobody(run: Run, here: Path, staging: Staging) -> None:
    """Nothing is deployed yet; a name that cannot be found is another matter."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        silent = run(*NEW, "analytics", "-e", "staging", "--endpoint-url", endpoint)
    stopped = run(*NEW, "audit", "-e", "local")
    unknown = run(*NEW, "billing", "-e", "stagging")

    assert (silent.exit_code, (here / "analytics").is_dir()) == (0, True)
    assert (stopped.exit_code, (here / "audit").is_dir()) == (0, True), stopped.stderr
    assert "Whether local has a subscriber audit already is unknown: " in stopped.stderr
    assert "Whether staging has a subscriber analytics already is unknown: " in silent.stderr
    assert (unknown.exit_code, (here / "billing").exists()) == (2, False)


def occupied(place: Path) -> None:
    place.mkdir()
    (place / ".git").mkdir()


def a_file(place: Path) -> None:
    place.write_text("notes")


def nothing_above(place: Path) -> None:
    place.parent.rmdir()


def a_file_above(place: Path) -> None:
    place.parent.rmdir()
    place.parent.write_text("notes")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (occupied, "is not empty"),
        (a_file, "cannot be used: Not a directory"),
        (nothing_above, "is not there"),
        (a_file_above, "cannot be used: Not a directory"),
    ],
)
def test_a_folder_that_is_not_free_is_left_as_it_is(
    run: Run, here: Path, prepare: Callable[[Path], None], said: str
) -> None:
    place = here / "teams" / "analytics"
    place.parent.mkdir()
    prepare(place)
    before = sorted(here.rglob("*"))

    result = run(*NEW, "analytics", "--dir", str(place))

    assert (result.exit_code, result.stdout, sorted(here.rglob("*"))) == (2, "", before)
    assert said in result.stderr.splitlines()[0]


@pytest.mark.parametrize("folder", [".", "empty", "link", "new/"])
def test_an_empty_folder_is_filled_and_stays_the_same(run: Run, here: Path, folder: str) -> None:
    (here / "empty").mkdir()
    (here / "link").symlink_to(here / "empty")
    if folder == ".":
        os.chdir(here / "empty")

    result = run(*NEW, "analytics", "--dir", folder)

    assert result.exit_code == 0, result.stderr
    assert {path.name for path in Path(folder).iterdir()} == FILES
    assert Path(folder).stat().st_mode & 0o777 == 0o777 & ~UMASK
    assert not [*here.rglob(".new-*")]


def test_an_empty_name_of_a_folder_is_none(run: Run, here: Path) -> None:
    result = run(*NEW, "analytics", "--dir", "")

    assert (result.exit_code, list(here.iterdir())) == (2, [])
    assert result.stderr.splitlines()[0] == "error: --dir is empty"


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_filter_is_called_empty(run: Run, here: Path, text: str) -> None:
    result = run(*NEW, "analytics", "--filter", text)

    assert (result.exit_code, list(here.iterdir())) == (2, [])
    assert result.stderr.splitlines()[0] == "error: --filter is empty"


@pytest.mark.parametrize("is_there", [False, True])
def test_when_a_file_cannot_be_written_none_is(tmp_path: Path, is_there: bool) -> None:
    place = tmp_path / "analytics"
    if is_there:
        place.mkdir()
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(
        PilotError, match=r"could not be written: No such file or directory\. Nothing was written"
    ):
        write(place, {"a": b"1", "b/c": b"2"})

    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("policy", ["{", '{"source": [{"regex": "x"}]}', '{"customer": ["acme"]}'])
def test_a_filter_that_would_not_do_is_refused_in_one_line(run: Run, here: Path, policy: str) -> None:
    result = run(*NEW, "analytics", "--filter", policy)

    assert (result.exit_code, result.stdout, [*here.iterdir()]) == (2, "", [])
    assert result.stderr.startswith("error: --filter: ")
