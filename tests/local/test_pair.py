"""Two regions on this machine: one database, one Twilio, and a process for the functions of each, which can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random, randrange
from typing import Any

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from b2bpilot.aws.session import Timeouts
from b2bpilot.local import control
from b2bpilot.local.readiness import wait_until_answering
from b2bpilot.local.state import LocalSide
from b2bpilot.ops import migrations
from b2bpilot.ops.environment import discover
from b2bpilot.ops.pair import other_side
from b2bpilot.pipeline.message import message_id_for
from tests.cli.conftest import Result
from tests.drill.__main__ import drawn_plan
from tests.drill.both_at_once import at_once
from tests.events import message
from tests.local.conftest import ROOT, Machine, Run, machine
from tests.local.polling import eventually
from tests.local.test_another_database import dead_letter
from tests.local.test_redrive import OwnQueue
from tests.local.test_twilio import receive


def functions_of(pair: Machine, side: LocalSide) -> int | None:
    """The process that runs a region's functions."""
    named = {part.name: part.pid for part in control.status(pair.home).components}
    return named.get(f"functions {side.region}")


def test_what_either_side_takes_is_one_row_in_the_database_of_both(pair: Machine, run_pair: Run) -> None:
    for side in pair.state.sides:
        published = run_pair("publish", "--region", side.region, "--wait", "-o", "json")
        assert published.exit_code == 0, published.stderr
    listed = run_pair("submissions", "list", "--region", pair.state.sides[1].region)
    assert listed.stdout.count("completed") >= len(pair.state.sides)


def test_each_side_names_the_other(pair: Machine) -> None:
    primary = discover("local", pair.access)
    asked = other_side(primary)
    assert asked is not None
    second = asked.value
    assert second is not None
    assert [primary.stack.region, second.stack.region] == [side.region for side in pair.state.sides]
    back = other_side(second)
    assert back is not None
    assert back.value is not None
    assert back.value.stack == primary.stack


def test_a_region_that_the_pair_is_not_in_is_refused(pair: Machine, run_pair: Run) -> None:
    result = run_pair("publish", "--region", "eu-west-1")
    assert result.exit_code == 2
    assert "the local environment is not in eu-west-1" in result.stderr


def test_a_number_falls_back_to_the_second_side(pair: Machine, run_pair: Run) -> None:
    shown = run_pair("twilio", "route", "-o", "json")
    assert pair.state.sides[1].webhook_url in shown.stdout


def test_killed_functions_come_back_but_not_while_their_region_is_down(pair: Machine) -> None:
    side = pair.state.sides[0]
    first = functions_of(pair, side)
    assert first is not None
    os.kill(side.emulator_pid, signal.SIGSTOP)
    try:
        os.kill(first, signal.SIGKILL)
        eventually(lambda: not psutil.pid_exists(first), "its end")
        assert functions_of(pair, side) is None
    finally:
        os.kill(side.emulator_pid, signal.SIGCONT)
    second = eventually(lambda: functions_of(pair, side), "its return")
    assert second != first
    wait_until_answering(side.webhook_url)


def test_a_region_dies_under_traffic_and_the_books_balance(pair: Machine, run_pair: Run) -> None:
    """A slice of `make drill`."""
    seed = randrange(10**6)
    plan = drawn_plan(Random(seed), rate=6, seconds=5)
    shown = run_pair(
        *("local", "drill", "-o", "json", "--rate", "6", "--seconds", "5"),
        *("--stop", f"PRIMARY@{plan.stop_at:.3f}s", "--back", f"{plan.back_at:.3f}s"),
    )
    assert shown.exit_code == 0, (seed, shown.stdout, shown.stderr)
    books = json.loads(shown.stdout)
    assert books["sent"] == books["stored"] > 0
    assert (books["lost"], books["stored_twice"], books["answered_twice"]) == ([], [], []), seed
    assert books["over_fallback"] > 0, seed


