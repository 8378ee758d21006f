"""What commands that change something have to show, and those that look at this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from b2bpilot.advice import our_command
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.cli.config import settings_view
from b2bpilot.cli.config.origins import SettingOrigin, SettingsFile
from b2bpilot.cli.dlq import archive, discard, edit, remote_report, restore
from b2bpilot.cli.dlq.options import confirm
from b2bpilot.cli.doctor import command as doctor_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.failures import failure_of
from b2bpilot.cli.frame.settings import GivenValue
from b2bpilot.cli.submissions import republish
from b2bpilot.cli.subscribers import backfill_view
from b2bpilot.cli.twilio import rollback, switch
from b2bpilot.errors import PilotError
from b2bpilot.ops.backfill.plan import BackfillPlan
from b2bpilot.ops.backfill.rebuild import RowFate
from b2bpilot.ops.cutover.change import Change
from b2bpilot.ops.cutover.route import RouteLevel
from b2bpilot.ops.dead_letters.archive import Origin
from b2bpilot.ops.dead_letters.causes import Cause, Group, SeenDeadLetter
from b2bpilot.ops.dead_letters.discard import Discarded, Problem
from b2bpilot.ops.dead_letters.edit import Edit
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.listing import DeadLetterListing
from b2bpilot.ops.dead_letters.marks import MarksOfRun
from b2bpilot.ops.dead_letters.peek import Peek
from b2bpilot.ops.dead_letters.restore import Restored, RestoreDecision, RestorePlan
from b2bpilot.ops.doctor.finding import MachineFinding, not_asked, warned, wrong
from b2bpilot.ops.doctor.finding import fine as well
from b2bpilot.ops.publish.run import require_all_accepted
from b2bpilot.ops.publish.sending import Dispatch, SentItem
from b2bpilot.ops.redrive_in_aws.proof import Backlog, Left, RedriveInAwsOutcome, RemainingKind
from b2bpilot.ops.republish.plan import plan
from b2bpilot.ops.republish.run import Republished, require_all_completed
from b2bpilot.ops.sending.result import SendOutcome
from b2bpilot.ops.subscribers.discovery import Subscriber, SubscriberKind
from b2bpilot.ops.table.asked import Named
from b2bpilot.ops.table.row_state import Asked, RowState
from b2bpilot.ops.unproven import UnprovenMessage
from b2bpilot.pipeline.dead_letter import FailureKind
from b2bpilot.pipeline.history import Stretch
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.owner import Owner, Ownership
from b2bpilot.twilio.webhook_setting import WebhookSetting
from tests.cli.golden_scenes import (
    IDS,
    MINUTE,
    REFUSED,
    RUN,
    SIDS,
    SUBMISSIONS,
    URL,
    a_submission,
    dead_letter,
)
from tests.ops.status.readings import NOW, PROVEN

OURS = Owner(ownership=Ownership.OURS)
ADOPTED = Owner(ownership=Ownership.OURS, name="arn:aws:sns:eu-west-1:123456789012:old:1", is_adopted=True)
OTHERS = Owner(ownership=Ownership.OTHER, name="arn:aws:sqs:eu-west-1:123456789012:crm-messages-prod-inbound")
GONE = Owner(
    ownership=Ownership.GONE,
    name="arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-prod:5e0c4f0e-9d62-4a10-8d62-6e9f2c4d7a10",
)
CAUSE = Cause(FailureKind.EXCEPTION, REFUSED)
ANALYTICS = Subscriber(
    name="analytics",
    kind=SubscriberKind.FUNCTION,
    subscription=Subscription(
        arn="arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-prod:3f0c7c0e-1b7e-4f5e-9a53-2f1f3c6f3c11",
        topic_arn="arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-prod",
        protocol="lambda",
        endpoint="arn:aws:lambda:eu-west-1:123456789012:function:analytics-b2b-pilot-prod",
        owner="123456789012",
        confirmed=True,
        raw_delivery=False,
        filter_policy='{"test": ["false"]}',
        filter_policy_scope="MessageAttributes",
        redrive_policy=None,
    ),
    errors=("AWS denied lambda:GetFunctionConfiguration: no identity-based policy allows it",),
)
TOO_LARGE = "lambda:InvokeFunction failed: RequestTooLargeException: 1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
PROBLEM = Problem(queue_message_id=IDS[1], message_id=IDS[2], reason="somebody else received it meanwhile")


def ending(pilot: Pilot, act: Callable[[], None]) -> None:
    """Show the error that a command ends with, too."""
    try:
        act()
    except PilotError as exc:
        pilot.output.fail(failure_of(exc, verbose=False))


def a_look() -> DeadLetterListing:
    seen = [
        SeenDeadLetter(
            queue_message_id=id_,
            message_id=IDS[2],
            cause=CAUSE,
            sent_at=NOW - 17 * MINUTE,
            redrives=0,
            receive_count=3,
            owner=owner,
        )
        for id_, owner in ((IDS[0], OURS), (IDS[1], OTHERS))
    ]
    group = Group(
        id="G1",
        cause=CAUSE,
        count=2,
        oldest=NOW - 17 * MINUTE,
        newest=NOW - 3 * MINUTE,
        expiry=None,
        sample=IDS[2],
        states={RowState.FAILED: 1},
        owners={ADOPTED: 1, OTHERS: 1, GONE: 1},
    )
    look = Peek(
        found=seen,
        names={CAUSE: "G1"},
        saw=2,
        counters=Counters(visible=0, hidden=3, delayed=0),
        copies={IDS[2]: 3},
        not_released=1,
        release_error="the request timed out",
    )
    return DeadLetterListing(
        look=look, groups=[group], database=PROVEN, database_error=None, discarded={RUN: [IDS[0]]}
    )


def dlq_discard(pilot: Pilot) -> None:
    selection = Selection(group="G1")
    discard._show_plan(pilot, a_look(), selection, dry_run=False)
    confirm(pilot, "Archive and delete 1 dead letter of group G1", yes=True)
    done = Discarded(
        deleted=11,
        marked=10,
        problems=[PROBLEM],
        unmarked=[Problem(queue_message_id=IDS[3], message_id=IDS[0], reason="the database did not answer")],
    )
    ending(pilot, lambda: discard._end(pilot, RUN, done, unseen=1))


def dlq_restore(pilot: Pilot) -> None:
    decisions = dict(zip(IDS, RestoreDecision, strict=False))
    found = RestorePlan(
        path=Path("/home/oncall/.local/state/b2bpilot/runs/archives") / f"{RUN}.jsonl",
        origins=frozenset({Origin.of(pilot.environment)}),
        decisions=decisions | {"5": RestoreDecision.UNDECIDED},
        message_ids=dict.fromkeys(decisions, IDS[2]),
        owners={OTHERS: 1},
        cut="line 13",
    )
    restore._show_plan(pilot, found, Named(proof=PROVEN))
    marks = MarksOfRun(
        run_id=RUN, others={RUN.replace("2c93", "3f9a"): 2}, error="the database did not answer"
    )
    restore._show_marks(pilot, marks)
    confirm(pilot, "Put 2 dead letters back into the dead-letter queue", yes=True)
    done = restore.Done(restored=Restored(put_back=1, problems=[PROBLEM]), rows_back=0, error=None)
    ending(pilot, lambda: restore._end(pilot, RUN, done, marks))


def dlq_export(pilot: Pilot) -> None:
    file = "/home/oncall/incidents/INC-1234/dead-letters.jsonl"
    selection = Selection(group="G1")
    archive._show(pilot, file, a_look().look, selection)
    ending(pilot, lambda: archive._require_all_seen(pilot, file, a_look().look, selection))


def dlq_edit(pilot: Pilot) -> None:
    before = '{\n  "MediaUrl0": "htps://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME0123456789abcdef",\n  "NumMedia": "two"\n}\n'
    after = before.replace("htps", "https").replace("two", "2")
    change = Edit(dead_letter=dead_letter(), before=before, after=after)
    pilot.output.notice(PROVEN.told())
    edit._show_diff(pilot, change.diff())
    confirm(pilot, "Replace the dead letter by the edited one", yes=True)
    edit._end(pilot, RUN)


def dlq_redrive_in_aws(pilot: Pilot) -> None:
    messages = {IDS[0]: Asked(IDS[2], test=False), IDS[1]: Asked(IDS[3], test=False)}
    backlog = Backlog(messages=messages, set_aside=3, owners={OTHERS: 1, GONE: 1}, unseen=1)
    remote_report.show_plan(pilot, backlog, Named(proof=PROVEN), concurrency=2, max_failures=0.5)
    outcome = RedriveInAwsOutcome(
        backlog=backlog,
        left=Left(places=Counter(dict.fromkeys(RemainingKind, 1)), hidden=1),
        states={messages[IDS[0]]: RowState.COMPLETED, messages[IDS[1]]: RowState.FAILED},
        database=PROVEN,
    )
    remote_report.show_outcome(pilot, RUN, "nothing is left to try", outcome)
    ending(pilot, outcome.require_everything_completed)


def twilio_rollback(pilot: Pilot) -> None:
    changes = [
        Change(
            level=level,
            sid=sid,
            before=WebhookSetting(url=URL, fallback_url="https://fallback.example.com/webhook"),
            after=WebhookSetting(url="https://hooks.example.com/old", method="GET"),
        )
        for level, sid in ((RouteLevel.NUMBER, SIDS[0]), (RouteLevel.SERVICE, SIDS[1]))
    ]
    switch.show_changes(pilot, changes)
    pilot.confirmation(yes=True).ask(rollback._question(pilot, RUN), "Continue?")
    rollback._show_end(pilot, RUN, changes, changes[1:])
    ending(pilot, lambda: rollback._require_all_restored(changes[:1], changes[1:], is_some_restored=True))


def submissions_republish(pilot: Pilot) -> None:
    abandoned = a_submission(0, SubmissionStatus.ABANDONED, id=2, priority="urgent", last_error=REFUSED)
    found = plan([abandoned, *SUBMISSIONS[1:]], now=NOW, discarded=False)
    republish._show_plan(pilot, found, PROVEN, dry_run=False)
    done = Republished(
        accepted=2,
        unknown=1,
        completed=1,
        problems=[UnprovenMessage(message_id=IDS[2], reason=f"it failed again: {REFUSED}")],
    )
    republish._show_end(pilot, RUN, done)
    ending(pilot, lambda: require_all_completed(done, RUN))


def subscribers_backfill(pilot: Pilot) -> None:
    planned = BackfillPlan(
        rows=Stretch(since=NOW - timedelta(days=3), until=None, first_id=1, last_id=12_345),
        fates=Counter(
            {
                RowFate.SEND: 10_204,
                RowFate.BEFORE: 1_001,
                RowFate.FILTERED: 1_100,
                RowFate.UNDECIDED: 12,
                RowFate.NOT_SELECTED: 1,
                RowFate.UNIDENTIFIED: 7,
                RowFate.WITHOUT_PARAMS: 7,
                RowFate.DISCARDED: 7,
                RowFate.UNREADABLE: 7,
            }
        ),
        days=Counter({NOW.date(): 10_000, (NOW - timedelta(days=1)).date(): 204}),
        tests=2,
        perhaps_before=16,
        is_limited=True,
    )
    backfill_view.show_plan(pilot, planned, ANALYTICS, proof=PROVEN, dry_run=False)
    refused = SentItem(
        key=IDS[0], message_id=IDS[0], copy=1, outcome=SendOutcome.NOT_SENT, error=PilotError(TOO_LARGE)
    )
    unknown = SentItem(key=IDS[1], message_id=IDS[1], copy=1, outcome=SendOutcome.UNKNOWN)
    dispatch = Dispatch(
        total=11_200, results=[refused, unknown], earlier=1_001, only_counted=10_197, seconds=61.5
    )
    backfill_view.show_end(pilot, RUN, ANALYTICS, planned, dispatch)
    ending(pilot, lambda: require_all_accepted(dispatch, RUN, done="delivered"))


def doctor(pilot: Pilot) -> None:
    found: list[MachineFinding] = [
        well(
            "program", "b2bpilot 0.1.0 with Python 3.12.3, from /home/oncall/.local/share/pipx/venvs/b2bpilot"
        ),
        wrong(
            "credentials",
            "no AWS credentials were found: neither variables nor a profile nor a role of this machine",
            "sign in, for example with `aws sso login`, or name a profile with --profile",
        ),
        warned(
            "clock",
            "this machine's clock is 412 s behind AWS's: signatures are refused from 300 s on",
            "set it",
        ),
        warned("database client", "no psql was found", our_command("doctor")),
        not_asked("network", "there is no region"),
    ]
    doctor_command._show(pilot, found)


def config_show(pilot: Pilot) -> None:
    path = Path("/home/oncall/.config/b2bpilot/config.toml")
    url = "postgresql://pilot:secret@b2b-pilot-prod.cluster-c1x2y3z4.eu-west-1.rds.amazonaws.com:5432/pilot"
    settings = [
        SettingOrigin(
            name="env",
            value="prod",
            place="--env",
            others=[GivenValue("staging", "B2BPILOT_ENV"), GivenValue("dev", str(path))],
        ),
        SettingOrigin(name="region", value="eu-west-1", place="profile default of the AWS CLI"),
        SettingOrigin(name="database-url", value=url, place="B2BPILOT_DATABASE_URL"),
        SettingOrigin(
            name="color", value="pink", place=str(path), problem="color 'pink' is none of auto, always, never"
        ),
        SettingOrigin(name="verbose", value="false", place=None),
    ]
    pilot.output.rows("settings", map(settings_view._setting, settings))
    pilot.output.lines([""])
    broken = SettingsFile(path=path, is_there=True, problem="it is not TOML: Expected '=' after a key")
    missing = SettingsFile(path=Path("/etc/b2bpilot/config.toml"), is_there=False)
    pilot.output.rows("files", map(settings_view._file, [broken, missing]))


SCENES: dict[str, Callable[[Pilot], None]] = {
    "config-show": config_show,
    "dlq-discard": dlq_discard,
    "dlq-edit": dlq_edit,
    "dlq-export": dlq_export,
    "dlq-redrive-in-aws": dlq_redrive_in_aws,
    "dlq-restore": dlq_restore,
    "doctor": doctor,
    "submissions-republish": submissions_republish,
    "subscribers-backfill": subscribers_backfill,
    "twilio-rollback": twilio_rollback,
}
