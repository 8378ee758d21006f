"""From a symptom to its cause."""

from __future__ import annotations

import threading

import psycopg
import pytest

from b2bpilot.errors import (
    AwsDenied,
    AwsError,
    AwsThrottled,
    AwsUnreachable,
    DatabaseError,
    DatabaseUnreachable,
    SchemaOutdated,
)
from b2bpilot.ops.dead_letters.causes import Cause, Group
from b2bpilot.ops.diagnose import evidence
from b2bpilot.ops.diagnose.diagnosis import ALL, HypothesisState, diagnose
from b2bpilot.ops.diagnose.symptom import HYPOTHESES, MEANING, Hypothesis, Symptom
from b2bpilot.ops.verify.check import Answer, Category, Check, Probe, Status, fails, holds, unanswered
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.runner import Runner
from b2bpilot.pipeline.dead_letter import FailureKind
from b2bpilot.twilio.failures import TwilioUnreachable
from tests.ops.verify.deployments import check, deployment

TABLE = "b2b_pilot_user_submissions"


def judged(
    monkeypatch: pytest.MonkeyPatch, *answers: Answer | Probe | tuple[Answer, str], seconds: float = 5
) -> tuple[HypothesisState, list[str]]:
    """Judge one hypothesis over checks that answer so; a pair names what its check needs."""
    checks: list[Check] = []
    for place, given in enumerate(answers):
        answer, *needs = given if isinstance(given, tuple) else (given,)
        probe = answer if callable(answer) else lambda _, answer=answer: answer
        checks.append(check(f"C{place}", probe, needs=tuple(needs)))
    codes = tuple(one.code for one in checks)
    hypotheses = {Symptom.ERRORS: (Hypothesis(text="something is wrong", codes=codes),)}
    monkeypatch.setattr("b2bpilot.ops.diagnose.diagnosis.ALL", {one.code: one for one in checks})
    monkeypatch.setattr("b2bpilot.ops.diagnose.diagnosis.HYPOTHESES", hypotheses)
    (found,) = diagnose([Symptom.ERRORS], deployment(), check_seconds=seconds)
    (branch,) = found.branches
    return branch.state, [one.check.code for one in branch.results]


def test_every_hypothesis_is_decided_by_checks_that_exist() -> None:
    for symptom in Symptom:
        for hypothesis in HYPOTHESES[symptom]:
            assert set(hypothesis.codes) <= ALL.keys()
            assert len(set(hypothesis.codes)) == len(hypothesis.codes)
        assert MEANING[symptom]


def test_all_evidence_is_used() -> None:
    used = {code for symptom in Symptom for one in HYPOTHESES[symptom] for code in one.codes}

    assert {one.code for one in evidence.EVIDENCE} <= used


def test_the_table_comes_before_the_messages_that_it_refuses() -> None:
    """Their dead letters are a consequence: redriven first, they fail again."""
    for symptom in (Symptom.NOT_PROCESSED, Symptom.ERRORS):
        order = [code for one in HYPOTHESES[symptom] for code in one.codes]
        assert order.index("B2B150") < order.index(evidence.DEAD_LETTERS.code)


def test_the_group_that_a_lost_column_made_is_redriven_before_poison() -> None:
    """At e136ba1 the biggest group came first, poison that cannot succeed."""
    texts = [
        "no customer for body",
        'column "num_media" of relation "b2b_pilot_user_submissions" does not exist',
    ]
    poison, refused = (
        Group(
            id=f"G{place}", cause=Cause(FailureKind.EXCEPTION, text), count=1, oldest=None, newest=None, expiry=None, sample="",
        )
        for place, text in enumerate(texts, start=1)
    )  # fmt: skip

    assert evidence.first_to_redrive([poison, refused], ["body", "num_media"]) is refused
    assert evidence.first_to_redrive([poison, refused], []) is poison


def test_what_holds_rules_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(monkeypatch, holds("so"), holds("so")) == (HypothesisState.RULED_OUT, ["C0", "C1"])


def test_one_failure_is_enough_and_it_alone_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = judged(monkeypatch, holds("so"), fails("no"), unanswered("denied"))

    assert found == (HypothesisState.FOUND, ["C1"])


def test_what_nobody_could_see_is_not_ruled_out_and_the_first_reason_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = judged(monkeypatch, holds("so"), unanswered("denied"), (holds("so"), "C1"))

    assert found == (HypothesisState.UNKNOWN, ["C1"])


