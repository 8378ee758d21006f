"""`b2bpilot load` and a bulk `publish` in the local environment: proved by the rows, also when everything is killed meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from b2bpilot.aws.topic import Topic
from b2bpilot.cli.app import main
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import encode
from b2bpilot.pipeline.reserve import Reserve
from b2bpilot.pipeline.stale import StaleRules, republish_stale
from tests.forked import Forked
from tests.local.conftest import ROOT, Machine, machine
from tests.local.polling import eventually

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AN_HOUR_LATER = """
    UPDATE b2b_pilot_user_submissions
    SET lease_expires_at = now() - interval '1 hour', updated_at = now() - interval '1 hour'
    WHERE status = 'processing' AND updated_at < now() - interval '3 seconds'
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("load") / "home"


@pytest.fixture(scope="module")
def pipeline(home: Path) -> Iterator[Machine]:
    with machine(home, "--time-scale", "300") as found:
        yield found


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("B2BPILOT_HOME", str(home))
    return lambda *arguments: main([*arguments, "-e", "local", "-o", "json"])


def rows(pipeline: Machine) -> int:
    with psycopg.connect(pipeline.state.database_url) as connection:
        found = connection.execute("SELECT count(*) FROM b2b_pilot_user_submissions").fetchone()
    return int(found[0]) if found else 0


def verdicts(load: dict[str, Any]) -> dict[str, str]:
    return {check["promise"]: check["verdict"] for check in load["checks"]}


def test_a_load_through_the_webhook_is_proved_and_leaves_nothing(
    pipeline: Machine, cli: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "load.html"
    options = ("--clients", "10", "--requests", "10", "--duplicates", "5%", "--poison", "2%")
    exit_code = cli("load", *options, "--report", str(page))
    load = json.loads(capsys.readouterr().out)["load"]
    assert exit_code == 0, load
    assert verdicts(load) == {
        "each message is stored exactly once": "proved",
        "none is lost": "proved",
        "each message is accepted": "proved",
        "duplicates are skipped": "proved",
        "poison becomes dead letters": "proved",
        "the processor stays within its reserve": "proved",
    }
    assert (load["messages"], load["accepted"], load["stored"]) == (100, 105, 98)
    assert load["cleaned"] == {"rows": 100, "letters": 2, "left": []}
    assert rows(pipeline) == 0
    assert page.stat().st_mode & 0o777 == 0o600
    assert_opens(page, tmp_path)


@pytest.mark.parametrize("via", ["topic", "webhook"])
def test_many_published_messages_are_proved_row_by_row(
    pipeline: Machine, cli: Any, capsys: pytest.CaptureFixture[str], via: str
) -> None:
    assert cli("publish", "text", "--count", "20", "--duplicate", "1", "--via", via, "--wait") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["published"]["accepted"] == 40
    assert document["waited"] == {"messages": 20, "stored": 20}
    assert [sum(one["log"].values()) for one in document["deliveries"]] == [2] * 20
    assert all(one["log"]["stored"] == 1 for one in document["deliveries"])


def test_a_killed_load_is_proved_and_removed_by_its_resume(
    pipeline: Machine, cli: Any, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows(pipeline)
    with start_load(home, "--clients", "5", "--requests", "1000") as process:
        eventually(lambda: rows(pipeline) > before + 5, "some messages are stored")
        process.send_signal(signal.SIGKILL)
    (journal, *_) = sorted((home / "runs").glob("*-load-*"), reverse=True)
    assert main(["runs", "resume", journal.name.removesuffix(".jsonl"), "--yes", "-o", "json"]) == 0
    load = json.loads(capsys.readouterr().out)["load"]
    assert verdicts(load)["each message is stored exactly once"] == "proved"
    assert load["stored"] >= 5
    assert rows(pipeline) == before


def test_a_load_survives_the_death_of_the_whole_environment(
    cli: Any, home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Webhook, topic, processor and database die at once, and come back: the clients try again, as Twilio does."""
    own = tmp_path / "own"
    with machine(own) as first, start_load(own, "--clients", "10", "--requests", "15") as process:
        eventually(lambda: rows(first) > 10, "some messages are stored")
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(10)
        with machine(own) as second, ThreadPoolExecutor(1) as pool:
            output = pool.submit(process.communicate)
            while not output.done():
                give_back_what_the_dead_held(second)
                wait([output], timeout=1)
    load = json.loads(output.result()[0])["load"]
    assert process.returncode == 0, load["checks"]
    assert (load["messages"], load["stored"]) == (150, 150)
    assert verdicts(load)["none is lost"] == "proved"
    assert load["errors"]
    assert any("made again and accepted" in line for line in load["story"])


def give_back_what_the_dead_held(pipeline: Machine) -> None:
    """An hour passes for what a killed run held, and the stale processor publishes the messages again."""
    with psycopg.connect(pipeline.state.database_url, autocommit=True) as connection:
        held = connection.execute(AN_HOUR_LATER).rowcount
    if held:
        topic = Topic(pipeline.client("sns"), pipeline.stack_output("TopicArn"))
        with DatabaseManager(pipeline.state.database_url) as database:
            republish_stale(
                database,
                lambda message: topic.publish(encode(message)),
                StaleRules(stale_after=timedelta(minutes=15), reserve=Reserve(runs=10)),
                has_answered=lambda _: True,
            )


def start_load(home: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "b2bpilot", "load", "-e", "local", "-o", "json", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "B2BPILOT_HOME": str(home)}
    return Forked(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def assert_opens(page: Path, tmp_path: Path) -> None:
    """Chromium draws it without an error, and asks nobody for anything: all names lead nowhere."""
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    if BROWSER is None:
        pytest.skip("the page was not opened: there is no Chromium on this machine")
    log = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'browser'}",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            "--v=0",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "CONSOLE" not in log.stderr
    assert "<svg" in log.stdout
    assert "messages stored, each exactly once; none lost." in log.stdout