def test_a_message_that_comes_over_both_webhooks_at_once_is_one_row(pair: Machine) -> None:
    both = at_once(pair.home, 24)
    assert both.balances, both
    assert both.posts == 2 * both.messages


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_drill_that_is_ended_leaves_no_region_stopped(pair: Machine, sent: signal.Signals) -> None:
    side = pair.state.sides[1]
    environ = os.environ | {"B2BPILOT_HOME": str(pair.home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "b2bpilot", "local", "drill", "--rate", "1", "--stop", "FALLBACK@0.1s"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL, start_new_session=True) as drill:
        eventually(lambda: is_stopped(side.emulator_pid), "the stop")
        drill.send_signal(sent)
        assert drill.wait(60) == (130 if sent is signal.SIGINT else -sent)
    eventually(lambda: not is_stopped(side.emulator_pid), "its going on")
    eventually(lambda: functions_of(pair, side), "the return of its functions")
    wait_until_answering(side.webhook_url)


def is_stopped(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


def test_a_drill_needs_a_pair(environment: Machine, run: Run) -> None:
    result = run("local", "drill")
    assert result.exit_code == 1
    assert "the local environment is in one region" in result.stderr
    assert "b2bpilot local up --pair" in result.stderr


def test_down_ends_what_a_killed_environment_left_stopped(tmp_path: Path) -> None:
    with machine(tmp_path / "home") as left:
        emulator = left.state.emulator_pid
        os.kill(emulator, signal.SIGSTOP)
        left.process.kill()
        left.process.wait()
        assert control.down(left.home)
        eventually(lambda: not psutil.pid_exists(emulator), "its end")
        assert not control.down(left.home)


SECOND = 1
"""The side that numbers fall back to."""


@pytest.fixture
def another_database(pair: Machine) -> Iterator[None]:
    """The second side's functions write into a database of their own, which its secret names."""
    state, side = pair.state, pair.state.sides[SECOND]
    access = pair.access.in_region(side.region)
    secrets = access.client("secretsmanager", Timeouts(attempts=1))
    arn = discover("local", access).stack.database_secret
    right = secrets.get_secret_value(SecretId=arn)["SecretString"]
    with psycopg.connect(state.database_url, autocommit=True) as admin:
        admin.execute(b"CREATE DATABASE of_the_second_side")
        url = make_conninfo(state.database_url, dbname="of_the_second_side")
        migrations.apply(url)
        secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"DATABASE_URL": url}))
        begin_anew(pair, side)
        yield
        secrets.put_secret_value(SecretId=arn, SecretString=right)
        begin_anew(pair, side)
        admin.execute(b"DROP DATABASE of_the_second_side WITH (FORCE)")


def rows(pair: Machine) -> int:
    with psycopg.connect(pair.state.database_url) as connection:
        found = connection.execute("SELECT count(*) FROM b2b_pilot_user_submissions").fetchone()
    return int(found[0]) if found else 0


def begin_anew(pair: Machine, side: LocalSide) -> None:
    """What runs functions reads its secret once."""
    first = functions_of(pair, side)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    eventually(lambda: functions_of(pair, side) not in (None, first), "its return")
    wait_until_answering(side.webhook_url)


def checks_of(result: Result) -> dict[tuple[str | None, str], dict[str, Any]]:
    return {(one.get("side"), one["code"]): one for one in result.document["checks"]}


def test_a_second_side_with_another_database_is_found_by_the_test_row(
    another_database: None, run_pair: Run
) -> None:
    result = run_pair("verify", "--both", "--only", "B2B203", "-o", "json")
    found = checks_of(result)

    assert result.exit_code == 1
    assert found[None, "B2B200"]["status"] == "ok"
    assert found[None, "B2B203"]["status"] == "failed"
    assert "us-west-2 writes into another database" in found[None, "B2B203"]["seen"]


def test_both_sides_of_a_sound_pair_pass_with_what_they_must_have_alike(pair: Machine, run_pair: Run) -> None:
    before = rows(pair)
    chosen = ("--only", "pair", "--only", "B2B010", "--only", "twilio")
    result = run_pair("verify", "--both", "--with-twilio", *chosen, "-o", "json")
    found = checks_of(result)

    assert result.exit_code == 0, result.stdout
    assert {side for side, _ in found} == {"us-east-1", "us-west-2", None}
    assert [side for side, code in found if code == "B2B010"] == ["us-east-1", "us-west-2"]
    assert {one["status"] for (side, _), one in found.items() if side is None} <= {"ok", "warning"}
    assert found[None, "B2B203"]["status"] == "ok"
    assert "as the fallback of 1 number" in found["us-west-2", "B2B091"]["seen"]
    assert rows(pair) == before


@pytest.fixture
def waiting_there(pair: Machine) -> Iterator[list[str]]:
    """Three messages that Twilio has, that have no row, and that the second side's dead-letter queue holds: their SIDs."""
    access = pair.access.in_region(pair.state.sides[SECOND].region)
    stack = discover("local", access).stack
    queue = OwnQueue.connect(stack.dead_letter_queue_url, access=access)
    queue.subscription_arn = stack.subscription_arn
    sids = receive(pair, 3, deliver=False, ago=timedelta(hours=3))
    queue.send([dead_letter(message(message_id=message_id_for(sid))) for sid in sids])
    yield sids
    access.client("sqs").purge_queue(QueueUrl=stack.dead_letter_queue_url)


def test_what_waits_on_the_second_side_is_told_of_and_not_published(
    pair: Machine, run_pair: Run, waiting_there: list[str]
) -> None:
    before = rows(pair)
    found = run_pair("twilio", "reconcile", "--publish-missing", "--yes", "--exit-code")
    shown = run_pair("status", "--both", "--exit-code")
    listed = run_pair("dlq", "list", "--exit-code")

    assert found.exit_code == 3, found.stderr
    assert "There is nothing to publish." in found.stderr
    assert "3 of those dead letters in us-west-2" in found.stdout
    assert "b2bpilot dlq redrive -e local --region us-west-2" in " ".join(found.stdout.split())
    assert found.stdout.count("in the dead-letter queue of us-west-2") == len(waiting_there)
    assert rows(pair) == before
    assert shown.exit_code == 3
    assert "Dead letters in us-west-2" in shown.stdout
    assert listed.exit_code == 3
    assert listed.stdout.startswith("us-east-1: no dead letters\nus-west-2:\n")
    assert "b2bpilot dlq redrive -e local --region us-west-2 --group" in listed.stderr
