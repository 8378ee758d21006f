"""Export, discard and restore: nothing lost, nothing doubled that was known, also with a kill at every step."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.advice import Place, written
from b2bpilot.aws.queue import Outgoing
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import AwsDenied, AwsError, Refused, UsageError
from b2bpilot.ops.dead_letters.archive import (
    REPLACEMENT,
    Archived,
    ArchiveInvalid,
    archive_path,
    archived,
    dead_letters_in,
    digest,
    line,
    read_archive,
    source_of,
)
from b2bpilot.ops.dead_letters.causes import Cause, cause_of
from b2bpilot.ops.dead_letters.copies import ExportRequest, export_to_file
from b2bpilot.ops.dead_letters.discard import (
    Discarded,
    needs_name,
    parameters_of,
    remaining,
    run_discard,
    write_plan,
)
from b2bpilot.ops.dead_letters.expression import Expression
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.holding import HIDDEN_SECONDS
from b2bpilot.ops.dead_letters.restore import (
    Restore,
    Restored,
    RestoreDecision,
    RestorePlan,
    plan_restore,
    require_same_origin,
    sent_before,
)
from b2bpilot.ops.dead_letters.sweep import PATIENCE_SECONDS
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import Stage, read
from b2bpilot.ops.runs.runs import records
from b2bpilot.pipeline.clock import HostClock
from b2bpilot.pipeline.dead_letter import FailureKind
from tests.events import received
from tests.fakes.dead_letters import ORIGIN, FaultyJournal, dead, killed_at
from tests.fakes.faults import LOST_ANSWER, Fault, Killed
from tests.fakes.sqs import FakeQueue
from tests.ops.dead_letters.asked_table import NoRows

NOW = datetime(2026, 11, 23, 19, 45, 1, tzinfo=UTC)
COUNT = 25
ANY_STEP = 60


def discard(queue: FakeQueue, home: Path, dead_letters: dict[str, str | None]) -> tuple[str, Discarded]:
    with FaultyJournal.begun(home, "discard", queue.sqs.faults) as journal:
        write_plan(journal, dead_letters)
        return journal.run_id, run_discard(
            queue, journal, dead_letters, home=home, origin=ORIGIN, table=NoRows(), known={}
        )


def resume_discard(queue: FakeQueue, home: Path, run: Path, *, patience_seconds: float = 0) -> Discarded:
    record = read(run)
    with Journal.reopen(run, operator="ana@laptop") as journal:
        return run_discard(
            queue,
            journal,
            remaining(record.messages),
            home=home,
            origin=ORIGIN,
            table=NoRows(),
            known=record.messages,
            patience_seconds=patience_seconds,
            monotonic=queue.sqs.clock,
        )


def planned_restore(queue: FakeQueue, home: Path, source: str) -> RestorePlan:
    found = source_of(home, source)
    before = sent_before(records(home, "restore", unreadable=pytest.fail), ORIGIN, HostClock("AWS"))
    return plan_restore(found.path, queue, before=before, discarded=found.discarded, now=NOW)


def restore(queue: FakeQueue, home: Path, source: str) -> Restored:
    plan = planned_restore(queue, home, source)
    with FaultyJournal.begun(home, "restore", queue.sqs.faults) as journal:
        restored = Restore(sender=queue, journal=journal).run(plan)
        journal.finish(restored.counts)
    return restored


@pytest.fixture
def messages() -> list[dict[str, Any]]:
    return [dead() for _ in range(COUNT)]


def ids(messages: list[dict[str, Any]]) -> dict[str, str | None]:
    return {each["MessageId"]: None for each in messages}


def test_a_discard_takes_exactly_the_planned_dead_letters(
    tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    queue = FakeQueue(messages)
    run_id, result = discard(queue, tmp_path, ids(messages[:20]))
    assert result == Discarded(deleted=20)
    assert set(queue.sqs.messages) == {each["MessageId"] for each in messages[20:]}
    assert not queue.sqs.hidden(), "what was only looked at is visible again"
    found = {each.queue_message_id: each.body for each in dead_letters_in(archive_path(tmp_path, run_id))}
    assert found == {each["MessageId"]: each["Body"] for each in messages[:20]}
    record = read(tmp_path / "runs" / f"{run_id}.jsonl")
    assert record.stages() == {Stage.DELETED: 20}
    assert record.counts == {"deleted": 20, "not deleted": 0, "rows marked": 0, "rows not marked": 0}


def test_the_archive_is_as_private_as_the_journal(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    run_id, _ = discard(FakeQueue(messages), tmp_path, ids(messages))
    path = archive_path(tmp_path, run_id)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert messages[0]["Body"] not in (tmp_path / "runs" / f"{run_id}.jsonl").read_text()


def test_an_entry_that_sqs_did_not_delete_is_named(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    queue = FakeQueue(messages)
    kept = messages[3]["MessageId"]
    queue.sqs.refuse_delete = {kept}
    _, result = discard(queue, tmp_path, ids(messages))
    assert result.deleted == COUNT - 1
    assert [problem.queue_message_id for problem in result.problems] == [kept]
    assert set(queue.sqs.messages) == {kept}


def test_a_dead_letter_that_is_gone_is_named(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    queue = FakeQueue(messages[1:])
    _, result = discard(queue, tmp_path, ids(messages))
    assert result.deleted == COUNT - 1
    assert "not in the queue any more" in result.problems[0].reason


def test_a_delete_without_an_answer_is_unknown(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    queue = FakeQueue(messages)
    queue.sqs.faults.always["delete"] = Fault.of(AwsError("no answer"))
    run_id, result = discard(queue, tmp_path, ids(messages))
    assert result.deleted == 0
    assert {problem.reason for problem in result.problems} == {"perhaps deleted: no answer"}
    assert read(tmp_path / "runs" / f"{run_id}.jsonl").stages() == {Stage.UNKNOWN: COUNT}


def test_a_missing_permission_stops_the_run_and_hides_nothing(
    tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    queue = FakeQueue(messages)
    queue.sqs.faults.always["delete"] = Fault.of(AwsDenied("AWS denied sqs:DeleteMessage"))
    with pytest.raises(AwsDenied):
        discard(queue, tmp_path, ids(messages))
    assert len(queue.sqs.messages) == COUNT
    assert not queue.sqs.hidden()


@pytest.mark.parametrize("after", [False, True])
def test_a_discard_killed_at_any_step_loses_nothing_and_is_resumed(
    tmp_path: Path, messages: list[dict[str, Any]], after: bool
) -> None:
    bodies = {each["MessageId"]: each["Body"] for each in messages}
    for step in range(1, ANY_STEP):
        home = tmp_path / str(step)
        queue = FakeQueue(messages, faults=killed_at(step, after=after))
        try:
            discard(queue, home, ids(messages))
        except Killed:
            pass
        else:
            assert step > 5, "the test kills something"
            return
        (run,) = (home / "runs").glob("*.jsonl")
        kept = set(queue.sqs.messages) | archived_ids(home, run.stem)
        assert kept == set(bodies), f"killed at {step}: every dead letter is in the queue or in the archive"
        planned = set(read(run).messages)
        queue.sqs.expire()
        resume_discard(queue, home, run)
        assert set(queue.sqs.messages) == set(bodies) - planned
        if planned:
            found = Counter(each.queue_message_id for each in dead_letters_in(archive_path(home, run.stem)))
            assert found == Counter(planned)
            assert read(run).stages() == {Stage.DELETED: len(planned)}
    pytest.fail("the run has more steps than were tried")


def archived_ids(home: Path, run_id: str) -> set[str]:
    path = archive_path(home, run_id)
    return {each.queue_message_id for each in dead_letters_in(path)} if path.exists() else set()


def test_a_dead_letter_that_an_interrupted_discard_never_took_is_archived_by_the_resume(
    tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    """It was missed, so the journal says `failed`; that must not be taken for `archived`."""
    queue = FakeQueue([])
    discard(queue, tmp_path, ids(messages[:1]))
    (run,) = (tmp_path / "runs").glob("*.jsonl")
    queue.sqs.put(messages[0])
    assert resume_discard(queue, tmp_path, run).deleted == 1
    assert archived_ids(tmp_path, run.stem) == {messages[0]["MessageId"]}


def test_a_dead_letter_that_a_killed_run_still_hides_is_not_settled_by_counters_that_say_zero(
    tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    """It was archived and not deleted; SQS's counters are off, and say that the queue is empty."""
    (raw,) = messages[:1]
    queue = FakeQueue([raw])
    queue.sqs.faults.always["delete"] = Fault.of(AwsError("no answer"))
    discard(queue, tmp_path, ids([raw]))
    queue.sqs.faults.always.clear()
    queue.sqs.hide(raw["MessageId"], until=queue.sqs.now + HIDDEN_SECONDS)
    queue.sqs.counters_say = lambda _true: Counters(visible=0, hidden=0, delayed=0)
    (run,) = (tmp_path / "runs").glob("*.jsonl")

    assert resume_discard(queue, tmp_path, run, patience_seconds=PATIENCE_SECONDS).deleted == 1

    assert not queue.sqs.messages
    assert '"found"' not in run.read_text()