@pytest.mark.parametrize(
    "error",
    [
        AwsDenied("denied", action="sns:GetTopicAttributes"),
        AwsUnreachable("no answer"),
        AwsThrottled("slow down"),
        AwsError("sns:GetTopicAttributes failed"),
        DatabaseUnreachable("no connection"),
        DatabaseError("PostgreSQL refused a statement: canceling statement due to lock timeout"),
        TwilioUnreachable("no answer"),
        ValueError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_who_does_not_answer_is_no_cause(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(_: Deployment) -> Answer:
        raise error

    assert judged(monkeypatch, holds("so"), refuse) == (HypothesisState.UNKNOWN, ["C1"])


def test_a_check_that_hangs_is_no_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()

    def hang(_: Deployment) -> Answer:
        return holds(str(never.wait(60)))

    found = judged(monkeypatch, hang, seconds=0.05)
    never.set()

    assert found == (HypothesisState.UNKNOWN, ["C0"])


def test_a_table_that_lacks_something_is_a_cause_though_asking_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: Deployment) -> Answer:
        raise SchemaOutdated("the table has no column message_id")

    assert judged(monkeypatch, refuse) == (HypothesisState.FOUND, ["C0"])


def test_what_another_hypothesis_found_is_told_where_it_hides_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    down = check("DOWN", lambda _: fails("the database does not answer"))
    between = check("TABLE", needs=("DOWN",))
    rows = check("ROWS", needs=("TABLE",))
    hypotheses = {
        Symptom.ERRORS: (
            Hypothesis(text="rows tell", codes=("ROWS",)),
            Hypothesis(text="the database is down", codes=("DOWN",)),
        )
    }
    every = {one.code: one for one in (down, between, rows)}
    monkeypatch.setattr("b2bpilot.ops.diagnose.diagnosis.ALL", every)
    monkeypatch.setattr("b2bpilot.ops.diagnose.diagnosis.HYPOTHESES", hypotheses)

    (found,) = diagnose([Symptom.ERRORS], deployment(), check_seconds=5)

    assert [one.state for one in found.branches] == [HypothesisState.UNKNOWN, HypothesisState.FOUND]
    assert [one.check.code for one in found.branches[0].results] == ["DOWN"]


@pytest.mark.parametrize(
    ("probe", "rows", "told"),
    [
        (
            evidence.DOUBLED_ROWS,
            "(message_id, message_sid) VALUES ('a', 'SM1'), (NULL, 'SM1')",
            "1 MessageSid in more than one row, such as SM1",
        ),
        (
            evidence.UNIDENTIFIED,
            "(message_sid, status) VALUES ('SM1', 'pending')",
            "1 unfinished row without",
        ),
        (
            evidence.ROWS,
            "(message_id, status, last_error) VALUES ('a', 'failed', 'no disk'), ('b', 'abandoned', 'no disk')",
            "messages whose last run failed: 2 with: no disk",
        ),
    ],
)
def test_the_table_s_own_evidence_is_found(database_url: str, probe: Check, rows: str, told: str) -> None:
    at = deployment(given_database_url=database_url)
    (clean,) = Runner([probe]).run(at)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"INSERT INTO {TABLE} {rows}".encode())
    (found,) = Runner([probe]).run(deployment(given_database_url=database_url))

    assert clean.status is Status.OK
    assert found.status in (Status.FAILED, Status.WARNING)
    assert found.seen.startswith(told)


def test_two_rows_of_one_message_are_found_although_the_index_is_gone(database_url: str) -> None:
    """That is when they come."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP INDEX idx_user_submissions_message_id")
        connection.execute(
            f"INSERT INTO {TABLE} (message_id, message_sid) VALUES ('a', 'SM1'), ('a', 'SM1')".encode()
        )
    at = deployment(given_database_url=database_url)
    checks = [one for code, one in ALL.items() if one.category is Category.DATABASE]
    found = {one.check.code: one for one in Runner(checks).run(at)}

    assert found["B2B079"].status is Status.FAILED
    assert found[evidence.DOUBLED_ROWS.code].seen.startswith("1 MessageSid in more than one row, such as SM1")
    assert found[evidence.UNIDENTIFIED.code].status is Status.OK


def test_what_comes_of_a_cause_is_shown_after_it_and_under_no_other_hypothesis() -> None:
    """A failed run follows from what the processor lacks, and what Lambda gave up followed a failed run."""
    by_text = {one.text: one.codes for one in HYPOTHESES[Symptom.NOT_PROCESSED]}

    assert by_text["the processor runs, and cannot store them"][-1] == "B2B057"
    assert [text for text, codes in by_text.items() if "B2B055" in codes] == [
        "they failed, and wait for a person"
    ]
