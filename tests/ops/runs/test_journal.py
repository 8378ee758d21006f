"""Journals, read back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from b2bpilot.errors import Refused, RunUnknown, UsageError
from b2bpilot.ops.runs.durable import JournalFailed
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import RunState, Stage, glance, read
from b2bpilot.ops.runs.runs import find, journals, list_runs, records, require_ended

NOW = datetime(2026, 11, 23, 19, 45, 1, tzinfo=UTC)


def journal(home: Path, command: str = "redrive", *, clock: Callable[[], datetime] = lambda: NOW) -> Journal:
    return Journal.create(
        home,
        command=command,
        environment="staging",
        account_id="123456789012",
        region="eu-west-1",
        operator="ana@laptop",
        reason="constraint dropped",
        parameters={"via": "invoke"},
        clock=clock,
    )


def entry(event: str, dead_letter: str, **fields: object) -> dict[str, object]:
    return {"event": event, "queue_message_id": dead_letter, "message_id": f"message-{dead_letter}", **fields}


def test_the_run_id_names_time_and_command_and_the_journal(tmp_path: Path) -> None:
    with journal(tmp_path) as run:
        assert run.run_id.startswith("20261123T194501Z-redrive-")
        assert run.path == tmp_path / "runs" / f"{run.run_id}.jsonl"


def test_two_runs_of_one_second_have_journals_of_their_own(tmp_path: Path) -> None:
    with journal(tmp_path) as one, journal(tmp_path) as two:
        assert one.run_id != two.run_id


def test_the_record_says_who_where_and_why(tmp_path: Path) -> None:
    with journal(tmp_path) as run:
        run.finish({"completed": 2})
    found = read(run.path)
    assert (found.command, found.environment, found.account_id, found.region) == (
        "redrive",
        "staging",
        "123456789012",
        "eu-west-1",
    )
    assert (found.operator, found.reason, found.parameters) == (
        "ana@laptop",
        "constraint dropped",
        {"via": "invoke"},
    )
    assert (found.state, found.counts, found.started_at) == (RunState.FINISHED, {"completed": 2}, NOW)


def test_the_last_thing_that_happened_to_a_dead_letter_is_its_stage(tmp_path: Path) -> None:
    with journal(tmp_path) as run:
        run.write(entry("planned", "a", decision="send"), entry("planned", "b", decision="set aside"))
        run.write(entry("sending", "a"), entry("sending", "c"), entry("sending", "d"))
        run.write(entry("accepted", "a"), entry("failed", "d", verdict="unknown", error="no answer"))
        run.write(entry("deleted", "a"), entry("proof", "a", fate="completed", reason=None))
        run.write(entry("invented later", "a"))
    found = read(run.path).messages
    assert {name: state.stage for name, state in found.items()} == {
        "a": Stage.DELETED,
        "b": Stage.PLANNED,
        "c": Stage.SENDING,
        "d": Stage.UNKNOWN,
    }
    assert (found["a"].was_accepted, found["a"].fate, found["a"].message_id) == (
        True,
        "completed",
        "message-a",
    )
    assert found["b"].decision == "set aside"
    assert found["c"].is_unknown
    assert found["d"].is_unknown
    assert found["d"].error == "no answer"


def test_a_record_keeps_receipts_only_of_dead_letters_that_may_be_there(tmp_path: Path) -> None:
    """They are long, and a run may have planned 100,000."""
    with journal(tmp_path) as run:
        run.write(entry("planned", "a", receipt_handle="R"), entry("planned", "b", receipt_handle="S"))
        run.write(entry("deleted", "a"), entry("proof", "a", fate="completed", reason=None))

    found = read(run.path).messages

    assert (found["a"].receipt_handle, found["b"].receipt_handle) == (None, "S")


def test_a_run_is_running_as_long_as_its_journal_is_open(tmp_path: Path) -> None:
    run = journal(tmp_path)
    found = read(run.path)
    assert found.state is RunState.RUNNING
    with pytest.raises(Refused, match="still runs"):
        require_ended(found)
    with pytest.raises(Refused, match="in use"):
        Journal.reopen(run.path, operator="ben@laptop")
    run.close()
    assert read(run.path).state is RunState.INTERRUPTED


def test_a_resumed_run_is_unfinished_until_it_ends_again(tmp_path: Path) -> None:
    with journal(tmp_path) as run:
        run.finish({"completed": 1})
    with Journal.reopen(run.path, operator="ben@laptop") as again:
        assert again.run_id == run.run_id
    assert glance(run.path).state is RunState.INTERRUPTED
    with Journal.reopen(run.path, operator="ben@laptop") as again:
        again.finish({"completed": 2})
    assert glance(run.path).counts == {"completed": 2}


@pytest.mark.parametrize(
    "torn", [b'{"at": "2026', b'{"event": "deleted", "queue_message_id": "a"', b"\xff\xfe"]
)
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: bytes) -> None:
    with journal(tmp_path) as run:
        run.write(entry("sending", "a"))
    with run.path.open("ab") as out:
        out.write(torn)
    assert read(run.path).messages["a"].stage is Stage.SENDING
    assert glance(run.path).messages["a"].stage is Stage.SENDING
    with Journal.reopen(run.path, operator="ben@laptop") as again:
        again.write(entry("accepted", "a"))
    assert read(run.path).messages["a"].stage is Stage.ACCEPTED


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    with journal(tmp_path) as run:
        pass
    run.path.write_bytes(run.path.read_bytes() + b"nonsense\n" + b"{}\n")
    with pytest.raises(JournalFailed, match="line 2, is not a JSON object"):
        read(run.path)


def test_no_full_phone_number_gets_into_a_journal(tmp_path: Path) -> None:
    with journal(tmp_path) as run:
        run.write(entry("failed", "a", error="no customer whatsapp:+15005550006; call +49 or +491701234567"))
    text = run.path.read_text()
    assert "+1500***0006" in text
    assert "5550006" not in text
    assert "1701234567" not in text


def test_a_run_is_found_by_the_beginning_or_the_end_of_its_id(tmp_path: Path) -> None:
    with journal(tmp_path) as one, journal(tmp_path, "discard") as two:
        pass
    assert find(tmp_path, one.run_id).run_id == one.run_id
    assert find(tmp_path, two.run_id[:20]).run_id == two.run_id
    assert find(tmp_path, two.run_id[-4:]).run_id == two.run_id
    with pytest.raises(UsageError, match="2 runs begin or end with '2026'"):
        find(tmp_path, "2026")
    with pytest.raises(RunUnknown, match="no run 'x'"):
        find(tmp_path, "x")


def test_runs_are_listed_newest_first_and_what_is_no_journal_is_named(tmp_path: Path) -> None:
    times = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2)]
    for number, time in enumerate(times):
        with journal(tmp_path, clock=lambda time=time: time) as run:
            run.write(*(entry("planned", str(n)) for n in range(number)))
    (tmp_path / "runs" / "20261103T000000Z-redrive-0000.jsonl").touch()
    complaints: list[str] = []
    found = list(list_runs(tmp_path, unreadable=complaints.append))
    assert [run.started_at for run in found] == times[::-1]
    assert len(complaints) == 1
    assert len(journals(tmp_path)) == 3


def test_runs_of_one_command_come_oldest_first(tmp_path: Path) -> None:
    with journal(tmp_path, "restore") as one, journal(tmp_path, "discard"):
        pass
    found = records(tmp_path, "restore", unreadable=pytest.fail)
    assert [record.run_id for record in found] == [one.run_id]


def test_a_long_journal_is_glanced_at_by_its_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with journal(tmp_path) as run:
        run.write(*(entry("deleted", str(n)) for n in range(5_000)))
        run.finish({"completed": 5_000})
    lines = []
    monkeypatch.setattr(json, "loads", lambda text, loads=json.loads: (lines.append(1), loads(text))[1])
    assert glance(run.path).counts == {"completed": 5_000}
    assert len(lines) == 2
