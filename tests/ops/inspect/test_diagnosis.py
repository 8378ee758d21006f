"""What became of a message, and why nothing happened: told from what is known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from b2bpilot.advice import Place, written
from b2bpilot.aws.logs import LogEvent
from b2bpilot.ops.inspect import codes
from b2bpilot.ops.inspect.attempts import attempts
from b2bpilot.ops.inspect.diagnosis import MessageDiagnosis, MessageOutcome, diagnose
from b2bpilot.ops.inspect.evidence import MessageEvidence
from b2bpilot.ops.inspect.source import (
    AskedSource,
    AtTwilio,
    MessageEvent,
    Rejection,
    SendingRun,
    SourceAnswer,
    WebhookFailure,
)
from b2bpilot.ops.inspect.timeline import timeline
from b2bpilot.ops.logs.entry import LogEntry, entry
from b2bpilot.ops.retries import Retries
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.pipeline.dead_letter import read_dead_letter
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus, UserSubmission
from tests.events import message, ours, received, sns_event
from tests.ops.table.rows import submission as a_row

NOW = datetime(2026, 10, 9, 13, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ID = "4ccc3976-2e46-46ab-9a5c-c984356781f3"


def steps(found: MessageDiagnosis) -> list[str]:
    """What to do, written for the environment of these tests."""
    return [written(step, Place(environment="prod")) for step in found.next_steps]


def line(function: str, event: str | None, *, before: timedelta = 10 * MINUTE, **fields: Any) -> LogEntry:
    document = {"level": "INFO", "event": event, "message_id": ID, "requestId": "r1", **fields}
    text = json.dumps(document)
    return entry(
        LogEvent(at=NOW - before, text=text, event_id=f"{function}{before}{text}", stream="s"), function
    )


def report(status: str, *, before: timedelta, request_id: str = "r1") -> LogEntry:
    record = {"requestId": request_id, "metrics": {"durationMs": 31.5}, "status": status}
    text = json.dumps({"type": "platform.report", "record": record})
    return entry(LogEvent(at=NOW - before, text=text, event_id=f"{before}", stream="s"), "processor")


def row(status: SubmissionStatus, **changes: Any) -> UserSubmission:
    old = {"message_id": ID, "updated_at": NOW - 30 * MINUTE, "attempts": 0, "lease_expires_at": None}
    return replace(a_row(status), **(old | changes))


def told(
    *lines: LogEntry, row: UserSubmission | None = None, problem: str | None = None, **answer: Any
) -> MessageDiagnosis:
    asked = [
        AskedSource(
            name=f"{function} log",
            answer=SourceAnswer(entries=[one for one in lines if one.function == function]),
        )
        for function in ("webhook", "processor", "stale")
    ]
    asked.append(AskedSource(name="dead-letter queue", answer=SourceAnswer(**answer)))
    runs = attempts([one for one in lines if one.function == "processor"], ID)
    evidence = MessageEvidence(
        message_id=ID, row=row, row_problem=problem, asked=asked, attempts=runs, now=NOW
    )
    return diagnose(evidence)


PUBLISHED = line("webhook", "published", sns_message_id="sns-1", message_type="text")


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (told(row=row(SubmissionStatus.COMPLETED)), MessageOutcome.STORED),
        (told(row=row(SubmissionStatus.FAILED, updated_at=NOW - MINUTE)), MessageOutcome.FAILED),
        (told(row=row(SubmissionStatus.FAILED)), MessageOutcome.FAILED),
        (told(row=row(SubmissionStatus.ABANDONED)), MessageOutcome.ABANDONED),
        (told(row=row(SubmissionStatus.ABANDONED, discarded_by="run-0")), MessageOutcome.DISCARDED),
        (told(row=row(SubmissionStatus.PENDING)), MessageOutcome.STUCK),
        (
            told(row=row(SubmissionStatus.PROCESSING, lease_expires_at=NOW + MINUTE)),
            MessageOutcome.IN_PROGRESS,
        ),
        (told(row=row(SubmissionStatus.PROCESSING, lease_expires_at=NOW - MINUTE)), MessageOutcome.STUCK),
        (told(PUBLISHED), MessageOutcome.NEVER_SEEN),
        (
            told(line("webhook", "published", before=MINUTE / 6, sns_message_id="s")),
            MessageOutcome.ON_ITS_WAY,
        ),
        (told(line("webhook", "publish_failed", error="no SNS")), MessageOutcome.NOT_PUBLISHED),
        (told(line("webhook", "rejected", reason="the signature does not match")), MessageOutcome.REJECTED),
        (told(line("processor", "stored")), MessageOutcome.UNCLEAR),
    ],
)
def test_each_state_has_a_verdict(found: MessageDiagnosis, outcome: MessageOutcome) -> None:
    assert found.outcome is outcome


def test_a_filter_is_told_from_other_reasons() -> None:
    filtered = Rejection(reason="rejects it: test is true", code=codes.FILTERED, is_filter=True)
    found = told(PUBLISHED, rejections=[filtered])
    assert (found.outcome, found.explanation) == (MessageOutcome.FILTERED, "rejects it: test is true")
    gone = Rejection(reason="not subscribed", code=codes.NOT_SUBSCRIBED)
    assert told(PUBLISHED, rejections=[gone]).outcome is MessageOutcome.NEVER_SEEN


def test_what_the_processor_never_saw_is_a_gap_with_its_time_and_a_check() -> None:
    checks = f"{codes.NEVER_DELIVERED}, {codes.SNS_LOST} and {codes.LAMBDA_LOST}"
    assert told(PUBLISHED).gaps == [
        f"accepted by SNS 12:50:00.000 as sns-1, never seen by the processor: look at {checks}"
    ]


def test_no_gap_is_named_where_the_processors_log_was_not_asked() -> None:
    asked = [
        AskedSource(name="webhook log", answer=SourceAnswer(entries=[PUBLISHED], moments=[])),
        AskedSource(name="processor log", problem="AWS denied logs:FilterLogEvents"),
    ]
    evidence = MessageEvidence(message_id=ID, row=None, row_problem=None, asked=asked, attempts=[], now=NOW)
    assert diagnose(evidence).gaps == []


RETRIES = Retries(runs=3, longest_age=timedelta(hours=6))
SECOND = timedelta(seconds=1)


def runs_of(*ended: timedelta, request_id: str = "r1", sns: str = "sns-1", **more: Any) -> list[LogEntry]:
    """The lines of runs that failed, each so long ago: one request, as Lambda's own retries are."""
    return [
        one
        for before in ended
        for one in (
            line(
                "processor",
                None,
                before=before + SECOND,
                type="platform.start",
                record={"requestId": request_id},
            ),
            line("processor", "failed", before=before, requestId=request_id, sns_message_id=sns, **more),
            report("error", before=before, request_id=request_id),
        )
    ]


