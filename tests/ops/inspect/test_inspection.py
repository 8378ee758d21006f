"""Who is asked what about a message of which only a log knows."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from b2bpilot.ops.inspect.identity import clue
from b2bpilot.ops.inspect.inspection import Inspection, inspect
from b2bpilot.ops.inspect.source import Answer, AtTwilio, Moment, Question
from b2bpilot.ops.inspect.surroundings import Sources, Surroundings, Table
from b2bpilot.ops.logs.entry import LogEntry
from b2bpilot.ops.table.asked import KnownTable
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import message_id_for
from tests.events import new_sid
from tests.ops.inspect.test_diagnosis import NOW, line
from tests.ops.table.databases import PROVEN

SID = new_sid()
MESSAGE_ID = message_id_for(SID)


@dataclass
class Known:
    """Answers every question in the same way, and keeps the questions."""

    name: str
    answer: Answer = field(default_factory=Answer)
    questions: list[Question] = field(default_factory=list)

    def ask(self, question: Question) -> Answer:
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
    moment = Moment(at=found.at, source="webhook", what="refused a request that claims to be it")
    log = Known("webhook log", Answer(moments=[moment], entries=[found]))
    twilio = Known("Twilio", Answer(at_twilio=AtTwilio(received_at=NOW - timedelta(minutes=10))))
    with DatabaseManager(database_url) as database:
        table = KnownTable(database, PROVEN)
        around = Surroundings(
            environment="prod",
            table=lambda: nullcontext[Table](table),
            sources=Sources(queue=Known("dead-letter queue"), others=(log,), twilio=twilio),
            since=None,
            now=NOW,
        )
        inspection = inspect(clue(MESSAGE_ID), around)

    assert isinstance(inspection, Inspection)
    assert [question.message_sid for question in twilio.questions] == [asked]
