"""Starting, ending and dying: what stays, what goes, and that nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local import control
from b2bpilot.local.runtime.events import EventQueue
from b2bpilot.local.state import EVENTS
from tests.local.conftest import ROOT, Deployment, Machine
from tests.local.conftest import machine as forked_machine
from tests.local.polling import eventually
from tests.once import give_cluster

INSERT = (
    "INSERT INTO b2b_pilot_user_submissions (message_id) VALUES ('kept') ON CONFLICT (message_id) DO NOTHING"
)


machine = partial(forked_machine, start=subprocess.Popen)
"""As a process of its own from the start: its command line is looked for."""
WEBHOOK = "b2b-pilot-webhook-handler-local"
ACTIVE = {("Active", "Successful")}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_killed_with_9_it_leaves_no_process_and_the_next_one_finishes_its_events(
    home: Path, tmp_path: Path
) -> None:
    """An attempt that had failed is not granted again. One that the kill cut short has no outcome, so it runs again, as
    Lambda's own may (docs/aws-facts.md#events-twice); and an event whose acceptance nobody heard of is still one event.
    What SNS had taken, but
    could not hand over any more, is delivered by the next."""
    gate = tmp_path / "gate"
    gate.touch()
    with machine(home, "--time-scale", "1") as first:
        deployment = Deployment(first, tmp_path / "diary").deploy()
        deployment.publish(number=1, fail="poisoned")
        deployment.publish(number=2, fail="poisoned", **{"while": str(gate)})
        eventually(lambda: attempts(deployment) == {1: 1, 2: 1}, "both began")
        eventually(lambda: failures_on_disk(home) == [0, 1], "the first failure was written down")
        port = urlsplit(first.state.endpoint_url).port
        first.process.send_signal(signal.SIGSTOP)
        deployment.publish(number=3)
        first.process.send_signal(signal.SIGKILL)
        eventually(lambda: not processes_of(home), "all processes ended")
        assert not listens(port)
    gate.unlink()
    with machine(home) as second:
        deployment.environment = second
        dead_letters = [deployment.dead_letter(), deployment.dead_letter()]
        eventually(lambda: attempts(deployment) == {1: 3, 2: 1 + 3, 3: 1}, "all ran")
        assert {
            line["request_id"] for line in deployment.lines() if "begin" in line and number_of(line) != 3
        } == {dead_letter["MessageAttributes"]["RequestID"]["StringValue"] for dead_letter in dead_letters}
        eventually(lambda: failures_on_disk(home) == [], "all events ended")


def test_ended_by_a_signal_it_keeps_rows_and_dead_letters_unless_it_starts_fresh(home: Path) -> None:
    with machine(home) as first:
        execute(first, INSERT)
        first.client("sqs").send_message(QueueUrl=dead_letters(first), MessageBody="kept")
        first.client("lambda").update_function_configuration(
            FunctionName=WEBHOOK
        )  # Pending for half a second
        first_url = first.state.webhook_url
        end_by(first, signal.SIGINT)
    assert not processes_of(home)

    with machine(home) as second:
        assert states(second) == ACTIVE
        assert second.state.webhook_url == first_url
        assert count(second) == 1
        assert depth(second) == 1
        assert subscriptions(second) == 1
        end_by(second, signal.SIGTERM)
    assert not processes_of(home)

    with machine(home, "--fresh") as third:
        assert states(third) == ACTIVE
        assert count(third) == 0
        assert depth(third) == 0
        assert subscriptions(third) == 1
    assert not processes_of(home)


@pytest.fixture
def detached(home: Path) -> Iterator[Path]:
    yield home
    control.down(home)


def test_detached_it_tells_its_progress_and_is_found_kept_private_refused_and_ended(detached: Path) -> None:
    heard: list[str] = []
    status = control.up_detached(detached, progress=heard.append)
    assert heard
    assert status.running
    assert status.pid is not None
    assert psutil.pid_exists(status.pid)
    assert {component.name for component in status.components} == {"environment", "emulator", "postgres"}
    assert all(component.memory_bytes > 0 for component in status.components)
    assert control.status(detached).pid == status.pid
    only_its_owner_can_read_what_is_kept_in(detached)
    with pytest.raises(LocalEnvironmentError, match=f"process {status.pid}"):
        control.up_detached(detached)
    assert control.down(detached)
    assert not control.down(detached)
    assert not control.status(detached).running
    assert not processes_of(detached)


def test_when_the_emulator_dies_the_environment_ends_and_says_so(home: Path) -> None:
    with machine(home) as found:
        os.kill(found.state.emulator_pid, signal.SIGKILL)
        assert found.process.stdout is not None
        assert "ended unexpectedly" in found.process.stdout.read()
        assert found.process.wait(30) == 1
    assert not processes_of(home)
    with machine(home) as again:
        assert subscriptions(again) == 1


def end_by(environment: Machine, sent: signal.Signals) -> None:
    environment.process.send_signal(sent)
    assert environment.process.wait(30) == 0


def only_its_owner_can_read_what_is_kept_in(home: Path) -> None:
    """As root, PostgreSQL is another user in root's groups, and walks through the home to its own folder."""
    assert (home / control.LOG_FILE).exists()
    for path in home.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert home.stat().st_mode & 0o077 == (0o010 if os.geteuid() == 0 else 0)


