"""What a diagnosis asks beside the checks of `verify`: the same kind of statements, true when nothing is behind them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from b2bpilot.advice import our_command
from b2bpilot.aws.logs import LogGroup
from b2bpilot.aws.metrics import Metric, read, total
from b2bpilot.errors import AwsError, PilotError
from b2bpilot.ops.rejections import PAUSES, rejections
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered
from b2bpilot.ops.verify.checks.dead_letters.waiting import dead_letters_of
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.measured import ACTIONS as METRIC_ACTIONS
from b2bpilot.ops.verify.measured import DAY, PERIOD_SECONDS
from b2bpilot.ops.verify.shared import shared
from b2bpilot.ops.verify.table import APPLICATION_NAME, table
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.dead_letters.causes import Group
    from b2bpilot.ops.dead_letters.listing import DeadLetterListing
    from b2bpilot.pipeline.database import DatabaseManager

SHOWN = 3
EDGE = timedelta(seconds=PERIOD_SECONDS)
"""CloudWatch's first period may begin so much before the day does."""
SECRET = ("secretsmanager:GetSecretValue",)


def _database(deployment: Deployment) -> DatabaseManager:
    from b2bpilot.pipeline.database import DatabaseManager

    return DatabaseManager(deployment.database_url, application_name=APPLICATION_NAME)


def _count(deployment: Deployment, name: str) -> int:
    """Of one of our own metrics, in the last day."""

    def ask() -> dict[Metric, list[object]]:
        wanted = [
            _metric(deployment, each) for each in ("MessagesStored", "MessagesDuplicate", "WebhookRejected")
        ]
        period = {"since": deployment.now - DAY, "until": deployment.now, "period_seconds": PERIOD_SECONDS}
        return dict(read(shared(deployment), wanted, **period))  # type: ignore[arg-type]  # the values' types differ

    found = deployment.ask("our metrics", ask)
    return round(total(found[_metric(deployment, name)]))


def _metric(deployment: Deployment, name: str) -> Metric:
    return Metric(namespace=f"B2BPilot/{deployment.stack.environment}", name=name)


def _none_rejected(deployment: Deployment) -> Answer:
    """A request that only CloudWatch's number knows is not taken for a probe: then it is not known what it was."""
    counted = _count(deployment, "WebhookRejected")
    if not counted:
        return holds("none in the last day")
    told = f"CloudWatch counts {_counted(counted, 'request')} in the last day"
    group = LogGroup.of_function(
        deployment.stack.webhook_function_name, access=shared(deployment), pauses=PAUSES
    )
    try:
        found = rejections(group, since=deployment.now - DAY - EDGE)
    except AwsError as exc:
        return unanswered(f"{told}; whether they are b2bpilot's own probes cannot be told: {exc}")
    if found.others:
        least = "" if found.is_complete else "at least "
        aside = f", besides {found.probes:,} of b2bpilot's own probes" if found.probes else ""
        return fails(
            f"{least}{_counted(found.others, 'request')} refused in the last day{aside}; the log says why each"
        )
    if counted > found.probes:
        return unanswered(f"{told}; the log shows {found.probes:,}, all b2bpilot's own probes")
    return holds(f"{found.probes:,} in the last day, all b2bpilot's own probes")


def _no_dead_letters(deployment: Deployment) -> Answer:
    found: DeadLetterListing = deployment.ask("dead letters of a diagnosis", lambda: _survey(deployment))
    if not found.groups:
        return holds("the queue is empty")
    told = _listed(
        [f"{group.id} {group.count} {group.cause.kind}: {group.cause.text}" for group in found.groups]
    )
    first = first_to_redrive(found.groups, _lost(deployment))
    return fails(
        f"dead letters in the queue: {told}; redrive those whose cause is fixed",
        fix=our_command("dlq", "redrive", "--group", first.id),
    )


def dead_letters_told(deployment: Deployment) -> DeadLetterListing | None:
    """Return the dead letters whose groups a diagnosis named; None where none looked."""
    found: DeadLetterListing | None = deployment.once.known("dead letters of a diagnosis")
    return found


def first_to_redrive(groups: Sequence[Group], lost: Sequence[str]) -> Group:
    """Return the biggest group that failed for a column which the table lacks, as PostgreSQL quotes it: poison that lies
    beside fails again when the column is back. Else the biggest of all."""
    return next((one for one in groups if any(f'"{name}"' in one.cause.text for name in lost)), groups[0])


def _lost(deployment: Deployment) -> Sequence[str]:
    from b2bpilot.ops.migrations.lost_columns import lost_columns

    try:
        return lost_columns(table(deployment).schema).names
    except PilotError:
        return ()


