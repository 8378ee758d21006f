"""What commands have to show: real results, with what is hard to lay out in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from b2bpilot.advice import our_command
from b2bpilot.aws.alarms import Alarm, AlarmState
from b2bpilot.aws.logs import LogEvent
from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.cli.deploy import deploy_view
from b2bpilot.cli.diagnose import cost_view, diagnosis_view
from b2bpilot.cli.dlq import dead_letter_view, group_view, owner_view, redrive_report, replay_view
from b2bpilot.cli.explain import command as explain_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.inspect import inspection
from b2bpilot.cli.load import display
from b2bpilot.cli.local import app as local
from b2bpilot.cli.local import demo
from b2bpilot.cli.logs import log_line
from b2bpilot.cli.migrate import migration as migration_view
from b2bpilot.cli.output import Row, ShownError, pairs, pasted
from b2bpilot.cli.publish import results
from b2bpilot.cli.runs import run_record
from b2bpilot.cli.status.screen import screen
from b2bpilot.cli.status.sparkline import BLOCKS
from b2bpilot.cli.submissions import submission
from b2bpilot.cli.submissions.stuck_view import StuckView
from b2bpilot.cli.subscribers import app as subscribers_app
from b2bpilot.cli.subscribers import coverage_view, subscription_view
from b2bpilot.cli.twilio import findings as twilio_findings
from b2bpilot.cli.twilio import route, switch
from b2bpilot.cli.verify import verify_view
from b2bpilot.errors import AwsDenied
from b2bpilot.local.control import LocalStatus
from b2bpilot.local.demo import Scene
from b2bpilot.local.state import LocalSubscriber
from b2bpilot.ops.asking import InquiryAnswer
from b2bpilot.ops.cost.estimate import CostItem, Estimate
from b2bpilot.ops.cost.prices import PRICES
from b2bpilot.ops.cutover.change import Change
from b2bpilot.ops.cutover.route import NumberRoute, RouteLevel
from b2bpilot.ops.dead_letters.causes import Cause, Expiry, Group
from b2bpilot.ops.dead_letters.decision import Decision
from b2bpilot.ops.dead_letters.listing import Shown, ShownLog, ShownRow, TimelineEntry
from b2bpilot.ops.deploy.checkout import SamConfig
from b2bpilot.ops.deploy.plan import Caller, DeployPlan
from b2bpilot.ops.diagnose.diagnosis import Branch, Diagnosis, HypothesisState
from b2bpilot.ops.diagnose.symptom import HYPOTHESES, Symptom
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.explain.lookup import explained
from b2bpilot.ops.inspect.diagnosis import MessageDiagnosis, MessageOutcome
from b2bpilot.ops.inspect.inspection import Inspection
from b2bpilot.ops.inspect.source import AskedSource, MessageEvent, SourceAnswer
from b2bpilot.ops.inspect.subscribers import SubscriberStory, SubscriberTrace, stories
from b2bpilot.ops.load.report import PromiseCheck, PromiseOutcome
from b2bpilot.ops.logs.entry import LogEntry, entry
from b2bpilot.ops.migrations.ledger import How, LedgerEntry
from b2bpilot.ops.migrations.migration import Migration, MigrationState
from b2bpilot.ops.publish.sending import Dispatch, SentItem
from b2bpilot.ops.reconcile.message_finding import ComparisonResult, MessageFinding
from b2bpilot.ops.redrive.plan import Plan, Planned
from b2bpilot.ops.redrive.replay import ReplayOutcome
from b2bpilot.ops.redrive.summary import Summary, Unfinished
from b2bpilot.ops.retries import Retries, RetryFacts
from b2bpilot.ops.runs.record import MessageState, RunRecord, RunState, Stage
from b2bpilot.ops.sending.result import SendOutcome
from b2bpilot.ops.status.findings import findings
from b2bpilot.ops.status.reading import ReservedConcurrency
from b2bpilot.ops.status.subscribers import SubscriberState
from b2bpilot.ops.status.traffic import Count, Level
from b2bpilot.ops.subscribers.activity import FailedRuns, WaitingDeadLetters
from b2bpilot.ops.subscribers.discovery import Subscriber, SubscriberKind
from b2bpilot.ops.subscribers.evaluation import SubscriptionEvaluation
from b2bpilot.ops.subscribers.filter_policy import Evaluation, KeyVerdict
from b2bpilot.ops.subscribers.health import Permission, Reason, SubscriptionReport
from b2bpilot.ops.subscribers.missing import Absence, MissingSubscriber
from b2bpilot.ops.subscribers.topic_report import SubscriberReport, TopicReport
from b2bpilot.ops.subscribers.who_gets_what import who_gets_what
from b2bpilot.ops.table.row_state import Asked, RowState
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.pipeline.dead_letter import FailureKind, read_dead_letter
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from b2bpilot.pipeline.owner import Owner, Ownership
from b2bpilot.pipeline.summary import StoredLatency
from b2bpilot.twilio.numbers import Application, Number
from b2bpilot.twilio.webhook_setting import RECOMMENDED_OVERRIDES, WebhookSetting
from tests.events import message, received, sns_event
from tests.ops.status.readings import NOW, PROVEN, STACK, dead_letters, reading, rows, traffic
from tests.ops.table.rows import submission as a_row

IDS = [
    "6a2a4cf4-5b3e-4f0e-9d62-6e9f2c4d7a10",
    "bc4d8f70-2144-58ea-9292-438d64ee0c74",
    "0c38fe30-becf-528f-aec7-1a89ff70c407",
    "ba85b7ad-6f62-520d-bcf0-d744a4e80a07",
]
SIDS = [f"{kind}{'0123456789abcdef' * 2}" for kind in ("PN", "MG", "AP", "SM")]
RUN = "20261123T115900Z-redrive-2c93"
REFUSED = (
    'PostgreSQL refused a statement: new row for relation "b2b_pilot_user_submissions" violates check constraint '
    '"bodies_are_short"'
)
URL = f"https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod/webhook#{RECOMMENDED_OVERRIDES}"
TEXTS = [
    "מתי תגיע הזמנה 4711 שלי?",
    "注文した商品はいつ届きますか",
    "Two pallets of A4 paper, please",
    "Delivered 🚚, danke schön!",
]
MINUTE = timedelta(minutes=1)
MACHINE = datetime(2026, 11, 23, 12, 0, 4, tzinfo=UTC)


def a_submission(place: int, status: SubmissionStatus, **changes: Any) -> UserSubmission:
    old: dict[str, Any] = {
        "message_id": IDS[place],
        "from_number": "whatsapp:+15005550006",
        "to_number": "whatsapp:+15005550001",
        "body": TEXTS[place],
        "message_type": "text",
        "received_at": NOW - 17 * MINUTE,
        "created_at": NOW - 17 * MINUTE,
        "updated_at": NOW - 16 * MINUTE,
    }
    if status is SubmissionStatus.COMPLETED:
        old["completed_at"] = NOW - 17 * MINUTE + timedelta(milliseconds=284)
    return replace(a_row(status), **(old | changes))


SUBMISSIONS = [
    a_submission(0, SubmissionStatus.COMPLETED),
    a_submission(1, SubmissionStatus.COMPLETED, from_number="+15005550006"),
    a_submission(2, SubmissionStatus.FAILED, last_error=REFUSED),
    a_submission(3, SubmissionStatus.PROCESSING, lease_expires_at=NOW + 2 * MINUTE),
]


def submissions_list(pilot: Pilot) -> None:
    shown = (Row(fields={}, columns=submission.columns(row, reveal=False, now=NOW)) for row in SUBMISSIONS)
    pilot.output.rows("submissions", shown)
    pilot.output.notice(PROVEN.told())
    pilot.output.notice("The newest 4; there may be more: --limit N, or --all")


def submissions_stuck(pilot: Pilot) -> None:
    facts = RetryFacts(
        retries=Retries(runs=3, longest_age=timedelta(hours=6)),
        dead_letters=frozenset({Asked(IDS[2], test=True)}),
    )
    view = StuckView(facts=lambda: facts, reveal=False)
    pilot.output.rows("submissions", [view.row(row, now=NOW) for row in SUBMISSIONS[2:3]])
    view.tell(pilot.output)


def submission_show(pilot: Pilot) -> None:
    pilot.output.record({}, text=pairs(submission.story(SUBMISSIONS[2], reveal=False, now=NOW)))


def demo_scenes(pilot: Pilot) -> None:
    letter = dead_letter()
    for number, scene in enumerate(
        [
            Scene(
                title="Six customers write; Twilio delivers two of the messages twice",
                seen=[
                    "8 webhooks, signed as Twilio signs them, each answered 200 with empty TwiML",
                    "6 rows: a message's id comes from its MessageSid, so the second delivery finds it processed",
                ],
                submissions=SUBMISSIONS[:2],
            ),
            Scene(title="A colleague limits the length of a body", seen=[], dead_letters=[letter]),
        ],
        start=1,
    ):
        demo._show(pilot, number, scene, now=NOW)  # the view of one scene


def dead_letter() -> Any:
    of = message(message_id=IDS[2], received_at=NOW - 17 * MINUTE)
    attributes = {"ErrorCode": ("Number", "200"), "ErrorMessage": ("String", REFUSED)}
    return read_dead_letter({**received(sns_event(of), **attributes), "MessageId": IDS[1]})


def dlq_list(pilot: Pilot) -> None:
    group = Group(
        id="G1",
        cause=Cause(FailureKind.EXCEPTION, REFUSED),
        count=12,
        oldest=NOW - timedelta(days=12),
        newest=NOW - 3 * MINUTE,
        expiry=Expiry(at=NOW + timedelta(days=2), count=3),
        sample=IDS[2],
        states={RowState.FAILED: 11, RowState.NOT_STORED: 1},
    )
    pilot.output.record({}, text=group_view.lines(group, now=NOW))


def dlq_show(pilot: Pilot) -> None:
    shown = Shown(
        dead_letter=replace(dead_letter(), message=None, unreadable="NumMedia is 'two', not a count"),
        others=1,
        group="G1",
        expires_at=NOW + timedelta(days=2),
        timeline=[
            TimelineEntry(at=NOW - 17 * MINUTE, what="published to the topic"),
            TimelineEntry(at=NOW - MINUTE, what="first seen; received 3 times so far"),
        ],
        row=ShownRow(row=SUBMISSIONS[2], state=RowState.FAILED),
        log=ShownLog(missing="the log group keeps 14 days, and this is older"),
        decision=Decision.SEND,
        redrive="send it again, for the first time",
    )
    pilot.output.record({}, text=pairs(dead_letter_view.story(shown, reveal=False, now=NOW)))


def dlq_redrive(pilot: Pilot) -> None:
    letter = dead_letter()
    plan = Plan(items=[Planned(dead_letter=letter, state=RowState.FAILED, decision=Decision.SEND)])
    pilot.output.rows("planned", redrive_report._plan_rows(plan))  # the plan's table
    unfinished = Unfinished(message_id=IDS[2], queue_message_id=IDS[1], reason=REFUSED, in_queue=True)
    summary = Summary(completed=3, not_sent=2, unfinished=(unfinished,), stopped=True)
    pilot.output.lines(["", *redrive_report.told(summary)])
    pilot.output.rows("unfinished", [redrive_report._unfinished_row(unfinished)])


def dlq_redrive_subscriber(pilot: Pilot) -> None:
    letter = dead_letter()
    owner = Owner(ownership=Ownership.OURS, subscriber="analytics")
    others = Owner(
        ownership=Ownership.OTHER, name="function b2b-pilot-background-processor-prod", subscriber="analytics"
    )
    pilot.output.place = replace(pilot.output.place, subscriber="analytics")
    plan = Plan(items=[Planned(dead_letter=replace(letter, owner=owner), state=None, decision=Decision.SEND)])
    pilot.output.rows("planned", redrive_report._plan_rows(plan, has_rows=False))
    for line in owner_view.lines({others: 2}):
        pilot.output.notice(line)
    summary = Summary(processed=12, returned=1, accepted=3, set_aside=2, rows_asked=False, is_by_answers=True)
    pilot.output.lines(["", *redrive_report.told(summary)])
    pilot.output.notice("Next: " + our_command("dlq", "list"))


def dlq_replay(pilot: Pilot) -> None:
    outcomes = [
        ReplayOutcome(queue_message_id=IDS[1], message_id=IDS[2], verdict="failed", error=REFUSED),
        ReplayOutcome(queue_message_id=IDS[0], message_id=IDS[3], verdict="processed", error=None),
    ]
    counts = replay_view.show(pilot, RUN, outcomes)
    pilot.output.notice(f"Processed copies of {counts['processed']}; the queue keeps its dead letters.")


def a_failure(name: str) -> LogEntry:
    text = json.dumps({"level": "ERROR", "event": "failed", "message_id": IDS[2]})
    return entry(LogEvent(at=NOW - timedelta(minutes=9), text=text, event_id="1", stream="s"), name)


def a_story(name: str, *, dead_letters: int = 0, fails: bool = False) -> SubscriberStory:
    policy = '{"test": ["false"]}' if dead_letters else '{"priority": ["high"]}'
    one = a_subscription(
        f"arn:aws:lambda:eu-west-1:123456789012:function:{name}-b2b-pilot-prod", policy=policy
    )
    trace = SubscriberTrace(
        message_id=IDS[2],
        subscriber=Subscriber(name=name, kind=SubscriberKind.FUNCTION, subscription=one),
        log=InquiryAnswer(error="AWS denied logs:FilterLogEvents")
        if dead_letters
        else InquiryAnswer(value=SourceAnswer(entries=(a_failure(name),) if fails else ())),
        dead_letters=InquiryAnswer(value=dead_letters),
    )
    return stories([trace], message(message_id=IDS[2]))[0]


def inspect(pilot: Pilot) -> None:
    told = MessageDiagnosis(
        outcome=MessageOutcome.DEAD_LETTER,
        explanation=f"its last run failed, and Lambda gave it up: {REFUSED}",
        gaps=["no log of the webhook is older than 14 days"],
        next_steps=[our_command("dlq", "show", IDS[2]), our_command("dlq", "redrive", "--group", "G1")],
    )
    found = Inspection(
        message_id=IDS[2],
        found_as="MessageSid",
        row=SUBMISSIONS[2],
        database=PROVEN,
        asked=[
            AskedSource(name="database"),
            AskedSource(name="Twilio", problem="a test message: it never was there"),
        ],
        moments=[
            MessageEvent(
                at=NOW - 17 * MINUTE,
                source="twilio",
                what="received it (status received)",
                not_before=NOW - 17 * MINUTE,
            ),
            MessageEvent(at=NOW - 17 * MINUTE, source="table", what="received, says the row (twilio)"),
            MessageEvent(
                at=NOW - 15 * MINUTE,
                source="run",
                what="publish 20261123T114300Z-publish-3f9a by ada@laptop: accepted",
                not_after=NOW - 16 * MINUTE,
            ),
            MessageEvent(
                at=NOW - 16 * MINUTE,
                source="processor",
                what=f"run 1: error after 16 ms (request {IDS[3]}): {REFUSED}",
            ),
        ],
        attempts=[],
        diagnosis=told,
        since=NOW - 18 * MINUTE,
        until=NOW,
        subscribers=InquiryAnswer(
            value=[a_story("analytics"), a_story("billing", dead_letters=1), a_story("crm", fails=True)]
        ),
    )
    inspection.show(pilot.output, found, reveal=False)


def status(pilot: Pilot) -> None:
    alarm = Alarm(
        name="b2b-pilot-dlq-prod",
        state=AlarmState.ALARM,
        reason="1 of the last 40 datapoints decide",
        since=NOW - MINUTE,
        actions_enabled=True,
        actions=(),
        description="",
        namespace="AWS/SQS",
        metric="ApproximateNumberOfMessagesVisible",
        dimensions={},
        threshold=1.0,
    )
    found = reading(
        traffic=InquiryAnswer(
            value=traffic(
                {Count.PUBLISHED: 1_200, Count.DELIVERED: 1_200, Count.FAILED: 3},
                {Level.IN_FLIGHT: 3},
                StoredLatency(p50_ms=109, p95_ms=291, rows=1_197),
            )
        ),
        dead_letters=InquiryAnswer(value=dead_letters(3, expiring=1)),
        rows=InquiryAnswer(value=rows({SubmissionStatus.COMPLETED: 1_197, SubmissionStatus.FAILED: 3})),
        subscribers=InquiryAnswer(
            value=[SubscriberState(name="billing", dead_letters=12, problem="12 dead letters")]
        ),
        alarms=InquiryAnswer(value=[alarm]),
        redriver=InquiryAnswer(
            error="lambda:GetEventSourceMapping is denied to arn:aws:iam::123456789012:user/oncall"
        ),
        runs=InquiryAnswer(value=[a_run()]),
    )
    pilot.output.lines(screen(found, findings(found), blocks=BLOCKS))


def status_express(pilot: Pilot) -> None:
    """With an express lane, under a backlog."""
    found = reading(
        traffic=InquiryAnswer(
            value=traffic(
                {
                    Count.PUBLISHED: 1_200,
                    Count.DELIVERED: 1_284,
                    Count.STORED: 880,
                    Count.EXPRESS_THROTTLES: 2,
                },
                {
                    Level.IN_FLIGHT: 7,
                    Level.EXPRESS_IN_FLIGHT: 1,
                    Level.WAITING_MS: 240_000,
                    Level.EXPRESS_WAITING_MS: 180,
                },
                StoredLatency(p50_ms=61_000, p95_ms=231_000, rows=880),
            )
        ),
        rows=InquiryAnswer(
            value=rows(
                {SubmissionStatus.COMPLETED: 880},
                by_priority={
                    "high": StoredLatency(p50_ms=120, p95_ms=310, rows=84),
                    "normal": StoredLatency(p50_ms=64_000, p95_ms=233_000, rows=796),
                },
            )
        ),
        express=InquiryAnswer(value=ReservedConcurrency(runs=3)),
    )
    stack = replace(found.environment.stack, express_function_name="b2b-pilot-express-processor-prod")
    found = replace(found, environment=replace(found.environment, stack=stack))
    pilot.output.lines(screen(found, findings(found), blocks=BLOCKS))


def verify(pilot: Pilot) -> None:
    page = verify_view.Page()
    for code, state, seen, fix in (
        ("B2B075", Status.OK, "PostgreSQL 18.4, b2bpilot at db.internal:5432", None),
        (
            *(
                "B2B079",
                Status.FAILED,
                "b2b_pilot_user_submissions has no index idx_user_submissions_message_id",
            ),
            "b2bpilot migrate -e prod",
        ),
        (
            *(
                "B2B089",
                Status.WARNING,
                "on: b2b-pilot-dlq-prod: Threshold Crossed: 1 of the last 40 datapoints decide",
            ),
            "aws cloudwatch describe-alarms --region eu-west-1 --alarm-names b2b-pilot-dlq-prod --output json",
        ),
        ("B2B090", Status.SKIPPED, "Twilio is asked with --with-twilio", None),
        ("B2B096", Status.OK, f"stored after 115 ms, through the webhook; message {IDS[0]}", None),
    ):
        check = next(one for one in CHECKS if one.code == code)
        pilot.output.lines(page.lines(CheckResult(check=check, status=state, seen=seen, fix=fix)))


def diagnose(pilot: Pilot) -> None:
    check = next(one for one in CHECKS if one.code == "B2B057")
    first, second, third, *_ = HYPOTHESES[Symptom.NOT_PROCESSED]
    result = CheckResult(
        check=check,
        status=Status.FAILED,
        seen="9 of 12 runs failed in the last day",
        fix="b2bpilot logs processor",
    )
    found = Diagnosis(
        symptom=Symptom.NOT_PROCESSED,
        branches=[
            Branch(hypothesis=first, state=HypothesisState.FOUND, results=[result]),
            Branch(hypothesis=second, state=HypothesisState.RULED_OUT, results=[]),
            Branch(
                hypothesis=third,
                state=HypothesisState.UNKNOWN,
                results=[replace(result, status=Status.SKIPPED, is_known=False, fix=None)],
            ),
        ],
    )
    pilot.output.lines(diagnosis_view.lines(found))


def a_subscription(
    endpoint: str, protocol: str = "lambda", policy: str = '{"priority": ["high"]}'
) -> Subscription:
    return Subscription(
        arn=STACK.subscription_arn,
        topic_arn=STACK.topic_arn,
        protocol=protocol,
        endpoint=endpoint,
        owner=STACK.account_id,
        confirmed=True,
        raw_delivery=None,
        filter_policy=policy,
        filter_policy_scope="MessageAttributes",
        redrive_policy=None,
    )


def subscribers(pilot: Pilot) -> None:
    access = AwsAccess(region="eu-west-1")
    processor = a_subscription(
        "arn:aws:lambda:eu-west-1:123456789012:function:b2b-pilot-background-processor-prod"
    )
    analytics = a_subscription(
        "arn:aws:lambda:eu-west-1:123456789012:function:analytics-b2b-pilot-prod",
        policy='{"test": ["false"], "message_type": [{"anything-but": ["location", "button"]}]}',
    )
    crm = a_subscription("https://crm.example.com/webhooks/messages/inbound?token=x", "https")
    why = Reason(
        text="what it rejects is gone: it has a filter policy",
        command="aws sns set-subscription-attributes --x y",
    )
    counted = {"failed_runs": 3, "given_up_events": 1, "unwritten_dead_letters": 0}
    waiting = WaitingDeadLetters(dead_letters=12, oldest=timedelta(hours=5))
    reports = (
        a_report(processor, "processor", problems=(why,), backlog=waiting),
        a_report(analytics, "analytics", failed=FailedRuns(counts=counted)),
        a_report(crm, "crm", kind=SubscriberKind.OTHER, backlog=WaitingDeadLetters(has_queue=False)),
    )
    missing = MissingSubscriber(
        name="billing",
        stack="billing-b2b-pilot-prod",
        commands=("aws cloudformation create-change-set --x y",),
    )
    topic = TopicReport(
        reports=reports,
        absence=Absence(missing=(missing,)),
        counts={"published": 1_204, "delivered": 3_612, "failed": 0},
    )
    subscribers_app.show(pilot, topic, access)


def subscribers_coverage(pilot: Pilot) -> None:
    processor = a_subscription(
        "arn:aws:lambda:eu-west-1:123456789012:function:b2b-pilot-background-processor-prod",
        policy='{"$or": [{"priority": ["normal"]}, {"source": ["twilio"]}]}',
    )
    analytics = a_subscription(
        "arn:aws:lambda:eu-west-1:123456789012:function:analytics-b2b-pilot-prod",
        policy='{"test": ["false"]}',
    )
    crm = a_subscription(
        "arn:aws:sqs:eu-west-1:123456789012:crm", "sqs", policy='{"message_id": [{"prefix": "0"}]}'
    )
    environment = Environment(name="prod", access=AwsAccess(region="eu-west-1"), stack=STACK)
    coverage_view.show(pilot, who_gets_what(environment, [processor, analytics, crm]))


def a_report(
    one: Subscription,
    name: str,
    *,
    kind: SubscriberKind = SubscriberKind.FUNCTION,
    problems: tuple[Reason, ...] = (),
    backlog: WaitingDeadLetters = WaitingDeadLetters(dead_letters=0),  # noqa: B008  # frozen
    failed: FailedRuns = FailedRuns(),  # noqa: B008  # frozen
) -> SubscriberReport:
    permission = Permission.GRANTED if kind is SubscriberKind.FUNCTION else Permission.NOT_NEEDED
    judged = SubscriptionReport(
        subscription=one,
        is_processor=name == "processor",
        permission=permission,
        problems=problems,
        doubts=(),
        remarks=(),
    )
    subscriber = Subscriber(name=name, kind=kind, subscription=one, is_processor=name == "processor")
    return SubscriberReport(subscriber=subscriber, report=judged, backlog=backlog, failed_runs=failed)


def a_run(**changes: Any) -> RunRecord:
    failed = MessageState(queue_message_id=IDS[1], message_id=IDS[2], stage=Stage.FAILED, error=REFUSED)
    done = RunRecord(
        path=Path("/home/oncall/.local/state/b2bpilot/runs") / f"{RUN}.jsonl",
        run_id=RUN,
        command="redrive",
        environment="prod",
        account_id="123456789012",
        region="eu-west-1",
        operator="oncall@laptop",
        reason="INC-1234: the constraint is dropped, and the customers wait for their confirmations",
        parameters={"via": "invoke", "group": "G1"},
        pid=4711,
        started_at=NOW - 10 * MINUTE,
        last_at=NOW - 9 * MINUTE,
        state=RunState.FINISHED,
        counts={"completed": 11, "unfinished": 1},
        messages={IDS[1]: failed},
    )
    return replace(done, **changes)


def runs_list(pilot: Pilot) -> None:
    records = [a_run(), a_run(state=RunState.INTERRUPTED, counts=None, reason=None)]
    pilot.output.rows("runs", (run_record.row(one, now=NOW) for one in records))


def runs_show(pilot: Pilot) -> None:
    record = a_run()
    pilot.output.record({}, text=pairs(run_record.story(record, now=NOW)))
    pilot.output.lines([""])
    pilot.output.rows("messages", (run_record.message_row(one, record) for one in record.messages.values()))
    for line in run_record.advice(replace(record, state=RunState.INTERRUPTED), can_resume=True):
        pilot.output.notice(line)


def publish(pilot: Pilot) -> None:
    denied = AwsDenied(f"sns:Publish to {STACK.topic_arn} is denied to arn:aws:iam::123456789012:user/oncall")
    items = [
        SentItem(key="1", message_id=IDS[0], copy=1, outcome=SendOutcome.ACCEPTED, sns_message_id=IDS[3]),
        SentItem(
            key="2", message_id=IDS[1], copy=1, outcome=SendOutcome.NOT_SENT, error=denied, is_fatal=True
        ),
    ]
    results.show_many(
        pilot, RUN, Dispatch(total=2, results=items, seconds=1.5), via="topic", limit=None, is_test=True
    )


def load(pilot: Pilot) -> None:
    checks = [
        PromiseCheck(
            promise="stored once", verdict=PromiseOutcome.PROVED, detail="1,000 messages, 1,000 rows"
        ),
        PromiseCheck(
            promise="none lost",
            verdict=PromiseOutcome.BROKEN,
            detail=f"1 message has neither row nor dead letter: {IDS[0]}",
        ),
        PromiseCheck(
            promise="reserve",
            verdict=PromiseOutcome.UNKNOWN,
            detail="CloudWatch has no data of this minute yet",
        ),
    ]
    pilot.output.lines(display.verdicts(checks))


def migrate_status(pilot: Pilot) -> None:
    applied = LedgerEntry(
        name="create_user_submissions.sql",
        checksum="c3a6b703" * 8,
        how=How.APPLIED,
        operator="deployer@ci-runner-17",
        reason=None,
        tool_version="1.0",
        started_at=NOW,
        applied_at=NOW,
        duration=timedelta(seconds=2),
    )
    shown = [
        Migration(name=applied.name, state=MigrationState.APPLIED, file=None, entry=applied, steps=()),
        Migration(
            name="add_recovery_columns.sql", state=MigrationState.PENDING, file=None, entry=None, steps=()
        ),
    ]
    pilot.output.rows("migrations", map(migration_view.row, shown))


def logs(pilot: Pilot) -> None:
    for function, document in (
        ("webhook", {"level": "INFO", "event": "published", "message_id": IDS[0], "requestId": IDS[3]}),
        (
            "processor",
            {
                "level": "ERROR",
                "event": "failed",
                "message_id": IDS[2],
                "error": REFUSED,
                "requestId": IDS[1],
            },
        ),
        ("stale", {"level": "WARNING", "event": "stale_run", "claimed": 0, "reserve": 10, "kept_up": True}),
    ):
        event = LogEvent(at=NOW, text=json.dumps(document), event_id="1", stream="s")
        pilot.output.lines([log_line.text(entry(event, function), reveal=False)])


def twilio_route(pilot: Pilot) -> None:
    number = Number(
        sid=SIDS[0], phone_number="+15005550001", webhook=WebhookSetting(url=URL), application_sid=SIDS[2]
    )
    found = NumberRoute(number=number, application=Application(sid=SIDS[2], webhook=WebhookSetting(url=URL)))
    pilot.output.rows("routes", [route._row(found, ["no fallback URL"], reveal=False)])
    route._tell_urls(pilot, [found])
    route.levels_table(pilot, "before", [found], reveal=False)


def cost(pilot: Pilot) -> None:
    item = CostItem(
        name="processor function, runs", quantity=1_000_000.0, unit="requests", price=Decimal("0.0000002")
    )
    found = Estimate(
        since=NOW - timedelta(days=20),
        until=NOW,
        prices=PRICES,
        shared=(item,),
        pipeline=(replace(item, name="SNS", unit="publishes"),),
        monitoring=(replace(item, name="alarms", quantity=None),),
        polling=(replace(item, name="SQS, empty polls"),),
        notes=(
            "list prices of eu-west-1 as of 2026-11, without free tiers, taxes, data transfer and NAT gateways",
        ),
    )
    pilot.output.lines(cost_view.lines(found, []))


def deploy(pilot: Pilot) -> None:
    plan = DeployPlan(
        environment="prod",
        stack_name="b2b-pilot-prod",
        caller=Caller(
            account="123456789012", arn="arn:aws:iam::123456789012:user/deployer", region="eu-west-1"
        ),
        before=None,
        config=SamConfig(has_section=True),
        architecture="arm64",
        values=dict.fromkeys(
            ["TwilioAccountSid", "TwilioAuthToken", "DatabaseUrl", "ReplyText", "AlarmTopicArn"], "x"
        ),
        left=None,
        missing=(),
    )
    for line in deploy_view.described(plan):
        pilot.output.notice(line)
    pilot.output.record({}, text=deploy_view.done(plan))


def an_error(pilot: Pilot) -> None:
    pilot.output.fail(
        ShownError(
            code="denied",
            message=f"sns:Publish to {STACK.topic_arn} is denied to arn:aws:iam::123456789012:user/oncall",
            hint="add it to the user's policy: " + our_command("verify", "--print-iam", "publish"),
            exit_code=2,
        )
    )


def twilio_cutover(pilot: Pilot) -> None:
    after = WebhookSetting(url=URL, fallback_url="https://fallback.example.com/webhook")
    before = WebhookSetting(url="https://hooks.example.com/old")
    switch.show_changes(pilot, [Change(level=RouteLevel.NUMBER, sid=SIDS[0], before=before, after=after)])


def twilio_reconcile(pilot: Pilot) -> None:
    found = [
        MessageFinding(
            result=result,
            sid=SIDS[3],
            message_id=IDS[0],
            sent_at=NOW - 17 * MINUTE,
            late_seconds=late,
            why=why,
        )
        for result, late, why in (
            (
                ComparisonResult.MISSING,
                None,
                "Twilio could not reach the webhook: error 11205, HTTP connection failure",
            ),
            (ComparisonResult.LATE, 75.0, None),
        )
    ]
    shown = [twilio_findings._row(one, now=NOW, alerts_failure=None) for one in found]
    pilot.output.rows("messages", shown)


def local_status(pilot: Pilot) -> None:
    status = LocalStatus(
        running=True,
        home=Path("/home/ana/.local/state/b2bpilot/local"),
        started_at="2026-11-23T11:50:00.000Z",
        endpoint_url="http://127.0.0.1:43465",
        webhook_url="http://127.0.0.1:43465/_aws/execute-api/b2bpilot/webhook",
        twilio_api_url="http://127.0.0.1:42633",
        database_url="postgresql://postgres@/b2bpilot?host=/home/ana/.local/state/b2bpilot/local/postgres",
        stack_name="b2b-pilot-local",
        region="us-east-1",
        account_id="000000000001",
        subscribers=(
            LocalSubscriber(
                name="archive",
                folder="/home/ana/archive",
                stack_name="archive-b2b-pilot-local",
                functions=("archive-b2b-pilot-local",),
                queue="archive-b2b-pilot-local",
                dead_letter_queue="archive-b2b-pilot-local-dlq",
                database_url="postgresql://postgres@/subscriber-archive?host=/home/ana/.local/state/b2bpilot/local/postgres",
            ),
        ),
        export={
            "AWS_ENDPOINT_URL": "http://127.0.0.1:43465",
            "AWS_SECRET_ACCESS_KEY": "794aedcbac5e7b6d029efe9a5b94a8bd",
        },
    )
    pilot.output.record({}, text=pairs(local._running(status, now=NOW)))
    pilot.output.lines(map(pasted, local._exports(status)))


def subscribers_test(pilot: Pilot) -> None:
    key = KeyVerdict(key="priority", accepts=False, found="normal", wanted='["high"]')
    for accepts, keys in ((True, ()), (False, (key,))):
        one = SubscriptionEvaluation(
            subscription=a_subscription("arn:aws:lambda:eu-west-1:123456789012:function:crm-export-prod"),
            evaluation=Evaluation(accepts=accepts, keys=keys),
        )
        pilot.output.rows("subscriptions", [subscription_view.evaluation_row(one, reveal=False)])


def verify_short(pilot: Pilot) -> None:
    check = next(one for one in CHECKS if one.code == "B2B079")
    seen = "b2b_pilot_user_submissions has no index idx_user_submissions_message_id"
    result = CheckResult(check=check, status=Status.FAILED, seen=seen, fix="b2bpilot migrate -e prod")
    pilot.output.lines(verify_view.short_lines(result))


def explain(pilot: Pilot) -> None:
    for one in explained(["B2B079"]):
        pilot.output.lines(explain_command._lines(one, pilot.output.place))


SCENES: dict[str, Callable[[Pilot], None]] = {
    "cost": cost,
    "demo": demo_scenes,
    "deploy": deploy,
    "diagnose": diagnose,
    "dlq-list": dlq_list,
    "dlq-redrive": dlq_redrive,
    "dlq-redrive-subscriber": dlq_redrive_subscriber,
    "dlq-replay": dlq_replay,
    "dlq-show": dlq_show,
    "error": an_error,
    "explain": explain,
    "inspect": inspect,
    "load": load,
    "local-status": local_status,
    "logs": logs,
    "migrate-status": migrate_status,
    "publish": publish,
    "runs-list": runs_list,
    "runs-show": runs_show,
    "status": status,
    "status-express": status_express,
    "submissions-list": submissions_list,
    "submissions-show": submission_show,
    "submissions-stuck": submissions_stuck,
    "subscribers": subscribers,
    "subscribers-coverage": subscribers_coverage,
    "subscribers-test": subscribers_test,
    "twilio-cutover": twilio_cutover,
    "twilio-reconcile": twilio_reconcile,
    "twilio-route": twilio_route,
    "verify": verify,
    "verify-short": verify_short,
}
