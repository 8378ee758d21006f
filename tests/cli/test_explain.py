"""`explain`: what the documents say, from the same data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from b2bpilot import errors
from b2bpilot.cli.explain.command import HEADINGS
from b2bpilot.errors import PilotError
from b2bpilot.ops.explain.texts import EXIT_CODES, FAILURES
from b2bpilot.ops.verify.alarm_table import ALARMS, AlarmDefinition
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Check
from b2bpilot.ops.verify.explanation import Subject
from b2bpilot.pipeline.dead_letter import FailureKind
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
SECTION = re.compile(r"^### (B2B\d{3})\n\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
DOCUMENTED = dict(SECTION.findall((ROOT / "docs" / "checks.md").read_text()))


def words(text: str) -> list[str]:
    return re.findall(r"[^\s*`(),]+", text.replace("- asks:", "asks").replace("- needs:", "needs"))


def test_each_check_is_explained_as_its_document_does(run: Run) -> None:
    told = run("explain", *(check.code for check in CHECKS)).stdout.split("\n\n")

    assert len(told) == len(DOCUMENTED) == len(CHECKS)
    for text in told:
        code = text.split()[0]
        shown = words(text.partition("\n")[2])
        assert [word for word in words(DOCUMENTED[code]) if word not in ("failure", "warning", *shown)] == []
        assert re.search(r"failure|warning", DOCUMENTED[code])[0] in text.partition("\n")[0]  # type: ignore[index]


def test_a_check_has_what_one_does_about_it(run: Run) -> None:
    assert (
        run("explain", "b2b079", "-e", "prod").stdout
        == """\
B2B079  check, database, failure
  The column message_id has its index.
  Without it the processor's ON CONFLICT is refused, and every message becomes a dead letter.
  run
    b2bpilot migrate -e prod --yes
  needs  B2B078
  asks   secretsmanager:GetSecretValue
  docs   docs/checks.md#b2b079
"""
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_each_check_has_a_first_command_and_a_word_on_what_is_to_be_filled_in(check: Check, run: Run) -> None:
    told = run("explain", check.code, "-e", "prod").stdout
    commands = re.findall(r"^    ((?:b2bpilot|aws|psql) .*)$", told, re.MULTILINE)
    filling_in = f"b2bpilot verify -e prod --only {check.code}"

    assert commands
    assert bool(re.search(r"\{\w+\}", commands[0])) == (commands[1:] == [filling_in])


def test_who_finds_the_database_down_reads_what_the_functions_see(run: Run) -> None:
    assert (
        "    b2bpilot logs processor -e prod --since 1h --level error\n"
        in run("explain", "B2B075", "-e", "prod").stdout
    )


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_an_alarm_is_known_by_the_name_that_a_page_has(alarm: AlarmDefinition, run: Run) -> None:
    name = alarm.name
    short, whole = (run("explain", "-o", "json", typed) for typed in (name, f"b2b-pilot-{name}-eu-prod-2"))

    assert short.document == whole.document
    (only,) = short.document["explanations"]
    assert (only["name"], only["subject"]) == (name, "alarm")
    assert only["run"].startswith("b2bpilot ")
    assert only["docs"] == f"docs/troubleshooting.md#{name}"


def test_exit_codes_are_those_of_the_document(run: Run) -> None:
    table = (
        (ROOT / "docs" / "configuration.md")
        .read_text()
        .partition("| exit code | meaning |")[2]
        .partition("\n\n")[0]
    )
    written = dict(re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE))

    told = {one["name"]: one["statement"] for one in run("explain", "exit-codes", "-o", "jsonl").lines}

    assert len(written) == 7
    assert written.items() <= told.items()
    raised = {
        cls.exit_code
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, PilotError)
    }
    assert raised <= EXIT_CODES.keys()


def test_each_cause_and_each_error_code_has_a_meaning(run: Run) -> None:
    codes = {
        cls.code for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, PilotError)
    }
    told = {one["name"]: one["statement"] for one in run("explain", "-o", "jsonl").lines}

    assert FAILURES.keys() == set(FailureKind)
    assert codes | {"unexpected", "interrupted"} <= told.keys()
    assert all(told.values())


def test_a_category_is_all_of_its_checks_and_alarms_are_all_of_both(run: Run) -> None:
    database = run("explain", "-o", "json", "database").document["explanations"]
    alarms = run("explain", "-o", "json", "alarms").document["explanations"]

    assert [one["name"] for one in database] == [
        check.code for check in CHECKS if check.category == "database"
    ]
    assert {"B2B088", "dlq"} < {one["name"] for one in alarms}
    assert run("explain", "e2e").stdout == run("explain", "end-to-end").stdout != ""


def test_several_names_come_in_their_order_and_each_once(run: Run) -> None:
    found = run("explain", "-o", "jsonl", "3", "B2B079", "zero-concurrency", "database_refused", "b2b079")

    assert [one["name"] for one in found.lines] == ["3", "B2B079", "zero concurrency", "database_refused"]


def test_without_a_name_everything_is_listed(run: Run) -> None:
    shown = run("explain").stdout
    sections = [section.splitlines() for section in shown.split("\n\n")]

    assert [heading for heading, *_ in sections] == list(HEADINGS.values())
    listed = {line.split()[0] for _, *lines in sections for line in lines}
    assert listed > {"B2B079", "dlq", "130", "timeout"}
    assert sum(len(lines) for _, *lines in sections) == len(run("explain", "-o", "jsonl").lines)
    assert HEADINGS.keys() == set(Subject)


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        (["b2b79"], "B2B079"),
        (["B2B-079"], "B2B079"),
        (["b2b1"], "B2B001"),
        (["exit 4"], "4"),
        (["exit", "4"], "4"),
        (["exit", "code", "130"], "130"),
        (["Exit-Code-4"], "4"),
        (["rc 4"], "4"),
        (["zero", "concurrency"], "zero concurrency"),
        (["zero_concurrency"], "zero concurrency"),
        (["database refused"], "database_refused"),
        (["exit codes"], "exit-codes"),
        (["exit"], "exit-codes"),
        (["alarm"], "alarms"),
        (["Dead Letters"], "dead-letters"),
    ],
)
def test_a_name_is_taken_as_people_spell_it(typed: list[str], named: str, run: Run) -> None:
    assert run("explain", *typed).stdout == run("explain", named).stdout != ""


def test_a_group_is_said_to_be_one(run: Run) -> None:
    result = run("explain", "G1", "-e", "prod")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: 'G1' is a group of dead letters, as one look at the queue numbered them\n"
        "hint: `b2bpilot dlq list -e prod` shows its cause\n"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("B2B979", "did you mean B2B179, B2B099, B2B097?"),
        ("DeadLetterAlarm", "did you mean dlq, oldest-dead-letter, dead-letter-errors?"),
        ("DLQAlarm", "did you mean dlq?"),
        ("79", "did you mean B2B079?"),
        ("webhook-5x", "did you mean webhook-5xx, webhook-4xx, webhook?"),
        ("b2b-pilot-nothing-prod", "`b2bpilot explain` lists them all"),
        ("", "`b2bpilot explain` lists them all"),
    ],
)
def test_an_unknown_name_is_one_line_with_the_nearest(name: str, hint: str, run: Run) -> None:
    result = run("explain", "B2B001", name)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: {name!r} is not a check, category, alarm, exit code, error code or cause of dead letters\nhint: {hint}\n"
    )