def failed(attempts: int, *, before: timedelta, **changes: Any) -> UserSubmission:
    values = {"attempts": attempts, "updated_at": NOW - before, "last_error": "the CRM is down"} | changes
    return row(SubmissionStatus.FAILED, **values)


def test_lambdas_next_run_of_what_sns_delivered_is_told_with_its_time() -> None:
    found = told(PUBLISHED, *runs_of(10 * SECOND), row=failed(1, before=10 * SECOND), retries=RETRIES)
    assert found.outcome is MessageOutcome.RETRYING
    assert found.explanation.startswith(
        "the CRM is down; Lambda's next run of it is due at about 13:00:49 UTC (run 2 of 3)"
    )


@pytest.mark.parametrize(
    ("lines", "attempts", "answer", "said"),
    [
        (runs_of(SECOND, sns="by hand"), 1, {}, "and nothing says which this was"),
        (runs_of(SECOND), 1, {"retries": None}, "how often Lambda repeats a run could not be asked"),
        (runs_of(SECOND), 2, {}, "the log does not show 1 attempt of those that the row counts"),
        (runs_of(3 * MINUTE), 1, {}, "a run that was due at 12:57:59 UTC is not in the log"),
        ([], 0, {}, "no run of it is in the log"),
        (
            runs_of(SECOND, redrive_run_id="run-1"),
            1,
            {},
            "whether that was a synchronous run, which Lambda does not repeat, no journal here says",
        ),
        (
            runs_of(SECOND, redrive_run_id="run-1"),
            1,
            {"sendings": [SendingRun(run_id="run-1", via="async")]},
            "redrive run-1 sent it with --via async",
        ),
    ],
)
def test_where_nothing_tells_whether_lambda_runs_it_again_that_is_what_is_said(
    lines: list[LogEntry], attempts: int, answer: dict[str, Any], said: str
) -> None:
    moment = runs_of(SECOND, sns="by hand")[1].at
    known = MessageEvent(at=moment, source="run", what="accepted", sns_message_id="sns-1")
    moments = [known] if any(one.value("sns_message_id") == "sns-1" for one in lines) else []
    found = told(
        *lines, row=failed(attempts, before=SECOND), moments=moments, **{"retries": RETRIES} | answer
    )
    assert found.outcome is MessageOutcome.FAILED
    assert "whether Lambda runs it again is not known: " in found.explanation
    assert said in found.explanation


