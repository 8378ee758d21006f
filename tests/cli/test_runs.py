"""`b2bpilot runs`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from b2bpilot.ops.recipient import Recipient
from b2bpilot.ops.redrive.options import NO_LIMIT, RedriveOptions
from b2bpilot.ops.redrive.run import PLAN_COMPLETE
from b2bpilot.ops.redrive.via import RedriveVia
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import RunState, read
from tests.aws_clients import client
from tests.cli.conftest import Run, Staging
from tests.cli.dlq.dead_letters import DeadLetters, at_a_terminal
from tests.events import message, notification

Begin = Callable[..., Journal]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "pilot"))
    return tmp_path / "pilot"


@pytest.fixture
def begin(home: Path) -> Begin:
    """Begin a run that started `hours` ago."""

    def begin(
        command: str = "redrive", *, hours: int = 1, environment: str = "staging", **parameters: object
    ) -> Journal:
        return Journal.create(
            home,
            command=command,
            environment=environment,
            account_id="123456789012",
            region="eu-west-1",
            operator="ana@laptop",
            reason="constraint dropped",
            parameters=parameters,
            clock=lambda: datetime.now(UTC) - timedelta(hours=hours),
        )

    return begin


def entry(event: str, dead_letter: str, **fields: object) -> dict[str, object]:
    return {"event": event, "queue_message_id": dead_letter, "message_id": f"message-{dead_letter}", **fields}


def test_no_runs_are_said(run: Run, home: Path) -> None:
    result = run("runs", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert str(home / "runs") in result.stderr


@pytest.mark.parametrize(
    "command", [("runs", "list"), ("runs", "show", "x"), ("publish", "text", "-e", "staging")]
)
def test_a_folder_of_runs_that_is_none_is_said(
    command: tuple[str, ...], run: Run, home: Path, staging: Staging
) -> None:
    """And no journal's name is tried again for ever."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "runs").touch()

    result = run(*command)

    assert result.exit_code == 1
    assert str(home / "runs") in result.stderr
    assert "Not a directory" in result.stderr


def test_the_list_says_state_age_operator_result_and_reason(run: Run, begin: Begin) -> None:
    with begin(hours=3) as done:
        done.finish({"completed": 1_200, "failed": 0, "set_aside": 3})
    with begin("discard", hours=2) as killed:
        killed.write(entry("planned", "a"), entry("planned", "b"), entry("deleted", "a"))
    alive = begin(hours=1, environment="prod")
    lines = run("runs", "list").stdout.splitlines()
    alive.close()
    assert [line.split()[:2] for line in lines[1:]] == [
        [alive.run_id, "running"],
        [killed.run_id, "interrupted"],
        [done.run_id, "finished"],
    ]
    assert (
        lines[3].split(None, 2)[2].split("  ")[-1]
        == "dead letters: completed 1,200, set aside 3; constraint dropped"
    )
    assert "1 deleted, 1 not begun; constraint dropped" in lines[2]
    assert "prod" in lines[1]
    assert "1 h ago" in lines[1]
    assert "ana@laptop" in lines[1]


