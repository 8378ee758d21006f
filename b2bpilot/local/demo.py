"""The demonstration: real Twilio-shaped webhooks travel through the deployed template, things break, nothing is lost.

Every number in it is asked of the database or the queue; what does not hold ends the demonstration as a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import psycopg

from b2bpilot.aws.functions import Function
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.aws.topic import Topic
from b2bpilot.errors import PilotError
from b2bpilot.local.clients import LocalAws
from b2bpilot.local.demo_lost import find, lose
from b2bpilot.local.environment import LocalEnvironment, running
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.ops.environment import discover
from b2bpilot.ops.redrive.options import RedriveOptions
from b2bpilot.ops.redrive.routes import InvokeRoute
from b2bpilot.ops.redrive.run import Redrive
from b2bpilot.ops.runs.journal import Journal, operator_name
from b2bpilot.ops.table.asked import KnownTable
from b2bpilot.ops.table.database_proof import THE_FUNCTIONS_OWN
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.libpq import pinned
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from b2bpilot.pipeline.waiting import wait_until
from b2bpilot.twilio.samples import NUMBER, SENDER, Sample, sample_params
from b2bpilot.twilio.webhook import WebhookAnswer, WebhookClient

Found = TypeVar("Found")

WAIT_SECONDS = 180
HIDDEN_SECONDS = 30
POLL_SECONDS = 0.05
CONSTRAINT = "bodies_are_short"
KINDS = (Sample.TEXT, Sample.MEDIA, Sample.BUTTON, Sample.LOCATION, Sample.EMOJI, Sample.EMPTY)
SENT_TWICE = 2
NEVER_DELIVERED = 2
LONG = "Please deliver to the back entrance, the front is closed until Monday"


class DemonstrationFailed(PilotError):
    """Something that the pipeline promises did not hold."""

    code = "demonstration_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One step of the story: what was done, what was then seen, and the rows or dead letters that prove it."""

    title: str
    seen: Sequence[str]
    submissions: Sequence[UserSubmission] = ()
    dead_letters: Sequence[DeadLetter] = ()
    facts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStage:
    """The running environment, and how the demonstration looks at it."""

    webhook: WebhookClient
    database: DatabaseManager
    admin: psycopg.Connection
    queue: DeadLetterQueue
    processor: Function
    topic: Topic
    twilio: TwilioDouble
    home: Path

    def journal(self, command: str, reason: str) -> Journal:
        return Journal.create(
            self.home,
            command=command,
            environment="local",
            account_id="demo",
            region="local",
            operator=operator_name(),
            reason=reason,
            parameters={},
        )

    def rows(self, status: SubmissionStatus | None = None) -> list[UserSubmission]:
        """Oldest first, as the story goes."""
        return self.database.list_submissions(status=status, limit=100)[::-1]


def demonstrate(home: Path, *, progress: Callable[[str], None]) -> Iterator[Scene]:
    """Start an environment in `home`, play the scenes, end it. Raises DemonstrationFailed when something does not hold."""
    with running(home, fresh=True, progress=progress) as environment, _stage(environment, home) as stage:
        progress("posting webhooks")
        yield _normal_day(stage)
        progress("posting what Twilio did not sign")
        yield _forgery(stage)
        progress("breaking the table; each message is tried three times")
        yield _bad_change(stage)
        progress("fixing the table and redriving the dead letters")
        yield _redrive(stage)
        progress("pointing Twilio at a wrong URL, and asking Twilio afterwards")
        yield _wrong_url(stage)
        yield _proof(stage)


@contextmanager
def _stage(environment: LocalEnvironment, home: Path) -> Iterator[DemoStage]:
    state, outputs = environment.state, environment.stack.outputs
    access = LocalAws(state.endpoint_url, state.keys).access
    found = discover(outputs["Environment"], access)
    with (
        WebhookClient(state.webhook_url, auth_token=state.twilio_auth_token) as webhook,
        DatabaseManager(state.database_url, application_name="b2bpilot/demo") as database,
        psycopg.connect(pinned(state.database_url), autocommit=True) as admin,
    ):
        yield DemoStage(
            webhook=webhook,
            database=database,
            admin=admin,
            queue=found.queue(),
            processor=found.processor(),
            topic=found.topic(),
            twilio=environment.twilio,
            home=home,
        )


