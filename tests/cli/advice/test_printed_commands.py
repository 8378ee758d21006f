"""What we advise can be run: each command that the code can print is a command of ours, with its options."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from b2bpilot.advice import OF_THE_MACHINE, OF_THE_TABLE, Command, Place, Words, our_command, written
from b2bpilot.ops.dead_letters.archive import archive_path
from b2bpilot.ops.runs.journal import Journal
from tests.cli.advice.printed import ID, RUN, Printed, commands, texts
from tests.cli.advice.reached import asking_the_table
from tests.cli.conftest import ACCOUNT, REGION, Run, Staging

PRINTED = list({one.words: one for one in commands()}.values())
PLACE = Place(
    environment="staging",
    region=REGION,
    profile="on call",
    endpoint_url="http://127.0.0.1:9",
    subscriber="analytics",
)
ENDS = ("credentials_missing", "settings_invalid", "not_found", "run_unknown", "aws_unreachable")
"""What comes after the command line was understood: no profile, no run, nobody who answers."""


def discarding_run(home: Path) -> str:
    """A run of a discard that ended, with the archive that it made."""
    with Journal.create(
        home, command="discard", environment="staging", account_id=ACCOUNT, region=REGION,
        operator="ana", reason=None, parameters={},
    ) as journal:  # fmt: skip
        journal.finish({})
    archive = archive_path(home, journal.run_id)
    archive.parent.mkdir(exist_ok=True)
    archive.touch()
    return journal.run_id


def test_there_are_commands_to_try() -> None:
    assert len(PRINTED) > 40


def is_of_the_machine(printed: Printed) -> bool:
    return any(printed.words[:length] in OF_THE_MACHINE for length in (1, 2))


@pytest.mark.parametrize("printed", PRINTED, ids=lambda one: " ".join(one.words))
def test_a_printed_command_is_understood(
    printed: Printed, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the real program, up to the first question to somebody else: there is no such profile, and no such run."""
    words = shlex.split(Command(printed.words).written(PLACE))
    if words[1:3] == ["dlq", "restore"]:
        words[words.index(RUN)] = discarding_run(tmp_path / "state")
        monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "state"))
    assert words[0] == "b2bpilot"
    if is_of_the_machine(printed):
        assert run(*words[1:], "--help").exit_code == 0
        return
    result = run(*words[1:], "-o", "jsonl")
    code = result.lines[-1].get("error", {}).get("code") if result.stdout else None
    assert code in (*ENDS, None), f"{printed.where}: {result.stdout}{result.stderr}"
    assert (code is None) == (words[1:3] in (["runs", "list"], ["config", "show"]))


def test_no_text_holds_a_command_of_ours() -> None:
    """A command in text cannot know the environment: `our_command` of b2bpilot/advice.py makes one that does."""
    assert list(texts()) == []


@pytest.mark.parametrize("printed", PRINTED, ids=lambda one: " ".join(one.words))
def test_a_printed_command_says_where(printed: Printed) -> None:
    written = Command(printed.words).written(PLACE)
    name = printed.words[:2]
    is_of_the_run = name[0] == "runs"
    asks_nobody = is_of_the_machine(printed)
    assert (" -e staging" in written) is not (is_of_the_run or asks_nobody)
    assert ("--profile 'on call'" in written) is not (
        asks_nobody or name in (("runs", "list"), ("runs", "show"))
    )


@pytest.mark.parametrize("words", [our_command("dlq", "list"), "see " + our_command("dlq", "list")], ids=str)
def test_a_command_is_not_formatted_for_then_nobody_knows_where_it_leads(words: Words) -> None:
    with pytest.raises(TypeError, match="where it must lead"):
        f"{words}"