def test_only_an_environment_named_on_the_line_filters(
    run: Run, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for environment in ("staging", "prod"):
        begin(environment=environment).close()
    monkeypatch.setenv("B2BPILOT_ENV", "prod")
    assert len(run("runs", "list", "-o", "jsonl").lines) == 2
    assert [line["environment"] for line in run("runs", "list", "-e", "prod", "-o", "jsonl").lines] == [
        "prod"
    ]
    assert "No runs of environment dev in " in run("runs", "list", "-e", "dev").stderr
    result = run("runs", "list", "--limit", "1", "-o", "json")
    assert len(result.document["runs"]) == 1
    assert "--limit" in result.stderr


def test_show_tells_the_outcome_of_each_message_that_did_not_go_well(run: Run, begin: Begin) -> None:
    with begin(via="async") as journal:
        journal.write(entry("deleted", "a"), entry("proof", "a", fate="completed"))
        journal.write(entry("deleted", "b"), entry("proof", "b", fate="failed again", reason="no customer"))
        journal.write(entry("sending", "c"), entry("planned", "d", decision="set aside"))
    result = run("runs", "show", journal.run_id)
    assert result.exit_code == 0
    assert "reason       constraint dropped" in result.stdout
    assert "parameters   via async" in result.stdout
    assert "message-a" not in result.stdout
    assert "deleted; row failed again" in result.stdout
    assert "no customer" in result.stdout
    assert "unknown: perhaps sent" in result.stdout
    assert "left: set aside" in result.stdout
    assert "1 more without problems: --all" in result.stderr
    assert f"b2bpilot runs resume {journal.run_id}" in result.stderr
    assert "message-a" in run("runs", "show", journal.run_id, "--all").stdout


def test_what_the_run_was_told_is_shown_in_words(run: Run, begin: Begin) -> None:
    told = {
        "via": "invoke",
        "include_completed": False,
        "include_poison": True,
        "max_failures": 0.25,
        "rate": None,
        "wait_seconds": 3.0,
        "limit": 1000,
        "selection": {"error": "no customer", "message_ids": ["a", "b"]},
    }
    begin(**told).close()
    assert (
        "parameters   via invoke, include poison, max failures 25%, wait 3 s, limit 1,000, error no customer, "
        "message ids a and b\n"
    ) in run("runs", "show", "20").stdout
    assert run("runs", "show", "20", "-o", "json").document["run"]["parameters"] == told


def test_a_run_without_a_limit_names_none(run: Run, begin: Begin) -> None:
    begin(via="invoke", limit=NO_LIMIT).close()
    assert "parameters   via invoke\n" in run("runs", "show", "20").stdout


def test_a_redrive_inside_aws_is_named_as_it_is_typed(run: Run, begin: Begin) -> None:
    begin("redrive-lambda").close()
    assert "command      dlq redrive --engine lambda\n" in run("runs", "show", "20").stdout


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([("planned", {"decision": "send"})], "not begun"),
        ([("failed", {"error": "no customer"}), ("proof", {"fate": "unknown"})], "failed; row undecided"),
        ([("sending", {})], "unknown: perhaps sent"),
        ([("sending", {}), ("proof", {"fate": "unknown"})], "perhaps sent; row undecided"),
        ([("sending", {}), ("proof", {"fate": "completed"})], "perhaps sent; row completed"),
    ],
)
def test_an_outcome_says_of_dead_letter_and_row_what_is_known(
    run: Run, begin: Begin, entries: list[tuple[str, dict[str, object]]], said: str
) -> None:
    with begin() as journal:
        journal.write(*(entry(event, "a", **fields) for event, fields in entries))
    line = run("runs", "show", journal.run_id).stdout.splitlines()[-1]
    assert re.split("  +", line)[2] == said


def test_a_cut_over_names_what_it_changed_and_no_queue(run: Run, begin: Begin) -> None:
    with begin("cutover") as journal:
        journal.write({"event": "accepted", "queue_message_id": "PN1"})
    lines = run("runs", "show", journal.run_id, "--all").stdout.splitlines()
    assert lines[-2].split() == ["what", "was", "changed", "outcome", "why"]
    assert lines[-1].split() == ["PN1", "changed", "-"]


@pytest.mark.parametrize(
    ("command", "key", "headings"),
    [
        ("publish", "a#2", ["message id", "message and copy", "outcome", "why"]),
        ("load", "3.1", ["message id", "request", "outcome", "why"]),
        ("republish", "a", ["message id", "outcome", "why"]),
        ("reconcile", "SM1", ["message id", "message sid", "outcome", "why"]),
        ("restore", "q1", ["message id", "former id in the queue", "outcome", "why"]),
        ("redrive", "q1", ["message id", "id in the queue", "outcome", "why"]),
        ("a later one", "x", ["message id", "key", "outcome", "why"]),
    ],
)
def test_each_command_names_its_keys(
    run: Run, begin: Begin, command: str, key: str, headings: list[str]
) -> None:
    """Old journals, too: the heading is the command's, and in no journal."""
    with begin(command) as journal:
        journal.write({"event": "sending", "queue_message_id": key, "message_id": "a"})
    heading = run("runs", "show", journal.run_id).stdout.splitlines()[-2]
    assert re.split("  +", heading) == headings
    document = run("runs", "show", journal.run_id, "-o", "json").document
    assert document["messages"][0]["queue_message_id"] == key
    assert document["run"]["key"] == (headings[1] if len(headings) > 3 else None)
    assert document["run"]["so_far"] == {"unknown": 1}