def _normal_day(stage: DemoStage) -> Scene:
    """Twilio retries a webhook that it got no answer to: the same message arrives twice."""
    messages = [sample_params(kind) for kind in KINDS]
    answers = [_post(stage, params) for params in messages]
    again = [_post(stage, params) for params in messages[:SENT_TWICE]]
    rows = _until(
        lambda: stage.rows(SubmissionStatus.COMPLETED),
        lambda found: len(found) >= len(messages),
        "rows of the messages",
    )
    _hold(
        {row.message_id for row in rows} == {answer.message_id for answer in answers},
        "each message is stored under its own id",
    )
    return Scene(
        title="Six customers write; Twilio delivers two of the messages twice",
        seen=[
            f"{len(answers) + len(again)} webhooks, signed as Twilio signs them, each answered 200 with empty TwiML",
            f"{len(rows)} rows: a message's id comes from its MessageSid, so the second delivery finds it processed",
        ],
        submissions=rows,
        facts={"webhooks": len(answers) + len(again), "rows": len(rows)},
    )


def _forgery(stage: DemoStage) -> Scene:
    answer = stage.webhook.post(sample_params(Sample.TEXT), signature="bm90IFR3aWxpbydzIHNpZ25hdHVyZQ==")
    _hold(answer.status == 403, f"a forged webhook is refused, not answered {answer.status}")  # noqa: PLR2004
    return Scene(
        title="Somebody else posts to the webhook",
        seen=[f"answered 403: {answer.body}; nothing was published"],
        facts={"forged_status": answer.status},
    )


def _bad_change(stage: DemoStage) -> Scene:
    """A mistake that really happens: a constraint that production data does not keep to."""
    stage.admin.execute(
        f"ALTER TABLE b2b_pilot_user_submissions ADD CONSTRAINT {CONSTRAINT} CHECK (length(body) < 50) NOT VALID"
    )
    long = [sample_params(Sample.TEXT, Body=LONG) for _ in range(3)]
    for params in [*long, sample_params(Sample.POISON)]:
        _post(stage, params)
    dead_letters = _until(
        lambda: _look(stage.queue), lambda found: len(found) >= len(long) + 1, "dead letters"
    )
    failed = stage.rows(SubmissionStatus.FAILED)
    _hold(
        {row.message_id for row in failed}
        == {dead_letter.message.message_id for dead_letter in dead_letters if dead_letter.message},
        "each dead letter has its failed row",
    )
    return Scene(
        title="Friday, 17:00: a colleague limits the length of a body; one sender's software breaks, too",
        seen=[
            f"{len(dead_letters)} messages failed three times each and are dead letters now; their rows say why",
            "AWS's own redrive refuses this queue: its dead letters come from Lambda, not from another queue",
        ],
        submissions=failed,
        dead_letters=dead_letters,
        facts={"dead_letters": len(dead_letters), "failed": len(failed)},
    )


def _redrive(stage: DemoStage) -> Scene:
    """The engine of `b2bpilot dlq redrive`: journal, send, check the result, delete; what fails again stays."""
    stage.admin.execute(f"ALTER TABLE b2b_pilot_user_submissions DROP CONSTRAINT {CONSTRAINT}")
    run = Redrive(
        queue=stage.queue,
        route=InvokeRoute(stage.processor),
        table=KnownTable(stage.database, THE_FUNCTIONS_OWN),
        options=RedriveOptions(max_failures=1.0, wait=timedelta(seconds=10)),
        started_at=datetime.now(UTC),
    )
    with run, stage.journal("redrive", "the constraint was dropped") as journal:
        summary = run.run_window(run.next_plan(), journal)
    _hold(
        summary.completed == 3 and len(summary.unfinished) == 1,  # noqa: PLR2004
        "the three long messages are stored and the broken one is not",
    )
    reasons = ", ".join(one.reason for one in summary.unfinished)
    return Scene(
        title="The constraint is dropped and the dead letters are redriven",
        seen=[
            f"{summary.completed} completed, as their rows say, and deleted from the queue",
            f"{len(summary.unfinished)} failed again and stays in the queue: {reasons}",
        ],
        dead_letters=_look(stage.queue),
        facts={"redriven": summary.completed, "kept": len(summary.unfinished)},
    )


