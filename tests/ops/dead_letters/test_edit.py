"""Editing the message inside a dead letter."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace as replaced
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import AwsError, MessageUnreadable, NotFound, PartlyFailed, Refused, UsageError
from b2bpilot.ops.dead_letters.archive import (
    archive_path,
    archived,
    dead_letters_in,
    open_archive,
    read_archive,
)
from b2bpilot.ops.dead_letters.edit import (
    Edit,
    EditInvalid,
    edited,
    find_dead_letter,
    replacement,
    require_editable,
    text_for_editor,
)
from b2bpilot.ops.dead_letters.marks import Doomed, Marker
from b2bpilot.ops.dead_letters.replace import Replace, archived_pair, was_sent
from b2bpilot.ops.dead_letters.sweep import PATIENCE_SECONDS
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import Stage, read
from b2bpilot.ops.table.row_state import Asked, RowState
from b2bpilot.ops.visible import EMOJI_JOINERS, one_line
from b2bpilot.pipeline.claim import SubmissionFields
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.dead_letter import DeadLetter, Shape, read_dead_letter
from b2bpilot.pipeline.message import PilotMessage, decode, encode
from tests.events import message, new_sid, notification, ours, received, sns_event
from tests.fakes.dead_letters import ORIGIN, FaultyJournal, dead, killed_at
from tests.fakes.faults import LOST_ANSWER, Killed
from tests.fakes.sqs import FakeQueue
from tests.ops.dead_letters.asked_table import NoRows, table_of

NOW = datetime(2026, 11, 23, 19, 45, 1, tzinfo=UTC)
ANY_STEP = 20


def shapes() -> list[Any]:
    envelope = {**notification(message()), "Subject": "x"}
    record = {
        "version": "1.0",
        "requestContext": {"condition": "RetriesExhausted"},
        "requestPayload": sns_event(message()),
        "responsePayload": {"errorMessage": "no customer"},
    }
    return [
        pytest.param(dead(), Shape.LAMBDA, id="lambda"),
        pytest.param(received(record), Shape.DESTINATION, id="destination"),
        pytest.param(received(envelope), Shape.SUBSCRIPTION, id="subscription"),
        pytest.param(received(encode(message()).body), Shape.RAW, id="raw"),
    ]


def the_dead_letter(queue: FakeQueue) -> DeadLetter:
    return find_dead_letter(queue, next(iter(queue.sqs.messages)), now=NOW)


MARKER = Marker(table=NoRows(), run_id="r", replacement=message())


def changed(dead_letter: DeadLetter, **params: str) -> Edit:
    document = json.loads(text_for_editor(dead_letter))
    document["params"].update(params)
    return edited(dead_letter, json.dumps(document))


def replace(queue: FakeQueue, home: Path, edit: Edit, marker: Marker = MARKER) -> str:
    with FaultyJournal.begun(home, "edit", queue.sqs.faults) as journal:
        with open_archive(home, journal.run_id) as archive:
            Replace(queue=queue, sender=queue, journal=journal, archive=archive, marker=marker).run(
                archived(edit.dead_letter, ORIGIN), replacement(edit, ORIGIN)
            )
        return journal.run_id


def resume(queue: FakeQueue, home: Path, run: Path, marker: Marker = MARKER) -> None:
    original, new = archived_pair(list(read_archive(archive_path(home, run.stem))))
    state = read(run).messages[original.queue_message_id]
    is_sent = was_sent(queue, new, state, now=NOW)
    with (
        Journal.reopen(run, operator="ana@laptop") as journal,
        open_archive(home, run.stem) as archive,
    ):
        Replace(
            queue=queue,
            sender=queue,
            journal=journal,
            archive=archive,
            marker=marker,
            known=state,
            patience_seconds=PATIENCE_SECONDS,
            monotonic=queue.sqs.clock,
        ).run(original, new, is_sent=is_sent)


@pytest.mark.parametrize(("raw", "shape"), shapes())
def test_every_shape_keeps_its_shape_and_its_failure(
    tmp_path: Path, raw: dict[str, Any], shape: Shape
) -> None:
    queue = FakeQueue([raw])
    edit = changed(the_dead_letter(queue), Body="three pallets")
    replace(queue, tmp_path, edit)
    (found,) = queue.sqs.messages.values()
    new = read_dead_letter(found.received())
    old = read_dead_letter(raw)
    assert new.shape is shape
    assert new.failure == old.failure
    assert found.attributes == (raw.get("MessageAttributes") or {})
    assert new.message is not None
    assert old.message is not None
    assert new.message.params == {**old.message.params, "Body": "three pallets"}
    assert new.message.message_id == old.message.message_id


@pytest.mark.parametrize(
    "body", [json.dumps({**notification(message()), "Subject": "x"}), encode(message()).body]
)
def test_what_a_queue_gave_up_is_not_called_undelivered_once_it_was_edited(tmp_path: Path, body: str) -> None:
    """SQS lets nobody name a source queue, so an attribute does."""
    source = "arn:aws:sqs:eu-west-1:123456789012:audit"
    attributes = {"SentTimestamp": "1764000000000", "DeadLetterQueueSourceArn": source}
    old = ours(
        read_dead_letter({"MessageId": "m", "ReceiptHandle": "h", "Body": body, "Attributes": attributes})
    )
    new = replacement(changed(old, Body="three pallets"), ORIGIN).outgoing

    found = read_dead_letter({"MessageId": "n", "Body": new.body, "MessageAttributes": new.attributes})

    assert (found.shape, found.failure, found.addressee.queue_arn) == (Shape.QUEUE, old.failure, source)
    assert found.message is not None
    assert found.message.params["Body"] == "three pallets"


def test_the_attributes_of_the_topic_follow_the_message() -> None:
    dead_letter = the_dead_letter(FakeQueue([dead()]))
    edit = changed(dead_letter, NumMedia="0")
    new = json.loads(replacement(edit, ORIGIN).body)["Records"][0]["Sns"]["MessageAttributes"]
    old = json.loads(dead_letter.body)["Records"][0]["Sns"]["MessageAttributes"]
    assert old["message_type"]["Value"] == "media"
    assert new["message_type"]["Value"] == "text"
    assert new["priority"] == old["priority"]


def test_the_original_stays_in_the_archive(tmp_path: Path) -> None:
    queue = FakeQueue([dead()])
    (raw,) = queue.sqs.messages.values()
    run_id = replace(queue, tmp_path, changed(the_dead_letter(queue), Body="three pallets"))
    (entry,) = dead_letters_in(archive_path(tmp_path, run_id))
    assert entry.body == raw.body
    record = read(tmp_path / "runs" / f"{run_id}.jsonl")
    assert record.stages() == {Stage.DELETED: 1}


def test_the_editor_gets_the_inner_message_and_the_diff_only_what_changed() -> None:
    dead_letter = the_dead_letter(FakeQueue([dead()]))
    assert "🚚" in text_for_editor(dead_letter), "readable, not escaped"
    edit = changed(dead_letter, Body="three pallets")
    assert edit.is_change
    assert edit.diff() == [
        '-    "Body": "Two pallets, please 🚚",',
        '+    "Body": "three pallets",',
    ]


COMMANDS_TO_EDITORS = (
    "vim: set modeline :!touch x",
    "/* vim:set fdm=expr fde=system('id'): */",
    " vi:ts=1",
    "ex:ts=1",
    " Vim>700: ts=1",
    '-*- mode: sh; eval: (shell-command "id") -*-',
    "-*-*-",
    "Local Variables:",
    "local variables:",
    "kate: tab-width 1",
)
HOSTILE = st.sampled_from(
    (*COMMANDS_TO_EDITORS, *'\x00\x1b\x9b\r\b\x7f\u202e\u2066\u200b\ufeff\ud800\U000e0041\ufe0f\\"')
) | st.text(st.characters(), max_size=3)
MADE_BY = re.compile(
    r"(?:^|\s)(?:ex|vim?[<=>]?\d*):|-\*-|local variables:|kate:", re.IGNORECASE | re.MULTILINE
)


@pytest.mark.parametrize("line", COMMANDS_TO_EDITORS)
def test_the_check_of_the_next_test_knows_what_editors_obey(line: str) -> None:
    assert MADE_BY.search(line)


@given(params=st.dictionaries(*[st.lists(HOSTILE, min_size=1, max_size=4).map("".join)] * 2, min_size=1))
def test_an_editor_is_told_nothing_by_a_stranger_and_gives_back_all_of_it(params: dict[str, str]) -> None:
    params = {"MessageSid": new_sid(), **params}
    dead_letter = the_dead_letter(FakeQueue([received(sns_event(replaced(message(), params=params)))]))
    text = text_for_editor(dead_letter)

    assert {
        character for line in text.split("\n") for character in line if one_line(character) != character
    } <= {*EMOJI_JOINERS}
    assert MADE_BY.search(text) is None
    assert text.startswith("{\n")
    assert json.loads(text)["params"] == params
    assert not edited(dead_letter, text).is_change


def test_another_layout_is_no_change() -> None:
    dead_letter = the_dead_letter(FakeQueue([dead()]))
    edit = edited(dead_letter, json.dumps(json.loads(text_for_editor(dead_letter)), sort_keys=True))
    assert not edit.is_change


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text[:-5], "not JSON"),
        (lambda _: "", "not JSON"),
        (lambda _: "[]", "message_id cannot be changed"),
        (lambda text: text.replace('"message_id": "', '"message_id": "x'), "message_id cannot be changed"),
        (lambda text: text.replace('"test": false', '"test": true'), "test cannot be changed"),
        (lambda text: text.replace('"schema": 1', '"schema": 2'), "schema is 2"),
        (lambda text: text.replace('"twilio"', '"fax"'), "source 'fax' is unknown"),
        (lambda text: text.replace("Two pallets", "x" * 300_000), "bytes; SNS takes"),
    ],
)
def test_what_is_no_message_is_refused(spoil: Callable[[str], str], reason: str) -> None:
    dead_letter = the_dead_letter(FakeQueue([dead()]))
    with pytest.raises(EditInvalid, match=reason):
        edited(dead_letter, spoil(text_for_editor(dead_letter)))


def test_a_completed_message_is_refused() -> None:
    dead_letter = the_dead_letter(FakeQueue([dead()]))
    with pytest.raises(Refused, match="is completed"):
        require_editable(dead_letter, RowState.COMPLETED)
    with pytest.raises(Refused, match="a run is at work on it, or died a moment ago"):
        require_editable(dead_letter, RowState.IN_PROGRESS)
    for state in (RowState.FAILED, RowState.NOT_STORED, RowState.STUCK, RowState.ABANDONED):
        require_editable(dead_letter, state)


def test_only_one_readable_dead_letter_can_be_meant() -> None:
    one = message()
    twins = [received(sns_event(one)), received(sns_event(one))]
    with pytest.raises(UsageError, match="2 dead letters hold message"):
        find_dead_letter(FakeQueue(twins), one.message_id, now=NOW)
    foreign = received("not JSON")
    with pytest.raises(MessageUnreadable, match="the body is not JSON"):
        find_dead_letter(FakeQueue([foreign]), foreign["MessageId"], now=NOW)
    with pytest.raises(NotFound, match="no dead letter has the id"):
        find_dead_letter(FakeQueue([]), one.message_id, now=NOW)


def test_a_dead_letter_that_left_the_queue_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    queue = FakeQueue([dead()])
    edit = changed(the_dead_letter(queue), Body="three pallets")
    queue.sqs.messages.clear()
    with pytest.raises(NotFound, match="not in the queue any more"):
        replace(queue, tmp_path, edit)
    assert not queue.sqs.sent


def test_a_refused_dead_letter_leaves_the_original(tmp_path: Path) -> None:
    queue = FakeQueue([dead()])
    bodies = queue.sqs.bodies
    queue.sqs.refuse_send = {0}
    with pytest.raises(AwsError, match="refused"):
        replace(queue, tmp_path, changed(the_dead_letter(queue), Body="three pallets"))
    assert queue.sqs.bodies == bodies
    assert not queue.sqs.hidden()


def test_a_send_without_an_answer_keeps_both_and_the_resume_finds_it(tmp_path: Path) -> None:
    queue = FakeQueue([dead()])
    queue.sqs.faults.always["send"] = LOST_ANSWER
    with pytest.raises(PartlyFailed, match="nobody knows"):
        replace(queue, tmp_path, changed(the_dead_letter(queue), Body="three pallets"))
    assert len(queue.sqs.messages) == 2
    queue.sqs.faults.always.clear()
    (run,) = (tmp_path / "runs").glob("*.jsonl")
    resume(queue, tmp_path, run)
    assert len(queue.sqs.messages) == 1
    assert len(queue.sqs.sent) == 1
    assert "three pallets" in queue.sqs.bodies[0]


def test_an_original_that_sqs_keeps_is_said_and_deleted_by_the_resume(tmp_path: Path) -> None:
    queue = FakeQueue([dead()])
    queue.sqs.refuse_delete = set(queue.sqs.messages)
    with pytest.raises(PartlyFailed, match="and the original too"):
        replace(queue, tmp_path, changed(the_dead_letter(queue), Body="three pallets"))
    queue.sqs.refuse_delete = set()
    (run,) = (tmp_path / "runs").glob("*.jsonl")
    resume(queue, tmp_path, run)
    assert len(queue.sqs.sent) == 1
    (body,) = queue.sqs.bodies
    assert "three pallets" in body


def test_an_original_that_somebody_hides_is_not_taken_for_deleted(tmp_path: Path) -> None:
    queue = FakeQueue([dead()])
    (original,) = queue.sqs.messages
    queue.sqs.refuse_delete = {original}
    with pytest.raises(PartlyFailed):
        replace(queue, tmp_path, changed(the_dead_letter(queue), Body="three pallets"))
    queue.sqs.hide(original, until=2_160.0)
    (run,) = (tmp_path / "runs").glob("*.jsonl")
    with pytest.raises(PartlyFailed, match="about 1 could not be received"):
        resume(queue, tmp_path, run)
    assert read(run).stages() == {Stage.ACCEPTED: 1}
    queue.sqs.refuse_delete = set()
    queue.sqs.hide(original, until=queue.sqs.now + 30)
    queue.sqs.counters_say = lambda _true: Counters(visible=0, hidden=0, delayed=0)
    resume(queue, tmp_path, run)
    assert read(run).stages() == {Stage.DELETED: 1}
    assert "three pallets" in "".join(queue.sqs.bodies)
    assert len(queue.sqs.messages) == 1


@pytest.mark.parametrize("after", [False, True])
def test_an_edit_killed_at_any_step_is_brought_to_its_end(tmp_path: Path, after: bool) -> None:
    for step in range(1, ANY_STEP):
        home = tmp_path / str(step)
        queue = FakeQueue([dead(), dead()])
        original, other = queue.sqs.bodies
        queue.sqs.faults = killed_at(step, after=after)
        dead_letter = the_dead_letter(queue)
        if dead_letter.body != original:
            original, other = other, original
        edit = changed(dead_letter, Body="three pallets")
        new = replacement(edit, ORIGIN).body
        try:
            replace(queue, home, edit)
        except Killed:
            pass
        else:
            assert step > 5, "the test kills something"
            assert queue.sqs.bodies == sorted([new, other])
            return
        assert original in queue.sqs.bodies or new in queue.sqs.bodies, f"killed at {step}: nothing is lost"
        assert other in queue.sqs.bodies
        queue.sqs.expire()
        (run,) = (home / "runs").glob("*.jsonl")
        if read(run).messages:
            resume(queue, home, run)
            assert queue.sqs.bodies == sorted([new, other]), f"killed at {step}"
            assert len(queue.sqs.sent) == 1
        else:
            assert queue.sqs.bodies == sorted([original, other])
    pytest.fail("the run has more steps than were tried")


@pytest.mark.parametrize("after", [False, True])
def test_an_edit_killed_at_any_step_never_leaves_a_row_that_says_the_original_beside_the_edited_dead_letter(
    tmp_path: Path, after: bool, database_url: str
) -> None:
    for step in range(1, ANY_STEP):
        home, one = tmp_path / str(step), message()
        queue = FakeQueue([received(sns_event(one))], faults=killed_at(step, after=after))
        with DatabaseManager(database_url) as database, table_of(database_url) as table:
            claim = database.claim(one, lease=timedelta(minutes=1))
            assert claim is not None
            database.fail(claim, "no customer")
            edit = changed(the_dead_letter(queue), Body="three pallets")
            marker = Marker(table=table, run_id="r", replacement=decode(edit.after))
            try:
                replace(queue, home, edit, marker)
            except Killed:
                pass
            else:
                assert step > 5, "the test kills something"
                return
            assert not queue.sqs.sent or said_by_row(database, one) == "three pallets", f"killed at {step}"
            queue.sqs.expire()
            (run,) = (home / "runs").glob("*.jsonl")
            if read(run).messages:
                resume(queue, home, run, marker)
                assert said_by_row(database, one) == "three pallets", f"killed at {step}"
    pytest.fail("the run has more steps than were tried")


def said_by_row(database: DatabaseManager, of: PilotMessage) -> str | None:
    row = database.get_submission_by_message_id(of.message_id)
    assert row is not None
    return row.text


def test_what_the_old_system_wrote_into_the_columns_does_not_speak_beside_the_edited_text(
    database_url: str,
) -> None:
    one = message()
    fields = SubmissionFields(from_number="+49", to_number="+48", body="my card is 4111", num_media=0)
    with DatabaseManager(database_url) as database, table_of(database_url) as table:
        database.create_submission(one.message_id, fields)
        marker = Marker(table=table, run_id="r", replacement=one)
        doomed = Doomed(queue_message_id="q", asked=Asked.of(one))
        marker.mark(NoJournal(), [doomed])
        row = database.get_submission_by_message_id(one.message_id)
    assert row is not None
    assert (row.text, row.sender) == (one.params["Body"], one.params["From"])


class NoJournal:
    def write(self, *entries: Mapping[str, object], durable: bool = True) -> None:
        """Nobody reads it."""
