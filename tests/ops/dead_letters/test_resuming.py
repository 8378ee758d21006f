"""A redrive that is taken up again by its journal."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from moto import mock_aws

from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import PartlyFailed
from b2bpilot.ops.dead_letters.decision import Decision
from b2bpilot.ops.dead_letters.filters import ResolvedFilter, Selection
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.redrive.earlier import failures
from b2bpilot.ops.redrive.options import WINDOW, RedriveOptions
from b2bpilot.ops.redrive.plan import Plan
from b2bpilot.ops.redrive.resume import Remaining, prepare
from b2bpilot.ops.redrive.routes import AsyncRoute, InvokeRoute, TopicRoute
from b2bpilot.ops.redrive.run import PLAN_COMPLETE
from b2bpilot.ops.runs.journal import Journal, entry
from b2bpilot.ops.runs.record import RunRecord, read
from tests.events import SUBSCRIPTION_ARN
from tests.ops.dead_letters.a_run import NOW, Lines, Rows, decisions, redrive
from tests.ops.dead_letters.deployment import Deployment, dead_letter, id_of
from tests.ops.status.readings import STACK


def journal_of(home: Path, choice: ResolvedFilter, **parameters: object) -> Journal:
    return Journal.create(
        home,
        command="redrive",
        environment="staging",
        account_id="123456789012",
        region="eu-west-1",
        operator="me",
        reason=None,
        parameters={
            "via": "invoke",
            "selection": choice.to_journal(),
            "limit": 10**9,
            "wait_seconds": 0,
            **parameters,
        },
    )


def remaining(record: RunRecord, filters: ResolvedFilter | None, **options: object) -> Remaining:
    values = {"filters": filters, "force": True, "wait": timedelta(), **options}
    return Remaining(record=record, options=RedriveOptions(**values))  # type: ignore[arg-type]


def test_a_resumed_run_finishes_also_what_it_had_not_come_to_and_nothing_else(tmp_path: Path) -> None:
    dead_letters = [dead_letter() for _ in range(WINDOW + 300)]
    deployment = Deployment(dead_letters)
    choice = ResolvedFilter(
        selection=Selection(older_than=timedelta(minutes=1)), cause=None, now=datetime.now(UTC)
    )
    with journal_of(tmp_path, choice) as journal:
        with redrive(
            deployment,
            Rows(deployment),
            options=RedriveOptions(filters=choice, wait=timedelta()),
            started_at=choice.now,
        ) as run:
            run.run_window(run.next_plan(), journal)
        path = journal.path
    later = replace(dead_letter(), sent_at=datetime.now(UTC) + timedelta(minutes=5))
    deployment.put(later)

    record = read(path)
    rest = remaining(record, ResolvedFilter.from_journal(record.parameters["selection"], now=choice.now))
    with redrive(
        deployment,
        Rows(deployment),
        wanted=rest,
        accepted_before=rest.accepted(InvokeRoute(deployment)),
        run_id=record.run_id,
        started_at=record.started_at,
    ) as run:
        summary = run.run_all(run.next_plan(), Lines())

    assert summary.completed == 300
    assert set(deployment.processed.values()) == {1}
    assert deployment.waiting == {later.queue_message_id}


def test_filters_with_a_number_cannot_be_read_back_and_the_resume_says_so(tmp_path: Path) -> None:
    choice = ResolvedFilter(selection=Selection(from_number="+15005550006"), cause=None, now=NOW)
    with journal_of(tmp_path, choice) as journal:
        path = journal.path
    assert "+15005550006" not in path.read_text()

    record = read(path)
    rest = remaining(record, ResolvedFilter.from_journal(record.parameters["selection"], now=NOW))

    assert rest.options.filters is None
    with pytest.raises(PartlyFailed, match="no journal keeps"):
        rest.require_known()


def test_after_a_kill_what_only_the_topic_took_is_sent_again_and_not_removed(tmp_path: Path) -> None:
    one = dead_letter()
    everything = ResolvedFilter(selection=Selection(), cause=None, now=NOW)
    with journal_of(tmp_path, everything, wait_seconds=60) as journal:
        journal.write(entry("planned", one, decision="send"), entry("sending", one), entry("accepted", one))
        path = journal.path

    rest = remaining(read(path), everything, wait=timedelta(seconds=60))

    assert rest.accepted(AsyncRoute(Deployment([]))) == {one.queue_message_id: True}
    assert rest.accepted(TopicRoute(Deployment([]))) == {one.queue_message_id: False}


def test_a_dead_letter_that_stays_in_the_queue_is_set_aside_after_three_failed_runs(tmp_path: Path) -> None:
    bad, good = dead_letters = [dead_letter(), dead_letter()]
    deployment = Deployment(dead_letters, poison=frozenset({id_of(bad)}))
    for _ in range(3):
        everything = ResolvedFilter(
            selection=Selection(message_ids=frozenset({id_of(bad)})), cause=None, now=NOW
        )
        with journal_of(tmp_path, everything) as journal, redrive(deployment, Rows(deployment)) as run:
            run.run_window(
                Plan(
                    items=[
                        one
                        for one in run.next_plan().items
                        if one.dead_letter.queue_message_id == bad.queue_message_id
                    ]
                ),
                journal,
            )
    deployment.rows = {}
    found = failures(tmp_path, environment="staging", account_id="123456789012", now=datetime.now(UTC))
    elsewhere = failures(tmp_path, environment="prod", account_id="123456789012", now=datetime.now(UTC))

    assert (found, elsewhere) == ({bad.queue_message_id: 3}, {})
    assert decisions([bad, good], deployment, Rows(deployment), failed_before=found) == [
        Decision.POISON,
        Decision.SEND,
    ]


@pytest.mark.parametrize("separators", [(",", ":"), (" ,  ", " :\t"), None])
def test_failures_are_read_from_fields_however_the_json_is_spelled(
    tmp_path: Path, separators: tuple[str, str] | None
) -> None:
    one = dead_letter()
    with journal_of(tmp_path, ResolvedFilter(selection=Selection(), cause=None, now=NOW)) as journal:
        journal.write(
            entry("failed", one, verdict="failed"), entry("accepted", dead_letter(), error="failed")
        )
        path = journal.path
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line, separators=separators) + "\n" for line in lines))

    found = failures(tmp_path, environment="staging", account_id="123456789012", now=datetime.now(UTC))
    assert found == {one.queue_message_id: 1}


@pytest.fixture
def staging() -> Iterator[Environment]:
    """A stack with one dead letter."""
    with mock_aws():
        access = AwsAccess(region="eu-west-1", access_key_id="x", secret_access_key="y")
        trust = '{"Statement": [{"Principal": {"Service": "lambda.amazonaws.com"}}]}'
        role = access.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)
        access.client("lambda").create_function(
            FunctionName=STACK.processor_function_name,
            Runtime="python3.13",
            Role=role["Role"]["Arn"],
            Handler="h.h",
            Code={"ZipFile": b"x"},
        )
        sqs = access.client("sqs")
        url = sqs.create_queue(QueueName="letters")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=dead_letter().body)
        yield Environment(
            name="staging",
            access=access,
            stack=replace(STACK, dead_letter_queue_url=url, subscription_arn=SUBSCRIPTION_ARN),
        )


def test_a_dead_letter_that_failed_in_three_runs_stays_set_aside_in_a_resumed_one(
    tmp_path: Path, staging: Environment
) -> None:
    everything = ResolvedFilter(selection=Selection(), cause=None, now=NOW)
    (bad,) = staging.queue().receive(hidden_seconds=0)
    rules = {
        "include_completed": False,
        "include_poison": False,
        "max_failures": 0.2,
        "rate": None,
        "concurrency": None,
    }
    for _ in range(3):
        with journal_of(tmp_path, everything) as journal:
            journal.write(entry("failed", bad, verdict="failed"))
            journal.finish({})
    with journal_of(tmp_path, everything, **rules) as journal:
        journal.write(entry("planned", bad, decision="set aside"), {"event": PLAN_COMPLETE})
        path = journal.path

    run, _ = prepare(staging, Rows(Deployment([])), read(path))
    with run:
        plan = run.next_plan()

    assert plan.by_decision() == {Decision.POISON: 1}


def test_a_journal_that_cannot_be_read_counts_no_failures(tmp_path: Path) -> None:
    """A power cut may leave anything where the lines were that are not on disk at once."""
    bad, everything = dead_letter(), ResolvedFilter(selection=Selection(), cause=None, now=NOW)
    with journal_of(tmp_path, everything) as spoilt, spoilt.path.open("ab") as file:
        file.write(b'\0\0, "event": "failed", "verdict": "failed"}\n')
    with Journal.reopen(spoilt.path, operator="me") as spoilt:
        spoilt.finish({})
    with journal_of(tmp_path, everything) as journal:
        journal.write(entry("failed", bad, verdict="failed"))

    found = failures(tmp_path, environment="staging", account_id="123456789012", now=datetime.now(UTC))

    assert found == {bad.queue_message_id: 1}


def test_what_is_known_of_failures_costs_no_more_after_a_run_that_was_killed(tmp_path: Path) -> None:
    """Its journal is not folded: a hundred thousand dead letters would take seconds, and half of the memory that a run may use."""
    ids = [str(uuid4()) for _ in range(20_000)]
    with journal_of(tmp_path, ResolvedFilter(selection=Selection(), cause=None, now=NOW)) as journal:
        journal.write(*({"event": "planned", "queue_message_id": one} for one in ids))

    tracemalloc.start()
    try:
        failures(tmp_path, environment="staging", account_id="123456789012", now=datetime.now(UTC))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1_000_000


def test_a_resumed_run_keeps_what_was_adopted(tmp_path: Path, staging: Environment) -> None:
    gone = f"{STACK.topic_arn}:was-made-anew"
    rules = {
        "include_completed": False,
        "include_poison": False,
        "max_failures": 0.2,
        "rate": None,
        "concurrency": None,
        "adopt": [gone],
    }
    with journal_of(tmp_path, ResolvedFilter(selection=Selection(), cause=None, now=NOW), **rules) as journal:
        journal.write({"event": PLAN_COMPLETE})
        path = journal.path

    run, _ = prepare(staging, Rows(Deployment([])), read(path))
    with run:
        pass

    assert run.options.adopted == staging.subscribers.adopted == {gone}
    assert staging.subscribers.owner_of_subscription(gone).is_adopted
