"""`b2bpilot verify` and `diagnose` on the command line. tests/local/test_verify.py runs them against a whole environment."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import psycopg
import pytest

from b2bpilot.cli.verify.junit import document
from b2bpilot.ops.verify.check import CheckResult, Severity, Status
from tests.cli.conftest import OUTPUTS, Run, Staging, create_stack
from tests.clock import StillClock
from tests.ops.verify.deployments import NOW, check

DATABASE = ("--only", "database")
JUNIT = {
    "testsuites": (set(), set(), ["testsuite*"]),
    "testsuite": (
        {"id", "package", "name", "timestamp", "hostname", "tests", "failures", "errors", "time"},
        {"skipped"},
        ["properties", "testcase*", "system-out", "system-err"],
    ),
    "properties": (set(), set(), []),
    "testcase": ({"name", "classname", "time"}, set(), ["skipped|failure?"]),
    "failure": ({"message", "type"}, set(), []),
    "skipped": (set(), set(), []),
    "system-out": (set(), set(), []),
    "system-err": (set(), set(), []),
}
"""Each element's needed and further attributes, and its children in their order, as both common schemas have them."""


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def assert_valid(element: ET.Element) -> None:
    needed, further, children = JUNIT[element.tag]
    assert needed <= element.attrib.keys() <= needed | further
    pattern = "".join(
        f"(?:(?:{part.rstrip('*?')}) ){part[-1] if part[-1] in '*?' else ''}" for part in children
    )
    assert re.fullmatch(pattern, "".join(f"{child.tag} " for child in element))
    for child in element:
        assert_valid(child)


def test_what_is_right_ends_with_0_and_a_line_for_each(run: Run, staging: Staging) -> None:
    found = run("verify", "-e", "staging", *DATABASE)
    heading, *lines, _, summary = found.stdout.splitlines()

    assert found.exit_code == 0
    assert heading == "database"
    assert all(re.match(r"  ok       B2B\d{3}  ", line) for line in lines)
    assert summary == f"{len(lines)} ok"
    assert found.stderr == f"Checking staging: {len(lines)} checks\n"


def test_what_failed_is_explained_with_the_command_alone_on_its_line(
    run: Run, staging: Staging, database_url: str
) -> None:
    execute(database_url, "DROP INDEX idx_user_submissions_message_id")
    found = run("verify", "-e", "staging", "--only", "B2B079")

    assert found.exit_code == 1
    assert found.stdout == (
        "database\n"
        "  FAILED   B2B079  b2b_pilot_user_submissions has no index idx_user_submissions_message_id\n"
        "           check  that the column message_id has its index\n"
        "           why    Without it the processor's ON CONFLICT is refused, and every message becomes a dead letter.\n"
        "           more   b2bpilot explain B2B079\n"
        "           run\n"
        "             b2bpilot migrate -e staging --region eu-west-1 --yes\n"
        "\n"
        "0 ok, 1 failed\n"
    )


def test_short_tells_only_what_is_wrong(run: Run, staging: Staging, database_url: str) -> None:
    execute(database_url, "DROP INDEX idx_user_submissions_message_id")
    found = run("verify", "-e", "staging", *DATABASE, "-o", "short")
    wrong, summary = found.stdout.splitlines()

    assert wrong == (
        "FAILED  B2B079  b2b_pilot_user_submissions has no index idx_user_submissions_message_id "
        "(check: that the column message_id has its index); run: b2bpilot migrate -e staging --region eu-west-1 --yes"
    )
    assert re.fullmatch(r"13 ok, 1 failed, \d+ skipped", summary)


def test_a_warning_counts_only_when_it_is_to(run: Run, staging: Staging, database_url: str) -> None:
    execute(
        database_url,
        "INSERT INTO b2b_pilot_user_submissions (message_id, status, reply_state) VALUES ('a', 'completed', 'unknown')",
    )

    assert run("verify", "-e", "staging", "--only", "B2B102").exit_code == 0
    assert run("verify", "-e", "staging", "--only", "B2B102", "--strict").exit_code == 1


def test_json_is_one_document_and_jsonl_a_line_for_each(run: Run, staging: Staging) -> None:
    whole = run("verify", "-e", "staging", *DATABASE, "-o", "json").document
    *lines, last = run("verify", "-e", "staging", *DATABASE, "-o", "jsonl").lines

    everything = {"ok": len(lines), "warning": 0, "failed": 0, "skipped": 0}
    assert whole["summary"] == last["summary"] == everything
    assert [one["code"] for one in lines] == [one["code"] for one in whole["checks"]]