def _wrong_url(stage: DemoStage) -> Scene:
    """What `b2bpilot twilio reconcile --publish-missing` does: such a loss leaves no trace in AWS."""
    account_sid = stage.twilio.account.sid
    lost = [
        sample_params(kind, AccountSid=account_sid, From=SENDER, To=NUMBER)
        for kind in KINDS[:NEVER_DELIVERED]
    ]
    lose(stage.twilio, lost)
    with stage.journal("reconcile", "the webhook's URL was wrong") as journal:
        loss = find(stage.twilio, stage.database, stage.topic, journal)
    _hold(
        {one.sid for one in loss.missing} == {params["MessageSid"] for params in lost},
        "exactly the messages are missing that never reached the webhook",
    )
    _hold(loss.recovered.proven == len(lost), "all of them are stored now")
    found = [stage.database.get_submission_by_message_id(one.message_id or "") for one in loss.missing]
    codes = ", ".join(sorted({one.error_code or "none" for one in loss.missing}))
    return Scene(
        title="A deploy points the number at a wrong URL; AWS never hears of it",
        seen=[
            f"Twilio has {len(lost)} messages that the table has not; its alerts say why: error {codes}",
            f"{loss.recovered.proven} published again with all their parameters, and stored, as their rows say",
        ],
        submissions=[row for row in found if row],
        facts={"missing": len(loss.missing), "recovered": loss.recovered.proven},
    )


def _proof(stage: DemoStage) -> Scene:
    rows = stage.rows()
    distinct = {row.message_id for row in rows}
    completed = [row for row in rows if row.status is SubmissionStatus.COMPLETED]
    sent = len(KINDS) + 4 + NEVER_DELIVERED
    _hold(len(rows) == len(distinct) == sent, f"{sent} messages were sent and {sent} rows are there")
    return Scene(
        title="The books balance",
        seen=[
            f"{len(rows)} messages were sent and {len(rows)} rows are there: none lost, none twice",
            f"{len(completed)} completed, {len(rows) - len(completed)} failed and still in the dead-letter queue",
        ],
        facts={"accepted": sent, "rows": len(rows), "completed": len(completed)},
    )


def _post(stage: DemoStage, params: Mapping[str, str]) -> WebhookAnswer:
    answer = stage.webhook.post(params)
    _hold(answer.status == 200, f"a signed webhook is taken, not answered {answer.status}: {answer.body}")  # noqa: PLR2004
    return answer


def _look(queue: DeadLetterQueue) -> list[DeadLetter]:
    """Receive and give back at once."""
    dead_letters = queue.receive(hidden_seconds=HIDDEN_SECONDS, wait_seconds=0)
    queue.release(dead_letters)
    return dead_letters


def _until(look: Callable[[], Found], enough: Callable[[Found], bool], what: str) -> Found:
    """Look again and again, as an operator would: neither queue, table nor log tells anybody that something came."""
    found = wait_until(look, enough=enough, seconds=WAIT_SECONDS, pause_seconds=POLL_SECONDS)
    if not enough(found):
        raise DemonstrationFailed(f"the {what} did not appear within {WAIT_SECONDS} s")
    return found


def _hold(fact: bool, promise: str) -> None:
    if not fact:
        raise DemonstrationFailed(f"this does not hold: {promise}")
