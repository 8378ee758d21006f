"""kill -9 at random moments of a redrive of 500 dead letters, then `runs resume`: twenty times."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.local.state import EnvironmentState
from b2bpilot.ops.redrive.run import PLAN_COMPLETE
from b2bpilot.ops.runs.runs import list_runs
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from bench.environment import Running, environment
from bench.redrive import new_dead_letter

KILLS = 20
DEAD_LETTERS = 500
LONGEST_SECONDS = 6.0
TRIES = 5


def main() -> None:
    chance = random.Random(2026)
    with environment() as running:
        queue = DeadLetterQueue.connect(running.stack.dead_letter_queue_url, access=running.access)
        for number in range(1, KILLS + 1):
            assert not queue.send([new_dead_letter(running.stack.topic_arn) for _ in range(DEAD_LETTERS)])
            moment = chance.uniform(0.8, LONGEST_SECONDS)
            _kill_and_resume(running, queue, moment)
            _judge(running.state, queue, number, moment)


def _kill_and_resume(running: Running, queue: DeadLetterQueue, moment: float) -> None:
    """A kill before the plan was written changed nothing: then the redrive is simply started again."""
    endpoint = ["--endpoint-url", running.state.endpoint_url]
    redrive = ["dlq", "redrive", "-e", "local", *endpoint, "--yes"]
    home = Path(running.environ["B2BPILOT_HOME"])
    before = {record.run_id for record in list_runs(home)}
    process = _start(redrive, running.environ)
    time.sleep(moment)  # at any moment: a kill that waited for a sign would always hit the same place
    process.kill()
    process.wait()
    begun = [
        record
        for record in list_runs(home)
        if record.run_id not in before and PLAN_COMPLETE in record.path.read_text()
    ]
    if not begun:
        _until_empty(redrive, running, queue)
        return
    if begun[0].counts is None:
        _until_empty(["runs", "resume", begun[0].run_id, "--yes", *endpoint], running, queue)


def _until_empty(command: list[str], running: Running, queue: DeadLetterQueue) -> None:
    """Dead letters that a killed process took are hidden for some seconds."""
    for _ in range(TRIES):
        if _start(command, running.environ).wait() == 0 and queue.counters().total == 0:
            return
    raise RuntimeError(f"{command} did not end the work")


def _judge(state: EnvironmentState, queue: DeadLetterQueue, number: int, moment: float) -> None:
    with (
        psycopg.connect(state.database_url, autocommit=True) as admin,
        DatabaseManager(state.database_url) as rows,
    ):
        counts = rows.count_by_status()
        (twice,) = admin.execute(
            "SELECT count(*) FROM b2b_pilot_user_submissions WHERE attempts > 1"
        ).fetchone() or (0,)
        admin.execute("TRUNCATE b2b_pilot_user_submissions")
    left = queue.counters().total
    print(
        f"kill {number:2} after {moment:.1f} s: {counts.get(SubmissionStatus.COMPLETED, 0)} completed, "
        f"{twice} processed twice, {left} left in the queue",
        flush=True,
    )
    assert (counts, twice, left) == ({SubmissionStatus.COMPLETED: DEAD_LETTERS}, 0, 0)


def _start(arguments: list[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "b2bpilot", *arguments]
    return subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