def test_junit_has_a_suite_for_each_category_and_keeps_to_the_schema(
    run: Run, staging: Staging, database_url: str
) -> None:
    execute(database_url, "DROP INDEX idx_user_submissions_message_id")
    found = run("verify", "-e", "staging", "--only", "access", *DATABASE, "-o", "junit")
    root = ET.fromstring(found.stdout)
    (_, suite) = root

    assert found.exit_code == 1
    assert_valid(root)
    assert [one.get("name") for one in root] == ["access", "database"]
    counts = {name: int(suite.get(name, "")) for name in ("tests", "failures", "skipped")}
    cases = len(list(suite.iter("testcase")))
    assert counts == {"tests": cases, "failures": 1, "skipped": cases - 14}
    (failure,) = suite.iter("failure")
    assert failure.text is not None
    assert "run: b2bpilot migrate -e staging --region eu-west-1 --yes" in failure.text


@pytest.mark.parametrize(("strict", "failures"), [(False, "0"), (True, "1")])
def test_junit_takes_what_xml_cannot_say_and_counts_warnings_when_they_count(
    strict: bool, failures: str
) -> None:
    odd = CheckResult(
        check=check("B2B901", severity=Severity.WARNING), status=Status.WARNING, seen="\x1b[31m<&> \ud800"
    )
    root = ET.fromstring(document("staging", [odd], at=NOW, strict=strict))

    assert_valid(root)
    assert root[0].get("failures") == failures


def test_short_and_junit_belong_to_verify_alone(run: Run, staging: Staging) -> None:
    found = run("submissions", "list", "-e", "staging", "-o", "junit")

    assert found.exit_code == 2
    assert "'junit' (from --output) must be one of table, json, jsonl" in found.stderr


def test_an_unknown_form_names_all_that_verify_has(run: Run, staging: Staging) -> None:
    found = run("verify", "-e", "staging", "-o", "xml")

    assert found.exit_code == 2
    assert "must be one of table, json, jsonl, short, junit" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--only", "databse"), "--only: 'databse' is neither a check's code nor a category"),
        (("--only", "stack", "--skip", "stack"), "no check is left to run"),
        (("--no-e2e", "--keep"), "--keep cannot be used with --no-e2e"),
        (("--check-timeout", "soon"), "--check-timeout: 'soon' is not a duration"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, arguments: tuple[str, ...], told: str) -> None:
    found = run("verify", "-e", "staging", *arguments)

    assert found.exit_code == 2
    assert told in found.stderr
    assert found.stdout == ""


def test_in_production_nothing_is_sent_unless_somebody_says_so(run: Run, staging: Staging) -> None:
    create_stack("prod", {**OUTPUTS, "TopicArn": staging.topic_arn, "SecretArn": staging.secret_arn})
    found = run("verify", "-e", "prod", "--only", "end-to-end")

    assert (
        "B2B096  not confirmed: there is no terminal to confirm at; --yes sends it (check: that a test message becomes a row)"
    ) in found.stdout
    assert "0 ok, 3 skipped" in found.stdout
    assert staging.messages() == []


@pytest.mark.parametrize("chosen", [("--only", "twilio"), ("--only", "end-to-end", "--no-e2e")])
def test_checks_that_are_all_left_out_are_no_success(
    run: Run, staging: Staging, chosen: tuple[str, ...]
) -> None:
    found = run("verify", "-e", "staging", *chosen)
    assert found.exit_code == 2
    assert "error: nothing was checked: " in found.stderr


def test_a_hopeless_state_is_not_waited_for(run: Run, staging: Staging) -> None:
    create_stack("old", {"Environment": "old"})
    found = run("verify", "-e", "old", "--only", "access", "--only", "stack", "--wait", "10m")

    assert found.exit_code == 1
    assert "stack b2b-pilot-old (CREATE_COMPLETE) lacks the outputs" in found.stdout
    assert "Waiting" not in found.stderr


@pytest.mark.parametrize("only", [(), ("--only", "database"), ("--only", "B2B010", "-o", "junit")])
def test_an_environment_that_is_not_there_is_wrong_usage(
    run: Run, staging: Staging, only: tuple[str, ...]
) -> None:
    found = run("verify", "-e", "stagin", *only)

    assert found.exit_code == 2
    assert found.stderr.startswith("error: no environment 'stagin': stack b2b-pilot-stagin does not exist")
    assert "found there: staging" in found.stderr
    assert found.stdout == ""


def test_a_setting_that_is_missing_is_wrong_usage(run: Run) -> None:
    found = run("verify", "-e", "staging", "--no-e2e")

    assert found.exit_code == 2
    assert found.stderr.startswith("error: no AWS region is set")
    assert found.stdout == ""


def test_production_that_is_not_there_is_told_before_anything_is_asked(run: Run, staging: Staging) -> None:
    found = run("verify", "-e", "production", "--yes")

    assert found.exit_code == 2
    assert "Send it?" not in found.stderr