def attempts(deployment: Deployment) -> Counter[int]:
    """How often the function began, by the order's number."""
    return Counter(number_of(line) for line in deployment.lines() if "begin" in line)


def number_of(line: dict[str, Any]) -> int:
    return int(json.loads(line["event"]["Records"][0]["Sns"]["Message"])["number"])


def failures_on_disk(home: Path) -> list[int]:
    """How many failed attempts are remembered of each event that did not end."""
    with closing(EventQueue(home / EVENTS)) as events:
        return sorted(event.attempts for event in events.unfinished())


def processes_of(home: Path) -> list[str]:
    """Command lines that name the home directory."""
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if str(home) in line]


def listens(port: int | None) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port or 0)) == 0


def states(environment: Machine) -> set[tuple[str, str]]:
    functions = environment.client("lambda").list_functions()["Functions"]
    return {(function["State"], function["LastUpdateStatus"]) for function in functions}


def execute(environment: Machine, statement: str) -> None:
    with psycopg.connect(environment.state.database_url) as connection:
        connection.execute(statement.encode())


def count(environment: Machine) -> int:
    with psycopg.connect(environment.state.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM b2b_pilot_user_submissions").fetchone()
    return int(row[0]) if row else 0


def dead_letters(environment: Machine) -> str:
    return str(environment.client("sqs").get_queue_url(QueueName="b2b-pilot-dead-letters-local")["QueueUrl"])


def depth(environment: Machine) -> int:
    found = environment.client("sqs").get_queue_attributes(
        QueueUrl=dead_letters(environment), AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


def subscriptions(environment: Machine) -> int:
    sns = environment.client("sns")
    topics = [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
    (topic,) = [arn for arn in topics if arn.endswith(":b2b-pilot-messages-local")]
    return len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"])


def test_ctrl_c_while_it_is_started_detached_ends_all_that_was_begun_and_delete_leaves_the_runs(
    home: Path,
) -> None:
    (home / "runs").mkdir(parents=True)
    (home / "runs/20261123T194501Z-redrive-3f9a.jsonl").write_text("{}\n")
    give_cluster(home)
    command = [sys.executable, "-m", "b2bpilot", "local", "up", "-d"]
    environment = os.environ | {"B2BPILOT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd="/") as starting:
        assert starting.stderr is not None
        for line in starting.stderr:
            if "deploying" in line:
                break
        starting.send_signal(signal.SIGINT)
        rest = starting.stderr.read()

    assert (starting.returncode, rest) == (130, "Stopped what was started.\nerror: interrupted\n")
    assert not processes_of(home)
    assert not control.running(home)

    assert control.delete(home)
    assert [path.name for path in home.iterdir()] == ["runs"]
    assert not control.delete(home)