@pytest.mark.parametrize(
    ("lines", "attempts", "answer", "said"),
    [
        (runs_of(4 * MINUTE, 3 * MINUTE, SECOND), 3, {}, "Lambda ran it 3 times, and does not again"),
        (
            runs_of(4 * MINUTE, 3 * MINUTE),
            2,
            {"retries": Retries(runs=2)},
            "Lambda ran it 2 times, and does not again",
        ),
        (
            runs_of(SECOND),
            1,
            {"retries": Retries(runs=3, longest_age=timedelta(seconds=60))},
            "it is too old for another run",
        ),
        (
            runs_of(SECOND, redrive_run_id="run-1"),
            1,
            {"sendings": [SendingRun(run_id="run-1", via="invoke")]},
            "its last run was redrive run-1's, a synchronous one, which Lambda does not repeat",
        ),
        (runs_of(SECOND), 1, {"discarded_in": "run-2"}, "a dead letter of it was discarded in run run-2"),
    ],
)
def test_what_lambda_does_not_run_again_is_not_said_to_come_however_lately_it_failed(
    lines: list[LogEntry], attempts: int, answer: dict[str, Any], said: str
) -> None:
    row = failed(attempts, before=SECOND)
    found = told(PUBLISHED, *lines, row=row, **{"retries": RETRIES} | answer)
    assert (found.outcome, steps(found)[-1]) == (MessageOutcome.FAILED, "b2bpilot verify -e prod")
    assert said in found.explanation
    assert "not known" not in found.explanation


def test_a_discard_that_no_row_shows_names_the_run_that_marks_it() -> None:
    found = told(*runs_of(SECOND), row=failed(1, before=SECOND), discarded_in="run-2")
    assert steps(found)[0] == "b2bpilot runs resume run-2   (marks the row)"


def test_a_run_that_died_and_left_a_dead_letter_is_no_longer_waited_for() -> None:
    dead = row(SubmissionStatus.PROCESSING, lease_expires_at=NOW - MINUTE, test=False)
    found = told(row=dead, dead_letters=[ours(read_dead_letter(dead_message()))])
    assert found.outcome is MessageOutcome.DEAD_LETTER


def dead_message() -> dict[str, Any]:
    return received(sns_event(message()), ErrorCode=("Number", "200"), ErrorMessage=("String", "timed out"))


def test_a_delivery_that_sns_accepted_and_no_run_shows_may_still_come() -> None:
    again = line("stale", "republished", before=MINUTE, sns_message_id="sns-2")
    lines = (PUBLISHED, again, *runs_of(20 * MINUTE, 19 * MINUTE, 17 * MINUTE))
    found = told(*lines, row=failed(3, before=17 * MINUTE, republished_at=NOW - MINUTE), retries=RETRIES)
    assert "SNS accepted it as sns-2, and no run of that is in the log" in found.explanation


def test_a_failed_row_that_was_published_again_is_not_said_to_be_published_a_second_time() -> None:
    again = failed(3, before=MINUTE, republished_at=NOW - 3 * MINUTE)
    found = told(PUBLISHED, *runs_of(4 * MINUTE, 3 * MINUTE, MINUTE), row=again, retries=RETRIES)

    at = f"{NOW - 3 * MINUTE:%Y-%m-%d %H:%M:%S} UTC"
    assert (
        f"it was published again at {at}, and the stale processor does that no second time"
        in found.explanation
    )
    assert "the stale processor has not" not in " ".join(found.gaps)
    assert steps(found) == [f"fix the cause, then: b2bpilot submissions republish -e prod {ID}"]


def test_attempts_that_the_log_does_not_show_are_a_gap() -> None:
    found = told(line("processor", "stored"), row=row(SubmissionStatus.COMPLETED, attempts=3))
    assert found.gaps[0].startswith("the row counts 3 attempts, the log shows 1")


def test_a_stored_message_without_a_row_is_a_gap_unless_the_database_was_not_asked() -> None:
    assert "there is no row" in told(line("processor", "stored")).gaps[0]
    assert told(line("processor", "stored"), problem="no connection").gaps == []


def test_an_unknown_reply_is_for_a_person() -> None:
    found = told(row=row(SubmissionStatus.COMPLETED, reply_state=ReplyState.UNKNOWN))
    assert "nobody knows whether the reply was sent" in found.gaps
    assert "Twilio's message log" in steps(found)[-1]


