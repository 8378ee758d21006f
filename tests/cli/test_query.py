"""`--query`, with every command that has JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.cli.app import program
from tests.cli.conftest import Run, Staging
from tests.cli.dlq.dead_letters import DeadLetters

ID = "7d1eea89-294a-5d6f-8bdc-73898d8ce9cc"
RUN = "20261123T194501Z-redrive-3f9a"
ARGUMENTS = {
    "inspect": [ID],
    "submissions show": [ID],
    "submissions republish": [ID, "--dry-run"],
    "dlq show": ["1"],
    "dlq redrive": ["--dry-run"],
    "dlq replay": ["--message-id", ID],
    "dlq discard": ["--dry-run", "--reason", "spam"],
    "dlq export": ["letters.jsonl"],
    "dlq edit": [ID, "--dry-run"],
    "dlq restore": [RUN],
    "runs show": [RUN],
    "runs resume": [RUN],
    "subscribers backfill": ["analytics", "--since", "7d"],
    "subscribers test": ["--param", "Body=hello"],
    "subscribers new": ["analytics"],
    "twilio cutover": ["--to", "stack", "--dry-run"],
    "twilio rollback": [RUN],
    "verify": ["--only", "stack", "--no-e2e"],
    "migrate": ["--dry-run"],
    "explain": ["dlq"],
    "logs": ["webhook"],
}
"""What a command needs, and what keeps it from changing anything."""
BUILDS = {"demo", "deploy", "load", "local up", "local down", "completion install", "subscribers new"}
"""They start or build something; their JSON goes through the same door."""


def commands(group: Any = None, before: str = "") -> Iterator[str]:
    for word, command in (group or program()).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{word} ")
        else:
            yield f"{before}{word}"


COMMANDS = sorted(commands())
QUERIED = [name for name in COMMANDS if name not in BUILDS and not name.startswith("completion")]


def words(name: str) -> list[str]:
    return [*name.split(), *ARGUMENTS.get(name, [])]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_bad_query_is_refused_before_anything_is_done(run: Run, name: str) -> None:
    """Nothing is asked: there is no environment, no credential, no database."""
    result = run(*words(name), "-e", "staging", "--query", "groups[")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[0] == (
        "error: --query: 'groups[' cannot be used: Invalid jmespath expression: Incomplete expression"
    )


def test_a_query_sees_the_document_of_each_command(run: Run, staging: Staging) -> None:
    """An error stays, whatever was asked for."""
    DeadLetters().put("no message", error="broken")
    failed = set()
    for name in QUERIED:
        environment = [] if name in ("explain", "doctor", "config show") else ["-e", "staging"]
        whole = run(*words(name), *environment, "-o", "json")
        Path("letters.jsonl").unlink(missing_ok=True)
        asked = run(*words(name), *environment, "--query", "keys(@)")

        assert asked.exit_code == whole.exit_code, name
        if "error" in whole.document:
            failed.add(name)
            assert asked.document["error"] == whole.document["error"], name
        else:
            assert asked.document == [*whole.document], name
    assert not failed & {
        "status",
        "verify",
        "dlq list",
        "submissions list",
        "runs list",
        "publish",
        "explain",
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("groups[].error", ["the body is not JSON"]),
        ("length(groups)", 1),
        ("groups[?count > `1`]", []),
        ("nothing", None),
        ("{n: saw, whole: complete}", {"n": 1, "whole": True}),
    ],
)
def test_what_is_printed_is_the_answer(run: Run, staging: Staging, query: str, expected: object) -> None:
    DeadLetters().put("no message", error="broken")

    assert json.loads(run("dlq", "list", "-e", "staging", "--query", query).stdout) == expected


def test_each_row_is_asked_by_itself(run: Run, staging: Staging) -> None:
    """A field `error` of a row is no error of the command's."""
    letters = DeadLetters()
    for body in ("no message", "no message", "{}"):
        letters.put(body)

    found = run("dlq", "list", "-e", "staging", "-o", "jsonl", "--query", "[group, count]")

    assert found.lines == [["G1", 2], ["G2", 1]]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "Invalid JMESPath expression: cannot be empty."),
        ("a b", 'Unexpected token: b: Parse error at column 2, token "b" (UNQUOTED_IDENTIFIER)'),
        ("lenght(a)", "there is no function lenght()"),
        ("a[].[join(',', b), sort()]", "sort() takes 1 argument, not 0"),
        ("merge()", "merge() takes at least 1 argument, not 0"),
        ("max_by(a)", "max_by() takes 2 arguments, not 1"),
        ("(" * 5_000 + "a", "it is nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_query_is_one_line(run: Run, query: str, why: str) -> None:
    result = run("explain", "dlq", "--query", query)

    error, hint = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (2, "")
    assert error == f"error: --query: {query!r} cannot be used: {why}"
    assert hint.startswith("hint: write it as in ")


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_a_bad_query_under_json_is_the_document(run: Run, form: str) -> None:
    result = run("explain", "dlq", "-o", form, "--query", "a[")

    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "usage"


@pytest.mark.parametrize("form", ["table", "short", "junit"])
def test_a_query_is_about_json(run: Run, form: str) -> None:
    result = run("verify", "-e", "staging", "-o", form, "--query", "checks")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: --query cannot be used with -o {form}\n")


def test_a_preference_for_tables_is_none_for_a_query(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2BPILOT_OUTPUT", "table")

    assert run("explain", "dlq", "--query", "explanations[].subject").document == ["alarm"]


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_a_query_that_the_document_does_not_fit_hides_nothing(run: Run, form: str) -> None:
    """The command has done its work by then."""
    whole = run("explain", "dlq", "-o", form)
    result = run("explain", "dlq", "-o", form, "--query", "length(schema_version)")

    assert (result.exit_code, result.stdout) == (1, whole.stdout)
    assert result.stderr.startswith(
        "error: --query: 'length(schema_version)': In function length(), invalid type"
    )


def test_an_export_to_stdout_takes_no_query(run: Run, staging: Staging) -> None:
    result = run("dlq", "export", "-", "-e", "staging", "-o", "jsonl", "--query", "letter")

    assert result.exit_code == 2
    assert "--query cannot be used with an export to stdout" in result.stdout