def test_what_long_polls_do_not_bring_after_the_hidden_time_was_deleted_by_the_killed_run(
    tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    queue = FakeQueue(messages[:1])
    queue.sqs.faults.always["delete"] = Fault.of(AwsError("no answer"))
    discard(queue, tmp_path, ids(messages[:1]))
    queue = FakeQueue([])
    (run,) = (tmp_path / "runs").glob("*.jsonl")

    assert resume_discard(queue, tmp_path, run, patience_seconds=PATIENCE_SECONDS).deleted == 1

    assert queue.sqs.now >= PATIENCE_SECONDS
    assert '"found": "gone"' in run.read_text()


def test_a_discarded_run_comes_back_byte_for_byte(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    messages[0]["MessageAttributes"]["raw"] = {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"}
    messages += [received("not JSON \u2028 \U0001f69a"), received({"schema": 9})]
    queue = FakeQueue(messages)
    run_id, _ = discard(queue, tmp_path, ids(messages))
    assert not queue.sqs.messages
    assert restore(queue, tmp_path, run_id) == Restored(put_back=len(messages))
    found = {(each.body, digest(sent_form(each.received()))) for each in queue.sqs.messages.values()}
    assert found == {(each["Body"], digest(sent_form(each))) for each in messages}
    (binary,) = [each.received() for each in queue.sqs.messages.values() if "raw" in each.attributes]
    assert binary["MessageAttributes"]["raw"] == messages[0]["MessageAttributes"]["raw"]


def sent_form(raw: dict[str, Any]) -> Outgoing:
    return Outgoing(body=raw["Body"], attributes=raw.get("MessageAttributes") or {})


def test_a_second_restore_sends_nothing(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    queue = FakeQueue(messages)
    run_id, _ = discard(queue, tmp_path, ids(messages))
    restore(queue, tmp_path, run_id)
    plan = planned_restore(queue, tmp_path, run_id)
    assert plan.counts() == {RestoreDecision.RESTORED: COUNT}
    assert not plan.acts
    queue.sqs.messages.clear()
    assert planned_restore(queue, tmp_path, run_id).counts() == {RestoreDecision.RESTORED: COUNT}


def test_the_archive_named_as_a_file_is_the_run(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    queue = FakeQueue(messages)
    run_id, _ = discard(queue, tmp_path, ids(messages))
    found = source_of(tmp_path, str(archive_path(tmp_path, run_id)))
    assert found.record is not None
    assert found.record.run_id == run_id


def test_a_dead_letter_that_was_archived_but_not_deleted_is_not_doubled(
    tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    queue = FakeQueue(messages)
    queue.sqs.refuse_delete = {messages[3]["MessageId"]}
    run_id, _ = discard(queue, tmp_path, ids(messages))
    assert restore(queue, tmp_path, run_id).put_back == COUNT - 1
    assert queue.sqs.bodies == sorted(each["Body"] for each in messages)


def test_a_refused_entry_is_named_and_sent_by_the_next_restore(
    tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    queue = FakeQueue(messages)
    run_id, _ = discard(queue, tmp_path, ids(messages))
    queue.sqs.refuse_send = {7}
    result = restore(queue, tmp_path, run_id)
    assert result.put_back == COUNT - 1
    assert "refused" in result.problems[0].reason
    queue.sqs.refuse_send = set()
    assert restore(queue, tmp_path, run_id).put_back == 1
    assert queue.sqs.bodies == sorted(each["Body"] for each in messages)


def test_a_send_without_an_answer_is_named_and_found_by_the_next_restore(
    tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    queue = FakeQueue(messages)
    run_id, _ = discard(queue, tmp_path, ids(messages))
    queue.sqs.faults.always["send"] = LOST_ANSWER
    result = restore(queue, tmp_path, run_id)
    assert result.put_back == 0
    assert all(problem.reason.startswith("perhaps put back") for problem in result.problems)
    queue.sqs.faults.always.clear()
    plan = planned_restore(queue, tmp_path, run_id)
    assert plan.counts() == {RestoreDecision.FOUND: COUNT}
    restore(queue, tmp_path, run_id)
    assert len(queue.sqs.sent) == COUNT
    assert planned_restore(queue, tmp_path, run_id).counts() == {RestoreDecision.RESTORED: COUNT}


@pytest.mark.parametrize("after", [False, True])
def test_a_restore_killed_at_any_step_puts_each_dead_letter_back_once(
    tmp_path: Path, messages: list[dict[str, Any]], after: bool
) -> None:
    for step in range(1, ANY_STEP):
        home = tmp_path / str(step)
        queue = FakeQueue(messages)
        run_id, _ = discard(queue, home, ids(messages))
        queue.sqs.expire(killed_at(step, after=after))
        try:
            restore(queue, home, run_id)
        except Killed:
            pass
        else:
            assert step > 5, "the test kills something"
            return
        queue.sqs.expire()
        restore(queue, home, run_id)
        assert queue.sqs.bodies == sorted(each["Body"] for each in messages), f"killed at {step}"
        assert not queue.sqs.hidden()
    pytest.fail("the run has more steps than were tried")


def test_an_export_is_whole_private_and_changes_nothing(
    tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    queue = FakeQueue([*messages, received("not JSON")])
    path = tmp_path / "letters.jsonl"
    found = export_to_file(queue, path, ExportRequest(selection=Selection(), origin=ORIGIN, now=NOW))
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(found.found) == COUNT + 1
    assert len(queue.sqs.messages) == COUNT + 1
    assert not queue.sqs.hidden()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {one["environment"] for one in lines} == {"staging"}
    assert [one["summary"]["error"] for one in lines].count("boom") == COUNT
    assert lines[0]["system_attributes"]["SentTimestamp"] == messages[0]["Attributes"]["SentTimestamp"]
    by_id = {each.queue_message_id: each for each in dead_letters_in(path)}
    for raw in messages:
        dead_letter = by_id[raw["MessageId"]].dead_letter
        assert (dead_letter.body, dead_letter.failure.request_id) == (
            raw["Body"],
            raw["MessageAttributes"]["RequestID"]["StringValue"],
        )
        assert dead_letter.event is not None, "complete enough to replay"


def test_an_export_of_a_group_holds_that_group_only(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    queue = FakeQueue([*messages, received("not JSON")])
    path = tmp_path / "letters.jsonl"
    export_to_file(queue, path, ExportRequest(selection=Selection(group="G2"), origin=ORIGIN, now=NOW))
    assert [each.body for each in read_archive(path)] == ["not JSON"]


def test_an_export_keeps_to_the_limit(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    path = tmp_path / "letters.jsonl"
    export_to_file(
        FakeQueue(messages), path, ExportRequest(selection=Selection(limit=3), origin=ORIGIN, now=NOW)
    )
    assert len(list(read_archive(path))) == 3


def test_an_export_overwrites_nothing(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    path = tmp_path / "letters.jsonl"
    path.write_text("precious")
    with pytest.raises(UsageError, match="exists already"):
        export_to_file(
            FakeQueue(messages), path, ExportRequest(selection=Selection(), origin=ORIGIN, now=NOW)
        )
    assert path.read_text() == "precious"


def test_an_export_that_fails_leaves_no_file(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    with pytest.raises(UsageError):
        export_to_file(
            FakeQueue(messages),
            tmp_path / "letters.jsonl",
            ExportRequest(selection=Selection(group="G9"), origin=ORIGIN, now=NOW),
        )
    assert list(tmp_path.iterdir()) == []


def test_a_restored_export_leaves_out_what_is_still_in_the_queue(
    tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    queue = FakeQueue(messages)
    path = tmp_path / "letters.jsonl"
    export_to_file(queue, path, ExportRequest(selection=Selection(), origin=ORIGIN, now=NOW))
    for raw in messages[:5]:
        del queue.sqs.messages[raw["MessageId"]]
    plan = planned_restore(queue, tmp_path, str(path))
    assert plan.counts() == {RestoreDecision.PUT_BACK: 5, RestoreDecision.IN_QUEUE: COUNT - 5}
    assert restore(queue, tmp_path, str(path)).put_back == 5
    assert queue.sqs.bodies == sorted(each["Body"] for each in messages)


def test_dead_letters_of_another_environment_are_refused(
    tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    queue = FakeQueue(messages)
    run_id, _ = discard(queue, tmp_path, ids(messages))
    plan = planned_restore(queue, tmp_path, run_id)
    other = type(ORIGIN)(environment="prod", account_id="210987654321", region="eu-west-1")
    with pytest.raises(Refused, match="not of environment prod"):
        require_same_origin(plan, other, force=False)
    require_same_origin(plan, other, force=True)


@pytest.mark.parametrize("is_forced", [False, True])
@pytest.mark.parametrize(("subscriber", "owner"), [("analytics", "processor"), (None, "analytics")])
def test_dead_letters_of_another_subscriber_belong_into_its_own_queue(
    tmp_path: Path, messages: list[dict[str, Any]], is_forced: bool, subscriber: str | None, owner: str
) -> None:
    """Forced, they lay where nothing sends them and nothing takes them out."""
    queue, path = FakeQueue(messages), tmp_path / "a.jsonl"
    theirs = replace(ORIGIN, subscriber=None if owner == "processor" else owner)
    export_to_file(queue, path, ExportRequest(selection=Selection(), origin=theirs, now=NOW))
    plan = planned_restore(FakeQueue(), tmp_path, str(path))

    with pytest.raises(Refused) as raised:
        require_same_origin(plan, replace(ORIGIN, subscriber=subscriber), force=is_forced)
    place = Place(environment="staging", subscriber=subscriber)
    assert written(raised.value.hint or "", place).endswith(
        f"b2bpilot dlq restore -e staging --subscriber {owner} {path}"
    )


@pytest.mark.parametrize("text", ["nonsense\n", "{}\n", '{"schema_version": 2}\n', "[]\n"])
def test_a_file_that_is_no_export_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "letters.jsonl"
    path.write_text(text)
    with pytest.raises(ArchiveInvalid, match="line 1"):
        list(read_archive(path))


@given(
    body=st.text(st.characters(exclude_categories=["Cs"])),
    attributes=st.dictionaries(
        st.text("abc", min_size=1, max_size=5),
        st.one_of(
            st.text().map(lambda text: {"DataType": "String", "StringValue": text}),
            st.binary().map(lambda value: {"DataType": "Binary", "BinaryValue": value}),
        ),
        max_size=10,
    ),
)
def test_a_dead_letter_survives_the_file(
    body: str, attributes: dict[str, Any], tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "one.jsonl"
    entry = Archived(origin=ORIGIN, queue_message_id="1", body=body, attributes=attributes)
    path.write_bytes(line(entry) + b"\n")
    assert list(read_archive(path)) == [entry]


def test_an_edited_dead_letter_is_no_dead_letter_to_restore(tmp_path: Path) -> None:
    (dead_letter,) = FakeQueue([dead()]).receive(hidden_seconds=1, wait_seconds=0)
    entry = archived(dead_letter, ORIGIN)
    path = tmp_path / "one.jsonl"
    new = Archived(kind=REPLACEMENT, origin=ORIGIN, queue_message_id=entry.queue_message_id, body="new")
    path.write_bytes(b"".join(line(each) + b"\n" for each in (new, entry, entry)))
    assert list(dead_letters_in(path)) == [entry]
    assert cause_of(entry.dead_letter) == cause_of(dead_letter)


@pytest.mark.parametrize(
    ("environment", "everything", "needed"),
    [
        ("staging", False, False),
        ("staging", True, True),
        ("prod", False, True),
        ("Production-eu", False, True),
    ],
)
def test_the_name_is_needed_for_a_whole_queue_and_in_production(
    environment: str, everything: bool, needed: bool
) -> None:
    assert needs_name(environment, is_everything=everything) is needed


def test_the_journal_says_how_dead_letters_were_chosen() -> None:
    cause = Cause(FailureKind.EXCEPTION, "no customer")
    selection = Selection(
        group="g2", message_ids=frozenset({"b", "a"}), since=NOW, where=Expression.parse("params.Body")
    )
    names = {Cause(FailureKind.TIMEOUT, "too late"): "G1", cause: "G2"}
    assert parameters_of(selection, dead_letters=2, by_name=False, names=names) == {
        "letters": 2,
        "selection": {
            "group": "g2",
            "since": str(NOW),
            "message_ids": ["a", "b"],
            "where": "params.Body",
            "cause": "exception: no customer",
        },
        "by_name": False,
    }
    everything = parameters_of(Selection(), dead_letters=2, by_name=True, names=names)
    assert everything["selection"] == "everything"