def test_a_restore_knows_the_environment_of_its_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without -e it ended with 2, "no environment was named"; a variable for another environment does not lead it there."""
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "state"))
    run_id = discarding_run(tmp_path / "state")

    assert "no AWS credentials were found" in run("dlq", "restore", run_id).stderr

    monkeypatch.setenv("B2BPILOT_ENV", "local")
    assert "no AWS credentials were found" in run("dlq", "restore", run_id).stderr
    assert "the local environment is not running" in run("dlq", "restore", run_id, "--force").stderr


def test_a_database_s_password_is_never_in_a_command() -> None:
    place = Place(environment="staging", names_a_database=True)

    assert our_command("migrate").written(place) == (
        'b2bpilot migrate -e staging --database-url "${B2BPILOT_DATABASE_URL:?export it first}"'
    )
    assert our_command("dlq", "export").written(place) == "b2bpilot dlq export -e staging"


def test_each_command_that_asks_the_table_is_printed_with_the_database_that_this_one_asked() -> None:
    """`runs resume` goes on with commands that do."""
    found = asking_the_table()

    assert found | {("runs", "resume")} == OF_THE_TABLE
    place = Place(environment="staging", names_a_database=True)
    for name in [*found, ("diagnose", "errors")]:
        assert " --database-url " in our_command(*name).written(place)


def test_a_command_about_a_subscriber_s_dead_letters_stays_with_it() -> None:
    place = Place(environment="prod", subscriber="analytics")

    assert our_command("dlq", "list").written(place) == "b2bpilot dlq list -e prod --subscriber analytics"
    assert our_command("runs", "show", "R").written(place) == "b2bpilot runs show R"
    assert (
        our_command("dlq", "list", "--subscriber", "audit")
        .written(place)
        .endswith("-e prod --subscriber audit")
    )


def test_the_local_environment_says_by_itself_where_it_is() -> None:
    place = Place(environment="local", region=REGION, profile="mine")

    assert our_command("dlq", "list").written(place) == "b2bpilot dlq list -e local"


@pytest.mark.parametrize(
    ("advice", "expected"),
    [
        ("see " + our_command("dlq", "list"), "see `b2bpilot dlq list -e prod`"),
        ("Go on: " + our_command("runs", "resume", "R"), "Go on: b2bpilot runs resume R"),
        (our_command("dlq", "list") + " shows why", "`b2bpilot dlq list -e prod` shows why"),
        ("back: " + our_command("dlq", "restore", "R") + "; or not", "back: b2bpilot dlq restore -e prod R; or not"),
        ("first (" + our_command("status") + ")", "first (`b2bpilot status -e prod`)"),
        ("3 more: " + our_command("runs", "show", "R"), "3 more: b2bpilot runs show R"),
        (our_command("dlq", "discard", "--reason", "it is spam"), "b2bpilot dlq discard -e prod --reason 'it is spam'"),
        (our_command("dlq", "restore", "R", "-e", "staging"), "b2bpilot dlq restore R -e staging"),
        ("start it with " + our_command("local", "up"), "start it with `b2bpilot local up`"),
    ],
)  # fmt: skip
def test_a_command_stands_in_text_so_that_it_can_be_copied(advice: Words, expected: str) -> None:
    assert written(advice, Place(environment="prod")) == expected


def test_a_hint_can_be_pasted(run: Run, staging: Staging) -> None:
    """Without the environment it ended with 2: no environment was named."""
    failed = run("submissions", "show", "-e", "staging", "--region", REGION, ID)
    command = shlex.split(failed.stderr.partition("hint: ")[2].split("`")[1])

    assert command == ["b2bpilot", "inspect", "-e", "staging", "--region", REGION, ID]
    assert run(*command[1:]).exit_code != 2


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_a_hint_in_a_document_can_be_pasted(form: str, run: Run, staging: Staging) -> None:
    failed = run("submissions", "show", "-e", "staging", "-o", form, ID)
    document = failed.document if form == "json" else failed.lines[-1]

    assert f"`b2bpilot inspect -e staging {ID}`" in document["error"]["hint"]


def test_a_hint_holds_what_only_this_shell_or_folder_knows(
    run: Run, staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2BPILOT_ENV", "staging")
    monkeypatch.setenv("B2BPILOT_REGION", REGION)

    assert f"`b2bpilot inspect -e staging --region {REGION} {ID}`" in run("submissions", "show", ID).stderr