@pytest.mark.parametrize(
    ("command", "event", "said"),
    [
        ("redrive", "removing", "unknown: perhaps deleted"),
        ("redrive", "accepted", "accepted, the dead letter perhaps deleted"),
        ("edit", "accepted", "sent, the original perhaps deleted"),
        ("discard", "archived", "unknown: perhaps deleted"),
        ("restore", "sending", "unknown: perhaps put back"),
        ("cutover", "sending", "unknown: perhaps changed"),
        ("redrive-lambda", "planned", "unknown: perhaps redriven inside AWS"),
        ("load", "unknown", "unknown: perhaps accepted"),
    ],
)
def test_what_was_under_way_when_a_run_ended_is_unknown(
    run: Run, begin: Begin, command: str, event: str, said: str
) -> None:
    with begin(command) as journal:
        journal.write(entry(event, "a"), entry("failed", "b"))
    shown = run("runs", "show", journal.run_id).stdout
    assert said in shown
    told = f"{said.replace(': ', ' (')})" if said.startswith("unknown") else said
    unit = {"cutover": "changes: ", "load": ""}.get(command, "dead letters: ")
    assert f"result       {unit}1 {told}, 1 failed\n" in shown


def test_json_holds_all_messages(run: Run, begin: Begin) -> None:
    with begin() as journal:
        journal.write(entry("deleted", "a"), entry("proof", "a", fate="completed"))
        journal.finish({"completed": 1})
    document = run("runs", "show", journal.run_id[:16], "-o", "json").document
    assert document["run"]["state"] == "finished"
    assert document["run"]["counts"] == {"completed": 1}
    assert document["messages"] == [
        {
            "queue_message_id": "a",
            "message_id": "message-a",
            "outcome": "deleted; row completed",
            "stage": "deleted",
            "decision": None,
            "fate": "completed",
            "error": None,
            "well": True,
        }
    ]


@pytest.mark.parametrize(
    "typed", ["runs show nothing", "runs resume nothing", "twilio rollback nothing", "dlq restore nothing"]
)
def test_a_run_that_is_not_there_is_a_wrong_word_as_a_fixture_is(run: Run, begin: Begin, typed: str) -> None:
    result = run(*typed.split())
    assert result.exit_code == run("publish", "nothing", "-e", "staging").exit_code == 2
    assert "b2bpilot runs list" in result.stderr


def test_a_running_run_is_not_resumed(run: Run, begin: Begin, staging: Staging) -> None:
    with begin("discard") as journal:
        result = run("runs", "resume", journal.run_id, "--yes")
    assert result.exit_code == 5
    assert "still runs" in result.stderr


def test_a_redrive_that_came_to_its_end_is_not_resumed(run: Run, begin: Begin, staging: Staging) -> None:
    with begin() as journal:
        journal.write({"event": "plan complete", "letters": 0})
        journal.finish({"completed": 0})
    before = journal.path.read_text()
    result = run("runs", "resume", journal.run_id, "--yes")
    assert result.exit_code == 5
    assert f"run {journal.run_id} has ended: there is nothing to resume" in result.stderr
    assert journal.path.read_text() == before


def test_a_redrive_that_ended_in_its_plan_is_not_resumed(run: Run, begin: Begin, staging: Staging) -> None:
    with begin() as journal:
        journal.write(entry("planned", "a", decision="send"))
    result = run("runs", "resume", journal.run_id, "--yes")
    assert result.exit_code == 5
    assert "ended while it wrote its plan. Nothing was sent" in result.stderr