def test_an_environment_that_is_not_there_yet_is_waited_for(
    run: Run, staging: Staging, clock: StillClock
) -> None:
    """The deploy ends while the command pauses."""
    outputs = {**OUTPUTS, "TopicArn": staging.topic_arn, "SecretArn": staging.secret_arn}
    clock.at[1] = lambda: create_stack("new", outputs)
    found = run("verify", "-e", "new", "--only", "B2B010", "--wait", "10m")

    assert found.exit_code == 0
    assert "for B2B010: no environment 'new': stack b2b-pilot-new does not exist" in found.stderr
    assert found.stdout.endswith("1 ok\n")


@pytest.fixture
def silent_aws() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_an_aws_that_hangs_fails_one_check_and_keeps_nobody_waiting(
    run: Run, silent_aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    found = run(
        *("verify", "-e", "staging", "--region", "eu-west-1", "--endpoint-url", silent_aws),
        *("--check-timeout", "500ms", "-o", "json"),
    )
    by_code = {one["code"]: one for one in found.document["checks"]}

    assert found.exit_code == 1
    assert by_code["B2B001"]["seen"] == "no answer within 0.5 s"
    assert by_code["B2B010"]["status"] == by_code["B2B096"]["status"] == "skipped"


def test_the_policies_are_printed_without_asking_anybody(run: Run) -> None:
    found = run("verify", "--print-iam", "-o", "json")
    policy = found.document["policies"]["submissions list"]

    assert found.exit_code == 0
    assert {action for one in policy["Statement"] for action in one["Action"]} == {
        "cloudformation:DescribeStacks",
        "secretsmanager:GetSecretValue",
    }


def test_the_policies_name_an_environment_that_can_be_found(run: Run, staging: Staging) -> None:
    found = run("verify", "--print-iam", "-e", "staging")
    heading, _, rest = found.stdout.partition("\n")

    assert heading == "b2bpilot publish"
    assert json.loads(rest.partition("\n\n")[0])["Version"] == "2012-10-17"
    assert staging.secret_arn in found.stdout
    assert "ACCOUNT" not in found.stdout


@pytest.mark.parametrize("symptom", ["not-processed", "duplicates", "errors", "cost"])
def test_a_diagnosis_of_an_environment_that_is_not_there_is_refused(
    symptom: str, run: Run, staging: Staging
) -> None:
    found = run("diagnose", "-e", "stagin", symptom)

    assert found.exit_code == 2
    assert "error: no environment 'stagin'" in found.stderr
    assert found.stdout == ""


def test_a_diagnosis_takes_no_silence_for_a_cause(run: Run, staging: Staging) -> None:
    nowhere = "postgresql://pilot:secretpassword@127.0.0.1:1/b2bpilot"
    options = ("-e", "staging", "duplicates", "--database-url", nowhere, "--exit-code")
    found = run("diagnose", *options)
    (diagnosis,) = run("diagnose", *options, "-o", "json").document["diagnoses"]

    assert found.exit_code == 0
    assert "not known: no connection to b2bpilot at 127.0.0.1" in found.stdout
    assert "FOUND" not in found.stdout
    assert diagnosis["found"] == 0
    assert {one["answered"] for branch in diagnosis["hypotheses"] for one in branch["evidence"]} >= {False}


def test_the_cost_of_a_stack_begins_with_the_stack_in_plain_figures(run: Run, staging: Staging) -> None:
    found = run("diagnose", "-e", "staging", "cost")
    document = run("diagnose", "-e", "staging", "cost", "-o", "json")

    assert found.exit_code == 0, found.stderr
    first, pipeline, monitoring, *_ = found.stdout.splitlines()
    assert re.fullmatch(r"Since the stack was created, \d+ s ago, and a whole month like it", first)
    assert pipeline.split() == ["this", "pipeline", "under", "$0.01", "not", "known"]
    assert monitoring.split()[-4:] == ["under", "$0.01", "not", "known"]
    assert "what is charged whatever runs is $8.10 a month" in found.stdout
    assert not re.search(r"\$[\d.]+e", found.stdout)
    cost = document.document["cost"]
    assert cost["since_creation"] is True
    assert cost["pipeline"] == {"so_far": cost["pipeline"]["so_far"], "month": None}
    assert [one["name"] for one in cost["items"]["monitoring"]] == [
        "alarms",
        "metrics",
        "dashboard",
        "metrics read",
    ]


def test_one_check_is_no_checks(run: Run, staging: Staging) -> None:
    assert run("verify", "-e", "staging", "--only", "B2B010").stderr == "Checking staging: 1 check\n"


def test_a_diagnosis_needs_a_known_symptom(run: Run, tmp_path: Path) -> None:
    found = run("diagnose", "-e", "staging", "slow")

    assert found.exit_code == 2
    assert "not-processed" in found.stderr
