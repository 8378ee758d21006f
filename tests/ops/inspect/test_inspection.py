"""Who is asked what about a message of which only a log knows."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from b2bpilot.ops.inspect.context import InspectContext, InspectedTable, Sources
from b2bpilot.ops.inspect.diagnosis import MessageOutcome
from b2bpilot.ops.inspect.evidence import MessageEvidence
from b2bpilot.ops.inspect.identity import parse_identifier
from b2bpilot.ops.inspect.inspection import Inspection, inspect
from b2bpilot.ops.inspect.source import AskedSource, AtTwilio, MessageEvent, MessageQuestion, SourceAnswer
from b2bpilot.ops.logs.entry import LogEntry
from b2bpilot.ops.table.asked import KnownTable
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.dead_letter import read_dead_letter
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.pipeline.processing import process
from tests.events import delivery, message, new_sid, ours, received, sns_event
from tests.ops.inspect.test_diagnosis import NOW, line
from tests.ops.table.databases import PROVEN

SID = new_sid()
MESSAGE_ID = message_id_for(SID)


@dataclass
class Known:
    """Answers every question in the same way, and keeps the questions."""

    name: str
    answer: SourceAnswer = field(default_factory=SourceAnswer)
    questions: list[MessageQuestion] = field(default_factory=list)

    def ask(self, question: MessageQuestion) -> SourceAnswer:
        self.questions.append(question)
        return self.answer


def refused(claimed: str) -> LogEntry:
    return line(
        "webhook",
        "rejected",
        message_id=MESSAGE_ID,
        message_sid=claimed,
        reason="the signature does not match",
    )


@pytest.mark.parametrize(
    ("claimed", "asked"), [(SID, SID), (new_sid(), None)], ids=["its own", "another one"]
)
def test_the_webhooks_log_tells_what_twilio_calls_a_message_without_a_row(
    database_url: str, claimed: str, asked: str | None
) -> None:
    """Only where the id proves it: anybody may claim to be any message."""
    found = refused(claimed)
    moment = MessageEvent(at=found.at, source="webhook", what="refused a request that claims to be it")
    log = Known("webhook log", SourceAnswer(moments=[moment], entries=[found]))
    twilio = Known("Twilio", SourceAnswer(at_twilio=AtTwilio(received_at=NOW - timedelta(minutes=10))))
    with DatabaseManager(database_url) as database:
        table = KnownTable(database, PROVEN)
        context = InspectContext(
            environment="prod",
            table=lambda: nullcontext[InspectedTable](table),
            sources=Sources(queue=Known("dead-letter queue"), others=(log,), twilio=twilio),
            since=None,
            now=NOW,
        )
        inspection = inspect(parse_identifier(MESSAGE_ID), context)

    assert isinstance(inspection, Inspection)
    assert [question.message_sid for question in twilio.questions] == [asked]


def test_a_real_messages_dead_letter_has_no_test_s_story_and_twilio_is_asked(database_url: str) -> None:
    """A test took its id: what the test did is not this message's, which did come from Twilio."""
    dead = ours(read_dead_letter(received(sns_event(message(params={"MessageSid": SID})))))
    test_s = [
        line("processor", "stored", message_id=MESSAGE_ID, requestId="r1", test=True),
        line(
            "processor",
            "failed",
            message_id=MESSAGE_ID,
            requestId="r2",
            test=False,
            error="its id is a test's",
        ),
    ]
    log = Known("processor log", SourceAnswer(entries=test_s))
    by_hand = MessageEvent(at=NOW, source="run", what="publish R1: accepted", is_of_a_test=True)
    runs = Known("runs of this machine", SourceAnswer(moments=[by_hand]))
    queue = Known("dead-letter queue", SourceAnswer(dead_letters=[dead]))
    twilio = Known("Twilio", SourceAnswer(at_twilio=AtTwilio(received_at=NOW - timedelta(minutes=10))))
    with DatabaseManager(database_url) as database:
        process(
            delivery(message(params={"MessageSid": SID}, test=True)),
            database=database,
            replier=None,
            lease=timedelta(seconds=50),
        )
        context = InspectContext(
            environment="prod",
            table=lambda: nullcontext[InspectedTable](KnownTable(database, PROVEN)),
            sources=Sources(processor=log, queue=queue, others=(runs,), twilio=twilio),
            since=None,
            now=NOW,
        )
        inspection = inspect(parse_identifier(MESSAGE_ID), context)

    assert isinstance(inspection, Inspection)
    assert [(question.is_test, question.message_sid) for question in twilio.questions] == [(False, SID)]
    told = " ".join(moment.what for moment in inspection.moments)
    assert "stored it" not in told
    assert "R1" not in told
    assert inspection.diagnosis.outcome is MessageOutcome.DEAD_LETTER


def test_a_run_in_either_log_is_told_as_its_own_functions(database_url: str) -> None:
    """The express processor stored it, to the processor it was a duplicate: the row counts one attempt, and nothing is missing."""
    stored = line("express", "stored", message_id=MESSAGE_ID, requestId="e1", latency_ms=80)
    skipped = line("processor", "duplicate", message_id=MESSAGE_ID, requestId="p1")
    ours, express = (
        Known("processor log", SourceAnswer(entries=[skipped])),
        Known("express log", SourceAnswer(entries=[stored])),
    )
    with DatabaseManager(database_url) as database:
        process(
            delivery(message(params={"MessageSid": SID})),
            database=database,
            replier=None,
            lease=timedelta(seconds=50),
        )
        context = InspectContext(
            environment="prod",
            table=lambda: nullcontext[InspectedTable](KnownTable(database, PROVEN)),
            sources=Sources(
                processor=ours,
                express=express,
                queue=Known("dead-letter queue"),
                others=(),
                twilio=Known("Twilio"),
            ),
            since=None,
            now=NOW,
        )
        inspection = inspect(parse_identifier(MESSAGE_ID), context)

    assert isinstance(inspection, Inspection)
    told = {(moment.source, moment.what) for moment in inspection.moments}
    assert ("express", "stored it, 80 ms after it was received") in told
    assert ("processor", "skipped it as a duplicate: it was completed before") in told
    assert not [gap for gap in inspection.diagnosis.gaps if "attempt" in gap]
    assert [len(one.questions) > 1 for one in (ours, express)] == [True, True]


@pytest.mark.parametrize("answer", [SourceAnswer(), SourceAnswer(note="read up to 12:00 only"), None])
def test_without_an_end_of_the_express_log_not_all_runs_are_known(answer: SourceAnswer | None) -> None:
    asked = [
        AskedSource(name="processor log", answer=SourceAnswer()),
        AskedSource(
            name="express log", answer=answer or SourceAnswer(), problem=None if answer else "denied"
        ),
    ]
    evidence = MessageEvidence(
        message_id=MESSAGE_ID, row=None, row_problem=None, asked=asked, attempts=[], now=NOW
    )
    assert evidence.knows_all_runs is (answer == SourceAnswer())
    assert replace(evidence, asked=asked[:1]).knows_all_runs