def _survey(deployment: Deployment) -> DeadLetterListing:
    """After the checks' own look: two at once would hide dead letters from each other."""
    from b2bpilot.ops.dead_letters.filters import Selection
    from b2bpilot.ops.dead_letters.listing import list_dead_letters

    dead_letters_of(deployment)
    queue = deployment.environment.queue()
    return list_dead_letters(
        queue,
        selection=Selection(),
        retention=queue.attributes().retention,
        table=deployment.table,
        now=deployment.now,
        observe=lambda _saw, _about: None,
    )


def _no_failed_rows(deployment: Deployment) -> Answer:
    from b2bpilot.pipeline.health import count_errors

    with _database(deployment) as database:
        found = count_errors(database, most=SHOWN + 1)
    if not found:
        return holds("no message's last run failed")
    return fails(
        f"messages whose last run failed: {_listed([f'{count} with: {error}' for error, count in found])}"
    )


def _no_doubled_rows(deployment: Deployment) -> Answer:
    from b2bpilot.pipeline.health import count_doubled

    with _database(deployment) as database:
        found = count_doubled(database)
    if not found.messages:
        return holds("each MessageSid is in one row")
    return fails(
        f"{_counted(found.messages, 'MessageSid')} in more than one row, such as {found.example}; the rows of the old "
        "system have no message_id, and no index kept them apart"
    )


def _all_identified(deployment: Deployment) -> Answer:
    from b2bpilot.pipeline.health import count_unidentified

    with _database(deployment) as database:
        found = count_unidentified(database)
    if not found:
        return holds("every unfinished row has a message_id")
    return fails(
        f"{_counted(found, 'unfinished row')} without a message_id; the stale processor gives it to them before it publishes"
    )


def _skipped(deployment: Deployment) -> Answer:
    duplicates, stored = _count(deployment, "MessagesDuplicate"), _count(deployment, "MessagesStored")
    if not duplicates:
        return holds(f"none came again in the last day; {stored:,} stored")
    again = many(duplicates, "message came again and was skipped", "messages came again and were skipped")
    return holds(f"{again} in the last day; {stored:,} stored")


def _counted(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def _listed(parts: Sequence[str]) -> str:
    more = "; and others" if len(parts) > SHOWN else ""
    return "; ".join(parts[:SHOWN]) + more


REJECTED = Check(
    code="rejected-requests",
    category=Category.WEBHOOK,
    statement="the webhook refused no request, b2bpilot's own probes aside",
    why="A request that is refused is none of Twilio's, or the URL or the token are not what Twilio has.",
    fix=our_command("logs", "webhook", "--since", "24h", "--level", "warning"),
    probe=_none_rejected,
    severity=Severity.WARNING,
    actions=(*METRIC_ACTIONS, "logs:FilterLogEvents"),
    needs=("B2B010",),
)
DEAD_LETTERS = Check(
    code="dead-letters-by-cause",
    category=Category.DEAD_LETTERS,
    statement="there are no dead letters",
    why="Lambda's tries are over; each group of dead letters has one cause.",
    fix=our_command("dlq", "list"),
    probe=_no_dead_letters,
    actions=("sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"),
    needs=("B2B060",),
)
ROWS = Check(
    code="rows-by-error",
    category=Category.DATABASE,
    statement="no row tells of an error",
    why="The last run of a message writes into its row what went wrong.",
    fix=our_command("submissions", "stuck"),
    probe=_no_failed_rows,
    actions=SECRET,
    needs=("B2B082",),
)
DOUBLED_ROWS = Check(
    code="doubled-rows",
    category=Category.DATABASE,
    statement="no Twilio message has two rows",
    why="The index keeps message_ids apart; a row without one escapes it.",
    fix="",
    probe=_no_doubled_rows,
    actions=SECRET,
    needs=("B2B078",),
)
UNIDENTIFIED = Check(
    code="rows-without-id",
    category=Category.DATABASE,
    statement="every unfinished row has a message_id",
    why="A row of the old system gets its id from its MessageSid; without that too, it gets a new one.",
    fix="",
    probe=_all_identified,
    severity=Severity.WARNING,
    actions=SECRET,
    needs=("B2B078",),
)
SKIPPED = Check(
    code="skipped-duplicates",
    category=Category.PROCESSOR,
    statement="what came again was skipped",
    why="Twilio, SNS and Lambda all deliver twice at times; the claim lets the second one do nothing.",
    fix="",
    probe=_skipped,
    actions=METRIC_ACTIONS,
    needs=("B2B010",),
)
EVIDENCE = (REJECTED, DEAD_LETTERS, ROWS, DOUBLED_ROWS, UNIDENTIFIED, SKIPPED)
