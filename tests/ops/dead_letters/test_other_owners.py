"""Dead letters of other subscribers in a redrive and a discard: whatever fails, none is sent, judged or deleted."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from b2bpilot.errors import AwsError, NotOurs, PartlyFailed
from b2bpilot.ops.dead_letters.decision import Decision
from b2bpilot.ops.dead_letters.holding import Holding
from b2bpilot.ops.redrive.options import WINDOW, RedriveOptions
from b2bpilot.ops.redrive.plan import Plan, require_something_to_do
from b2bpilot.ops.redrive.routes import AsyncRoute, InvokeRoute, Route, TopicRoute
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.owner import NOBODY_ASKED, OURS, Owner, Ownership
from tests.fakes.faults import DRAWN, Crash, Fault
from tests.fuzz import drawn
from tests.ops.dead_letters.a_run import Lines, Rows, decisions, progress, redrive, whole
from tests.ops.dead_letters.deployment import Deployment, dead_letter, id_of

ARN = "arn:aws:sns:us-east-1:123456789012:b2b-pilot-messages-prod:billing"
BILLING = Owner(ownership=Ownership.OTHER, name="function billing", subscription_arn=ARN)
GONE = Owner(ownership=Ownership.GONE, name=ARN, subscription_arn=ARN)
ADOPTED = Owner(ownership=Ownership.OURS, name=ARN, subscription_arn=ARN, is_adopted=True)
NOT_OURS = (BILLING, GONE, NOBODY_ASKED)


def of(owner: Owner) -> DeadLetter:
    return replace(dead_letter(), owner=owner)


def left_to(owners: dict[Owner, int]) -> Plan:
    return Plan(
        items=[], passed=Counter({Decision.UNOWNED: sum(owners.values())}), passed_owners=Counter(owners)
    )


def completed(found: DeadLetter, deployment: Deployment) -> Rows:
    return Rows(deployment, {id_of(found): progress(id_of(found), SubmissionStatus.COMPLETED)})


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (OURS, Decision.REMOVE),
        (ADOPTED, Decision.SEND),
        (BILLING, Decision.OTHER),
        (GONE, Decision.GONE),
        (NOBODY_ASKED, Decision.UNOWNED),
    ],
)
def test_a_completed_row_removes_only_what_is_ours(owner: Owner, expected: Decision) -> None:
    found = of(owner)
    deployment = Deployment([found])

    assert decisions([found], deployment, completed(found, deployment)) == [expected]


@given(
    owners=st.lists(st.sampled_from((OURS, ADOPTED, *NOT_OURS)), min_size=1, max_size=12),
    faults=st.lists(st.sampled_from(DRAWN), max_size=30),
    via=st.sampled_from([InvokeRoute, AsyncRoute, TopicRoute]),
)
@settings(max_examples=drawn(60), deadline=None)
def test_no_fault_sends_or_deletes_what_is_not_ours(
    owners: list[Owner], faults: list[Fault], via: type[Route]
) -> None:
    dead_letters = [of(owner) for owner in owners]
    deployment = Deployment(dead_letters, planned=faults)
    with contextlib.suppress(AwsError, Crash, PartlyFailed):
        whole(deployment, via(deployment))  # type: ignore[call-arg]

    for one in dead_letters:
        if not one.owner.is_ours:
            assert one.queue_message_id not in deployment.deleted
            assert id_of(one) not in deployment.processed
            assert id_of(one) not in deployment.failed
    assert {id_of(one) for one in dead_letters} <= deployment.safe() | deployment.processed.keys()


def test_what_an_earlier_attempt_sent_is_not_removed_when_it_turns_out_to_be_somebody_else_s() -> None:
    found = of(BILLING)
    deployment = Deployment([found])

    assert decisions(
        [found], deployment, Rows(deployment), accepted_before={found.queue_message_id: True}
    ) == [Decision.OTHER]


@pytest.mark.parametrize("owner", NOT_OURS)
def test_nobody_can_delete_what_is_not_ours(owner: Owner) -> None:
    ours, theirs = of(OURS), of(owner)
    deployment = Deployment([ours, theirs])
    with Holding(deployment.queue) as held:
        found = held.receive(wait_seconds=0)
        assert [one.queue_message_id for one in held.delete(found)] == [theirs.queue_message_id]
    assert deployment.deleted == {ours.queue_message_id}


def test_when_nothing_else_lay_there_the_owner_is_named() -> None:
    deployment = Deployment([of(BILLING), of(BILLING)])
    with redrive(deployment, Rows(deployment)) as run:
        plan = run.next_plan()
        with pytest.raises(NotOurs, match="2 of function billing"):
            require_something_to_do(plan)


@pytest.mark.parametrize("in_front", [6, WINDOW, WINDOW + 7])
def test_a_limit_counts_none_of_those_in_front_that_are_left_alone(in_front: int) -> None:
    """The first round found that `--limit 6` reached none of ours behind six of theirs, and a window none behind 1,000."""
    theirs = [of(BILLING) for _ in range(in_front - 3)]
    poison = [dead_letter(redrives=3) for _ in range(3)]
    ours = [dead_letter() for _ in range(8)]
    deployment, journal = Deployment([*theirs, *poison, *ours]), Lines()

    with redrive(deployment, Rows(deployment), options=RedriveOptions(wait=timedelta(), limit=6)) as run:
        plan = run.next_plan()
        summary = run.run_all(plan, journal)

    assert (plan.acting, plan.has_more, summary.completed) == (6, True, 6)
    assert plan.owners() == {BILLING: in_front - 3}
    assert (summary.set_aside, summary.others) == (3, in_front - 3)
    assert len(deployment.waiting) == in_front + 2


@pytest.mark.parametrize(("owner", "is_everything"), [(BILLING, True), (GONE, False)])
def test_what_is_known_to_be_somebody_elses_leaves_the_work_done(owner: Owner, is_everything: bool) -> None:
    """What may be adopted, or has no known owner, may be ours: with that it is not all done."""
    deployment = Deployment([dead_letter(), of(owner), of(owner)])

    summary = whole(deployment, InvokeRoute(deployment))

    assert (summary.completed, summary.everything_completed) == (1, is_everything)
    assert summary.counts().get("others", 0) == (2 if is_everything else 0)


def test_others_behind_the_last_of_ours_are_not_more_to_do() -> None:
    deployment = Deployment([*(dead_letter() for _ in range(6)), *(of(BILLING) for _ in range(6))])

    with redrive(deployment, Rows(deployment), options=RedriveOptions(wait=timedelta(), limit=6)) as run:
        plan = run.next_plan()

    assert (plan.acting, plan.has_more) == (6, False)
    assert plan.owners() == {BILLING: 6}


def test_what_may_be_adopted_is_said_with_the_option() -> None:
    with pytest.raises(NotOurs) as raised:
        require_something_to_do(left_to({GONE: 1}))
    assert f"--adopt {ARN}" in str(raised.value.hint)


def test_nobody_says_that_what_may_be_ours_is_not() -> None:
    unknown = Owner(ownership=Ownership.UNKNOWN, name="it names no subscription")
    with pytest.raises(NotOurs) as raised:
        require_something_to_do(left_to({BILLING: 1, unknown: 1}))

    assert str(raised.value) == (
        "nothing there is known to be this environment's. 1 of function billing; "
        "1 whose owner is unknown: it names no subscription. Nothing was changed"
    )
