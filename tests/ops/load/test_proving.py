"""The verdicts, by rows and dead letters that a test makes up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from b2bpilot.ops.load.plan import LoadPlan, message_of
from b2bpilot.ops.load.proving import Evidence, checks
from b2bpilot.ops.load.report import PromiseOutcome
from b2bpilot.ops.load.target import Concurrency
from b2bpilot.pipeline.rows_of_tests import RowOfTest

NOW = datetime(2026, 10, 1, tzinfo=UTC)
PLAN = LoadPlan(clients=1, requests=4, duplicates=0.25, poison=0.25)
MESSAGES = {number: message_of(PLAN, "run", number) for number in range(4)}
POISON = next(one for one in MESSAGES.values() if one.is_poison)
DOUBLED = next(one for one in MESSAGES.values() if one.is_doubled)
PLAIN = next(one for one in MESSAGES.values() if not (one.is_poison or one.is_doubled))


def row(message_id: str) -> RowOfTest:
    return RowOfTest(
        message_id=message_id,
        rows=1,
        is_completed=True,
        attempts=1,
        completed_at=NOW,
        last_error=None,
        lease_expires_at=None,
    )


def all_well() -> Evidence:
    return Evidence(
        messages=MESSAGES,
        accepted={number: 1 + one.is_doubled for number, one in MESSAGES.items()},
        stopped=frozenset(),
        rows={one.message_id: row(one.message_id) for one in MESSAGES.values() if not one.is_poison},
        dead_letters=frozenset({POISON.message_id}),
        concurrency=Concurrency(most=10, reserve=10),
    )


def verdicts(found: Evidence) -> dict[str, PromiseOutcome]:
    names = ("stored once", "none lost", "accepted", "duplicates", "poison", "reserve")
    return {name: check.verdict for name, check in zip(names, checks(found, now=NOW), strict=True)}


def test_all_is_proved_when_all_is_there() -> None:
    assert set(verdicts(all_well()).values()) == {PromiseOutcome.PROVED}


def test_a_message_without_a_row_is_lost_and_named() -> None:
    found = all_well()
    rows = {id_: row for id_, row in found.rows.items() if id_ != PLAIN.message_id}
    lost = replace(found, rows=rows)
    assert verdicts(lost)["none lost"] is PromiseOutcome.BROKEN
    assert verdicts(lost)["stored once"] is PromiseOutcome.BROKEN
    assert PLAIN.message_id in checks(lost, now=NOW)[1].detail


def test_a_row_that_a_dead_run_holds_is_neither_lost_nor_stored() -> None:
    held = replace(row(PLAIN.message_id), is_completed=False, lease_expires_at=NOW + timedelta(minutes=4))
    found = replace(all_well(), rows={**all_well().rows, PLAIN.message_id: held})
    assert verdicts(found)["none lost"] is PromiseOutcome.UNKNOWN
    assert verdicts(found)["stored once"] is PromiseOutcome.BROKEN
    assert "until 00:04:00 UTC; after that Lambda or the stale processor" in checks(found, now=NOW)[1].detail


def test_two_rows_of_one_message_break_two_promises() -> None:
    twice = replace(row(DOUBLED.message_id), rows=2)
    found = replace(all_well(), rows={**all_well().rows, DOUBLED.message_id: twice})
    assert verdicts(found)["stored once"] is PromiseOutcome.BROKEN
    assert verdicts(found)["duplicates"] is PromiseOutcome.BROKEN


def test_poison_that_is_stored_or_missing_from_the_queue_is_told() -> None:
    assert verdicts(replace(all_well(), dead_letters=frozenset()))["poison"] is PromiseOutcome.BROKEN
    stored = {**all_well().rows, POISON.message_id: row(POISON.message_id)}
    assert verdicts(replace(all_well(), rows=stored))["poison"] is PromiseOutcome.BROKEN


def test_a_queue_that_cannot_be_asked_makes_poison_unknown() -> None:
    found = replace(all_well(), dead_letters=None, why="AWS denied sqs:ReceiveMessage")
    assert verdicts(found)["poison"] is PromiseOutcome.UNKNOWN
    assert checks(found, now=NOW)[4].detail == "AWS denied sqs:ReceiveMessage"


def test_both_processors_are_held_to_their_reserves() -> None:
    found = checks(replace(all_well(), express=Concurrency(most=4, reserve=3)), now=NOW)[-1]
    assert (found.promise, found.verdict) == (
        "the express processor stays within its reserve",
        PromiseOutcome.BROKEN,
    )


def test_concurrency_without_a_figure_is_unknown_and_above_the_reserve_broken() -> None:
    unknown = replace(all_well(), concurrency=Concurrency(most=None, reserve=10, why="no figure yet"))
    above = replace(all_well(), concurrency=Concurrency(most=11, reserve=10))
    assert verdicts(unknown)["reserve"] is PromiseOutcome.UNKNOWN
    assert verdicts(above)["reserve"] is PromiseOutcome.BROKEN


def test_a_message_that_was_given_up_breaks_the_promise_and_one_without_an_answer_does_not() -> None:
    accepted = {number: times for number, times in all_well().accepted.items() if number != PLAIN.number}
    given_up = replace(all_well(), accepted=accepted)
    assert verdicts(given_up)["accepted"] is PromiseOutcome.BROKEN
    stopped = replace(given_up, stopped=frozenset({PLAIN.number}))
    assert verdicts(stopped)["accepted"] is PromiseOutcome.UNKNOWN