def test_a_retry_of_one_request_is_a_run_of_its_own() -> None:
    found = attempts(
        [
            line("processor", None, before=5 * MINUTE, type="platform.start", record={"requestId": "r1"}),
            report("timeout", before=4 * MINUTE),
            line("processor", None, before=3 * MINUTE, type="platform.start", record={"requestId": "r1"}),
            line("processor", "stored", before=2 * MINUTE),
            line("processor", "stored", before=2 * MINUTE, message_id="another"),
            report("success", before=MINUTE),
        ],
        ID,
    )
    assert [(run.status, run.milliseconds, len(run.lines)) for run in found] == [
        ("timeout", 31.5, 0),
        ("success", 31.5, 1),
    ]


def test_what_sns_accepted_comes_before_the_run_although_its_line_is_written_after() -> None:
    late = MessageEvent(at=NOW, source="webhook", what="published", not_after=NOW - MINUTE)
    began = MessageEvent(at=NOW - MINUTE / 2, source="processor", what="run 1")
    assert sorted([began, late], key=lambda moment: moment.order) == [late, began]
    assert (late.is_dated_late, began.is_dated_late) == (True, False)


def test_a_reply_that_twilio_dates_to_the_second_comes_after_what_it_answers() -> None:
    stored = MessageEvent(at=NOW + timedelta(milliseconds=630), source="processor", what="stored it")
    reply = MessageEvent(at=NOW, source="twilio", what="reply", not_before=NOW + timedelta(milliseconds=999))
    assert sorted([reply, stored], key=lambda moment: moment.order) == [stored, reply]


def test_the_codes_are_checks_of_verify() -> None:
    named = {value for name, value in vars(codes).items() if name.isupper()}
    assert named <= {check.code for check in CHECKS}


RECEIVED = AtTwilio(received_at=NOW - 10 * MINUTE)
FAILED = WebhookFailure(code="11205", at=NOW - 10 * MINUTE)
REJECTED = line("webhook", "rejected", reason="the signature does not match")


def test_what_only_twilio_knows_was_lost_before_sns_and_can_be_brought_back() -> None:
    found = told(at_twilio=RECEIVED, webhook_failures=[FAILED])
    assert (found.outcome, found.explanation) == (
        MessageOutcome.LOST,
        "Twilio received it 12:50:00, its webhook call failed: 11205",
    )
    assert steps(found)[-1].startswith("b2bpilot twilio reconcile -e prod --publish-missing")


def test_what_was_lost_without_an_alert_has_no_known_reason() -> None:
    found = told(at_twilio=RECEIVED)
    assert found.outcome is MessageOutcome.LOST
    assert "nothing says why" in found.gaps[0]
    assert told(at_twilio=AtTwilio(received_at=NOW - MINUTE / 6)).outcome is MessageOutcome.ON_ITS_WAY


def test_nothing_is_called_lost_while_the_webhooks_log_was_not_asked() -> None:
    asked = [
        AskedSource(name="webhook log", problem="AWS denied logs:FilterLogEvents"),
        AskedSource(name="Twilio", answer=SourceAnswer(at_twilio=RECEIVED, webhook_failures=[FAILED])),
    ]
    evidence = MessageEvidence(message_id=ID, row=None, row_problem=None, asked=asked, attempts=[], now=NOW)
    assert diagnose(evidence).outcome is MessageOutcome.UNCLEAR


def test_an_old_message_is_reconciled_from_its_own_time() -> None:
    old = told(REJECTED, at_twilio=AtTwilio(received_at=NOW - timedelta(days=3)))
    assert "--since 2026-10-06T12:59:00.000Z --publish-missing" in steps(old)[-1]


def test_a_refused_request_that_twilio_does_not_know_is_perhaps_somebody_elses() -> None:
    found = told(REJECTED, at_twilio=AtTwilio(received_at=None, is_absent=True))
    assert "another account's, or somebody else sent the request" in found.gaps[0]
    assert not any("reconcile" in step for step in steps(found))


def test_a_lease_whose_end_nobody_read_has_no_end_of_none() -> None:
    run = line("processor", "in_progress", leased_until=None)
    asked = [AskedSource(name="processor log", answer=SourceAnswer(entries=[run]))]
    told = [moment.what for moment in timeline(asked, attempts([run], ID), None)]

    assert told[1] == "left it alone: another run had it"


def test_an_abandoned_or_discarded_message_is_brought_back_by_the_command_that_is_named() -> None:
    abandoned = told(row=row(SubmissionStatus.ABANDONED))
    assert "stale processor" not in abandoned.explanation, "an edit abandons rows, too"
    assert [step for step in steps(abandoned) if f"submissions republish -e prod {ID}" in step]

    marked = row(SubmissionStatus.ABANDONED, discarded_by="run-0")
    discarded = told(row=marked)
    assert steps(discarded)[0].startswith("b2bpilot dlq restore -e prod run-0")
    assert steps(discarded)[1].startswith(f"b2bpilot submissions republish -e prod --discarded {ID}")
