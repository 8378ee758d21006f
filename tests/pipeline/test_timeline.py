"""The clocks of lease, retries and stale processor fit together as docs/decisions/0014 says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from b2bpilot.aws.function_settings import LONGEST_AGE_SECONDS
from b2bpilot.errors import AwsThrottled, PublishFailed
from b2bpilot.local.timing import LEAST_LEASE_SECONDS, lease_seconds, least_pause_seconds
from b2bpilot.ops.verify.checks.processor import function as processor
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.lease import LONGEST_LEASE, RETRY_PAUSES
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.processing import process
from b2bpilot.pipeline.reserve import Reserve
from b2bpilot.pipeline.settings import Settings
from b2bpilot.pipeline.stale import IN_LAMBDAS_HANDS, StaleRules, republish_stale
from tests.events import delivery, message

TIMEOUT = timedelta(seconds=processor.TIMEOUT_SECONDS)
MINUTE = timedelta(minutes=1)
"""The stale processor's schedule."""
SETTLED = {SubmissionStatus.COMPLETED, SubmissionStatus.ABANDONED}


def test_a_dead_runs_lease_is_over_before_lambda_tries_again() -> None:
    assert min(RETRY_PAUSES) > LONGEST_LEASE


@pytest.mark.parametrize("time_scale", [0.1, 1, 20, 60, 300, 3_000])
def test_a_dead_runs_lease_is_over_before_the_retry_of_a_local_environment_too(time_scale: float) -> None:
    """At a scale of 300 a lease was 0.17 s: shorter than a run, so that the second delivery took over a living one."""
    lease = lease_seconds(time_scale)
    retry = max(min(RETRY_PAUSES).total_seconds() / time_scale, least_pause_seconds(time_scale))

    assert LEAST_LEASE_SECONDS <= lease < retry
    assert lease <= LONGEST_LEASE.total_seconds()


def test_lambdas_own_retries_come_before_a_message_is_stale() -> None:
    stale_after = Settings.from_env({}, read_secret=lambda _: {}).stale_after

    assert TIMEOUT + max(RETRY_PAUSES) == timedelta(minutes=7)
    assert timedelta(minutes=7) < stale_after == timedelta(minutes=15)


def test_what_is_in_no_event_of_lambdas_any_more_is_older_than_an_event_and_its_last_run() -> None:
    assert timedelta(seconds=LONGEST_AGE_SECONDS) + TIMEOUT < IN_LAMBDAS_HANDS


class Minutes:
    """The stale processor of an environment with StaleAfterMinutes=1, a run a minute; time passes in the table."""

    def __init__(self, database: DatabaseManager, database_url: str) -> None:
        self.database, self._dsn = database, database_url
        self._rules = StaleRules(stale_after=MINUTE, reserve=Reserve(runs=10))

    def pass_one(self, publish: Callable[[PilotMessage], object]) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as admin:
            admin.execute(
                "UPDATE b2b_pilot_user_submissions SET updated_at = updated_at - %(by)s,"
                " lease_expires_at = lease_expires_at - %(by)s, next_stale_at = next_stale_at - %(by)s",
                {"by": MINUTE},
            )
        republish_stale(self.database, publish, self._rules, has_answered=lambda _: True)

    def heal(self, sent: PilotMessage) -> None:
        process(delivery(sent), database=self.database, replier=None, lease=LONGEST_LEASE)


def refuse(_: PilotMessage) -> None:
    raise AwsThrottled("AWS throttled sns:Publish")


def say_nothing(_: PilotMessage) -> None:
    raise PublishFailed("no answer")


def swallow(_: PilotMessage) -> None:
    """SNS accepts it, and each of its three runs dies without a word."""


@pytest.mark.parametrize("ended", ["died", "failed"])
@pytest.mark.parametrize("fault", [None, refuse, say_nothing, swallow])
@pytest.mark.parametrize("minutes", [0, 1, 2, 7])
def test_nothing_is_unsettled_three_minutes_after_a_fault_has_ended(
    database: DatabaseManager,
    database_url: str,
    minutes: int,
    fault: Callable[[PilotMessage], object] | None,
    ended: str,
) -> None:
    """Lambda does nothing any more: the message depends on the stale processor alone."""
    time = Minutes(database, database_url)
    sent = message()
    claim = database.claim(sent, lease=LONGEST_LEASE)
    assert claim is not None
    if ended == "failed":
        database.fail(claim, "boom")
    for _ in range(minutes if fault else 0):
        time.pass_one(fault or swallow)

    for _ in range(3):
        time.pass_one(time.heal)

    row = database.get_submission_by_message_id(sent.message_id)
    assert row is not None
    assert row.status in SETTLED
    if fault is not swallow:
        assert row.status is SubmissionStatus.COMPLETED