def test_the_run_names_the_environment(
    run: Run, begin: Begin, staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shell's is another one."""
    monkeypatch.setenv("B2BPILOT_ENV", "prod")
    begin("discard").close()
    (run_id,) = [line["run_id"] for line in run("runs", "list", "-o", "jsonl").lines]
    result = run("runs", "resume", run_id, "--yes")
    assert result.exit_code == 0
    assert "nothing left to do" in result.stderr
    result = run("runs", "resume", run_id, "--yes", "-e", "prod")
    assert result.exit_code == 2
    assert "is of environment staging" in result.stderr


def test_a_command_without_a_resume_says_so(run: Run, begin: Begin, staging: Staging) -> None:
    with begin("invented") as journal:
        pass
    result = run("runs", "resume", journal.run_id, "--yes")
    assert result.exit_code == 2
    assert "cannot be resumed" in result.stderr


def test_the_way_to_go_on_is_offered_only_where_there_is_one(run: Run, begin: Begin) -> None:
    for command, is_offered in (("invented", False), ("replay", True)):
        with begin(command) as journal:
            pass
        result = run("runs", "show", journal.run_id)
        assert (f"b2bpilot runs resume {journal.run_id}" in result.stderr) is is_offered


def test_a_discard_that_ended_in_its_plan_is_not_resumed(run: Run, begin: Begin, staging: Staging) -> None:
    with begin("discard", letters=2) as journal:
        journal.write(entry("planned", "a"))
    result = run("runs", "resume", journal.run_id, "--yes")
    assert result.exit_code == 5
    assert "1 of its 2 dead letters were planned. Nothing was changed" in result.stderr


def test_an_interrupted_discard_is_resumed_under_its_own_id(
    run: Run, begin: Begin, staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_letters = DeadLetters()
    ids = [dead_letters.put(message()) for _ in range(3)]
    with begin("discard", letters=2) as journal:
        journal.write(*(entry("planned", each) for each in ids[:2]))
    assert run("runs", "resume", journal.run_id).exit_code == 5
    screen = at_a_terminal(monkeypatch, "y")
    assert run("runs", "resume", journal.run_id).exit_code == 0
    assert f"the 2 dead letters that run {journal.run_id} left" in screen.getvalue()
    assert [each["MessageId"] for each in dead_letters.all()] == ids[2:]
    assert read(journal.path).state is RunState.FINISHED


def test_a_resume_that_is_not_confirmed_claims_nothing_of_the_attempts_before(
    run: Run, begin: Begin, staging: Staging
) -> None:
    DeadLetters()
    with begin("discard", letters=2) as journal:
        journal.write(entry("planned", "a"), entry("planned", "b"), entry("deleted", "a"))
    result = run("runs", "resume", journal.run_id)
    assert result.exit_code == 5
    assert "Nothing more was changed" in result.stderr


class Crm:
    """A subscriber with a queue and a dead-letter queue of its own, and one dead letter in it. Two are called crm."""

    def __init__(self, staging: Staging, queue: str) -> None:
        self.sqs, self.sns = client("sqs"), client("sns")
        self.dead_letters, dead_letters_arn = self.made(f"{queue}-dlq")
        policy = json.dumps({"deadLetterTargetArn": dead_letters_arn, "maxReceiveCount": 3})
        self.queue, self.arn = self.made(queue, RedrivePolicy=policy)
        self.subscription = self.sns.subscribe(
            TopicArn=staging.topic_arn,
            Protocol="sqs",
            Endpoint=self.arn,
            Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_letters_arn})},
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        url = f"https://sns/?Action=Unsubscribe&SubscriptionArn={self.subscription}"
        body = {**notification(message()), "UnsubscribeURL": url}
        self.sqs.send_message(QueueUrl=self.dead_letters, MessageBody=json.dumps(body))
        self.recipient = Recipient(
            name="crm",
            topic_arn=staging.topic_arn,
            subscription_arn=self.subscription,
            function=None,
            function_arns=frozenset(),
            dead_letter_queue_url=self.dead_letters,
            dead_letter_queue_arn=dead_letters_arn,
            source_queue_arn=self.arn,
        )

    def made(self, name: str, **attributes: str) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    def waiting(self) -> tuple[int, int]:
        """How many are in its dead-letter queue, and in its queue."""
        dead, live = (
            self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
            for url in (self.dead_letters, self.queue)
        )
        return tuple(int(one["Attributes"]["ApproximateNumberOfMessages"]) for one in (dead, live))  # type: ignore[return-value]


