"""kill -9 at random moments of a redrive of 500 dead letters, then `runs resume`: twenty times."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.aws.stack import describe
from b2bpilot.local.state import EnvironmentState
from b2bpilot.ops.redrive.run import PLAN_COMPLETE
from b2bpilot.ops.runs.runs import list_runs
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from bench.environment import environment
from bench.redrive import access_to, environ_of, new_dead_letter

KILLS = 20
DEAD_LETTERS = 500
LONGEST_SECONDS = 6.0
TRIES = 5


def main() -> None:
    chance = random.Random(2026)
    with environment() as state:
        home = os.environ["B2BPILOT_HOME"]
        stack = describe("local", access_to(state))
        queue = DeadLetterQueue.connect(stack.dead_letter_queue_url, access=access_to(state))
        for number in range(1, KILLS + 1):
            assert not queue.send([new_dead_letter(stack.topic_arn) for _ in range(DEAD_LETTERS)])
            moment = chance.uniform(0.8, LONGEST_SECONDS)
            _kill_and_resume(state, home, moment)
            _judge(state, queue, number, moment)


def _kill_and_resume(state: EnvironmentState, home: str, moment: float) -> None:
    """A kill before the plan was written changed nothing: then the redrive is simply started again."""
    redrive = ["dlq", "redrive", "-e", "local", "--endpoint-url", state.endpoint_url, "--yes"]
    environ = environ_of(state)
    before = {record.run_id for record in list_runs(Path(home))}
    process = _start(redrive, environ)
    time.sleep(moment)  # at any moment: a kill that waited for a sign would always hit the same place
    process.kill()
    process.wait()
    begun = [
        record
        for record in list_runs(Path(home))
        if record.run_id not in before and PLAN_COMPLETE in record.path.read_text()
    ]
    if not begun:
        _until_empty(redrive, environ, state)
        return
    again = ["runs", "resume", begun[0].run_id, "--yes", "--endpoint-url", state.endpoint_url]
    if begun[0].counts is None:
        _until_empty(again, environ, state)


def _until_empty(command: list[str], environ: dict[str, str], state: EnvironmentState) -> None:
    """Dead letters that a killed process took are hidden for some seconds."""
    for _ in range(TRIES):
        if _start(command, environ).wait() == 0 and _is_empty(state):
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


def _is_empty(state: EnvironmentState) -> bool:
    url = describe("local", access_to(state)).dead_letter_queue_url
    return DeadLetterQueue.connect(url, access=access_to(state)).counters().total == 0


def _start(arguments: list[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "b2bpilot", *arguments]
    return subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