@pytest.fixture
def crms(staging: Staging) -> tuple[Crm, Crm]:
    return Crm(staging, "crm-b2b-pilot-staging"), Crm(staging, "crm")


def an_interrupted_redrive(home: Path, of: Recipient) -> Journal:
    """It had begun to plan, and reached nothing."""
    options = RedriveOptions(via=RedriveVia.QUEUE).to_journal()
    with Journal.create(
        home,
        command="redrive",
        environment="staging",
        account_id="123456789012",
        region="eu-west-1",
        operator="ana@laptop",
        reason=None,
        parameters=options,
        subscriber=of,
    ) as journal:
        journal.write({"event": PLAN_COMPLETE})
    return journal


def test_a_run_of_a_subscriber_goes_on_with_that_one_and_no_other_of_its_name(
    run: Run, home: Path, crms: tuple[Crm, Crm]
) -> None:
    theirs, others = crms
    journal = an_interrupted_redrive(home, theirs.recipient)

    resumed = run("runs", "resume", journal.run_id, "--yes")

    assert resumed.exit_code == 4, resumed.stderr
    assert (theirs.waiting(), others.waiting()) == ((0, 1), (1, 0))
    assert "wait 60 s" not in run("runs", "show", journal.run_id).stdout


def test_a_run_whose_subscription_is_gone_takes_nothing_of_another_of_its_name(
    run: Run, home: Path, crms: tuple[Crm, Crm]
) -> None:
    theirs, others = crms
    journal = an_interrupted_redrive(home, theirs.recipient)
    theirs.sns.unsubscribe(SubscriptionArn=theirs.subscription)

    refused = run("runs", "resume", journal.run_id, "--yes")

    assert (refused.exit_code, f"run {journal.run_id}: nobody called" in refused.stderr) == (2, True)
    assert others.waiting() == (1, 0)


def test_a_run_whose_subscriber_has_another_queue_by_now_is_refused(
    run: Run, home: Path, crms: tuple[Crm, Crm]
) -> None:
    theirs, _ = crms
    journal = an_interrupted_redrive(
        home, replace(theirs.recipient, dead_letter_queue_url="https://sqs/former")
    )

    refused = run("runs", "resume", journal.run_id, "--yes")

    assert (refused.exit_code, "took dead letters from https://sqs/former" in refused.stderr) == (5, True)
    assert theirs.waiting() == (1, 0)


def test_a_journal_that_names_a_subscriber_only_is_read_as_before(
    run: Run, home: Path, staging: Staging
) -> None:
    crm = Crm(staging, "crm-b2b-pilot-staging")
    journal = an_interrupted_redrive(home, crm.recipient)
    first, *others = journal.path.read_text().splitlines(keepends=True)
    started = json.loads(first)
    del started["subscription"], started["queue_url"]
    journal.path.write_text("".join([json.dumps(started) + "\n", *others]))

    assert run("runs", "resume", journal.run_id, "--yes").exit_code == 4
    assert crm.waiting() == (0, 1)


def test_a_plan_is_of_one_subscription(run: Run, home: Path, crms: tuple[Crm, Crm], tmp_path: Path) -> None:
    theirs, others = crms
    plan = tmp_path / "plan"
    line = ("dlq", "redrive", "-e", "staging", "--yes", "--plan", str(plan), "--subscriber")
    assert run(*line, theirs.subscription).exit_code == 0
    made = json.loads(plan.read_text())
    assert made["subscription"] == theirs.subscription

    for changed in ({"subscriber": "billing"}, {"subscription": others.subscription}, {"subscriber": None}):
        plan.write_text(json.dumps({**made, **changed}))
        refused = run(*line, theirs.subscription)
        assert (refused.exit_code, "was made for" in refused.stderr) == (2, True), changed
    assert theirs.waiting() == (1, 0)
    plan.write_text(json.dumps({name: value for name, value in made.items() if name != "subscription"}))
    assert run(*line, theirs.subscription).exit_code == 4
    assert (theirs.waiting(), others.waiting()) == ((0, 1), (1, 0))
