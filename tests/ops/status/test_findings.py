"""What is wrong, in words, worst first, with the command to run next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.advice import Place, written
from b2bpilot.aws.alarms import Alarm, AlarmState
from b2bpilot.aws.mappings import MappingState
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.errors import AwsDenied
from b2bpilot.ops.asking import InquiryAnswer
from b2bpilot.ops.redrive_in_aws.switch import Switched
from b2bpilot.ops.rejections import Rejections
from b2bpilot.ops.runs.record import RunRecord, RunState
from b2bpilot.ops.status.finding import Finding, Gravity, Kind, Seen
from b2bpilot.ops.status.findings import findings
from b2bpilot.ops.status.reading import Reading, ReservedConcurrency
from b2bpilot.ops.status.subscribers import SubscriberState, in_one_line
from b2bpilot.ops.status.traffic import Count, Level
from b2bpilot.ops.status.unpublished import Unpublished
from b2bpilot.ops.subscribers.missing import Absence, MissingSubscriber
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.owner import Owner, Ownership
from b2bpilot.pipeline.remote_run import RemoteRun
from tests.ops.status.readings import NOW, PERIOD, dead_letters, reading, rows, subscription, traffic


def value(of: Any) -> InquiryAnswer[Any]:
    return InquiryAnswer(value=of)


def said(finding: Finding) -> str:
    """The command, written for the environment of these tests."""
    return written(finding.command, Place(environment="prod"))


def only(found: Reading) -> Finding:
    (finding,) = findings(found)
    return finding


def alarm(name: str, state: AlarmState) -> Alarm:
    return Alarm(
        name=name,
        state=state,
        reason="",
        since=NOW,
        actions_enabled=True,
        actions=(),
        description="",
        namespace="AWS/SQS",
        metric="",
        dimensions={},
        threshold=1,
    )


def test_nothing_is_found_where_all_is_well() -> None:
    assert findings(reading()) == []


def test_nothing_is_found_in_what_did_not_answer() -> None:
    silent: InquiryAnswer[Any] = InquiryAnswer(error="no answer within 8 s")
    names = (
        "traffic",
        "rejections",
        "dead_letters",
        "unpublished",
        "dead_lettered",
        "reserved",
        "subscriptions",
        "alarms",
        "redriver",
        "runs",
    )
    assert findings(reading(**dict.fromkeys(names, silent))) == []


def test_the_probes_of_verify_are_nothing_wrong() -> None:
    seen = Rejections(others=0, probes=2, is_complete=True)

    assert findings(reading(traffic=value(traffic({Count.REJECTED: 2})), rejections=value(seen))) == []


@pytest.mark.parametrize(
    ("changes", "text", "command"),
    [
        ({"dead_letters": dead_letters(1)}, "1 dead letter in the queue", "b2bpilot dlq list -e prod"),
        (
            {"traffic": traffic({Count.NOT_DELIVERED: 2})},
            "2 messages that SNS could not deliver",
            "b2bpilot subscribers -e prod",
        ),
        (
            {"subscriptions": []},
            "the processor is not subscribed to the topic: each message is lost here, and Twilio alone still has it",
            "b2bpilot verify -e prod --only topic",
        ),
        (
            {"subscriptions": [subscription("another")]},
            "the processor is not subscribed to the topic: each message is lost here, and Twilio alone still has it",
            "b2bpilot verify -e prod --only topic",
        ),
        (
            {"traffic": traffic({Count.MESSAGES_REFUSED: 2})},
            "2 messages that the webhook refused; if Twilio sent them, it does not try again",
            "b2bpilot diagnose errors -e prod",
        ),
        (
            {"traffic": traffic({Count.STATUS_CALLBACKS: 2})},
            "2 status callbacks of sent messages reached the URL for what comes in: answered, not stored",
            "b2bpilot logs webhook -e prod --since 1d --filter event=status_callback",
        ),
        (
            {"traffic": traffic({Count.WEBHOOK_4XX: 1})},
            "1 request answered with a 4xx, Twilio's or above the API's limit: Twilio does not try again",
            "b2bpilot diagnose not-processed -e prod --with-twilio",
        ),
        (
            {"rejections": Rejections(others=2, probes=1, is_complete=True)},
            "2 requests that the webhook refused: not Twilio's, or signed with another token or URL",
            "b2bpilot diagnose errors -e prod",
        ),
        (
            {
                "traffic": traffic({Count.REJECTED: 4}),
                "rejections": Rejections(others=0, probes=3, is_complete=True),
            },
            "1 request that the webhook refused: not Twilio's, or signed with another token or URL",
            "b2bpilot diagnose errors -e prod",
        ),
        (
            {"traffic": traffic({Count.DEAD_LETTER_ERRORS: 1})},
            "1 message that Lambda could not write to the dead-letter queue",
            "b2bpilot verify -e prod --only dead-letters",
        ),
        (
            {"traffic": traffic({Count.WEBHOOK_5XX: 1})},
            "1 message that the webhook answered with a 5xx: Twilio may not try again",
            "b2bpilot twilio reconcile -e prod",
        ),
        (
            {"traffic": traffic(levels={Level.WAITING_MS: 1_200_000})},
            "messages wait 20 minutes in Lambda's queue; after 6 hours it gives up on them",
            "b2bpilot diagnose not-processed -e prod",
        ),
        (
            {"traffic": traffic({Count.THROTTLES: 3})},
            "the processor was at its limit (10 runs at a time now) 3 times; Lambda keeps such messages and tries again",
            "b2bpilot diagnose not-processed -e prod",
        ),
        (
            {"reserved": ReservedConcurrency(runs=0)},
            "the processor's reserved concurrency is 0: every message becomes a dead letter at once",
            "b2bpilot verify -e prod --only processor",
        ),
        (
            {"express": ReservedConcurrency(runs=0)},
            "the express processor's reserved concurrency is 0: each urgent message becomes a dead letter, and the processor stores it",
            "b2bpilot verify -e prod --only processor",
        ),
        (
            {"express": ReservedConcurrency(runs=None, is_there=False)},
            "the express processor does not exist, which the stack has: urgent messages wait as all do, and the processor stores them",
            "b2bpilot verify -e prod --only processor",
        ),
        (
            {"traffic": traffic({Count.EXPRESS_FAILED: 2})},
            "2 runs of the express processor failed; the processor has the same messages",
            "b2bpilot logs express -e prod --since 1h --level error",
        ),
        (
            {"traffic": traffic({Count.EXPRESS_THROTTLES: 1})},
            "the express processor was at its limit 1 time; Lambda tries such messages again, and the processor has them, too",
            "b2bpilot verify -e prod --only processor",
        ),
        (
            {"traffic": traffic({Count.EXPRESS_DEAD_LETTER_ERRORS: 1})},
            "1 dead letter of the express processor that Lambda could not write; the processor has the same messages",
            "b2bpilot verify -e prod --only dead-letters",
        ),
        (
            {"traffic": traffic(levels={Level.EXPRESS_WAITING_MS: 120_000})},
            "urgent messages wait 2 min for the express processor; the processor has them, too",
            "b2bpilot verify -e prod --only processor",
        ),
        (
            {"rows": rows({SubmissionStatus.ABANDONED: 2})},
            "2 messages abandoned: nothing tries them again but a person, with a redrive or `submissions republish`",
            "b2bpilot submissions list -e prod --status abandoned",
        ),
        (
            {"rows": rows({"parked": 2})},
            "2 messages with the status 'parked' of another version: nothing of this one takes them up",
            "b2bpilot submissions stuck -e prod",
        ),
        (
            {"rows": rows(stuck=1)},
            "1 message on which no run holds a lease",
            "b2bpilot submissions stuck -e prod",
        ),
        (
            {"rows": rows(replies_unknown=1)},
            "1 reply of which nobody knows whether Twilio sent it",
            "b2bpilot submissions stuck -e prod",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_next_command(
    changes: dict[str, Any], text: str, command: str
) -> None:
    finding = only(reading(**{name: value(change) for name, change in changes.items()}))
    assert (finding.text, said(finding)) == (text, command)


def test_dead_letters_that_sqs_will_delete_come_before_those_that_wait() -> None:
    found = findings(reading(dead_letters=value(dead_letters(5, expiring=2))))
    assert [finding.text for finding in found] == [
        "2 dead letters will be deleted by SQS within 2 days",
        "5 dead letters in the queue",
    ]


def test_an_incomplete_look_says_at_least() -> None:
    found = findings(reading(dead_letters=value(dead_letters(5, expiring=2, is_complete=False))))
    assert found[0].text.startswith("at least 2 dead letters")


def test_what_is_lost_comes_first_and_notices_last() -> None:
    found = findings(
        reading(
            traffic=value(traffic({Count.FILTERED_OUT: 1, Count.REDRIVE_FAILED: 1})),
            reserved=value(ReservedConcurrency(runs=0)),
            dead_letters=value(dead_letters(1)),
        )
    )
    assert [finding.gravity for finding in found] == list(Gravity)


def test_a_missing_subscription_comes_before_all_else_that_is_lost() -> None:
    found = findings(
        reading(
            subscriptions=value([]),
            dead_letters=value(dead_letters(5, expiring=2)),
            traffic=value(traffic({Count.DEAD_LETTER_ERRORS: 1, Count.MESSAGES_REFUSED: 1})),
        )
    )
    assert found[0].text.startswith("the processor is not subscribed")
    assert {finding.gravity for finding in found[:4]} == {Gravity.LOST}


def test_a_processor_whose_runs_all_fail_is_heard_of_before_its_dead_letters() -> None:
    found = findings(reading(traffic=value(traffic({Count.FAILED: 3})), dead_letters=value(dead_letters(1))))
    assert [(one.gravity, one.text) for one in found] == [
        (
            Gravity.STOPPED,
            "3 runs of the processor failed in the last 10 minutes, and none stored a message",
        ),
        (Gravity.WAITING, "1 dead letter in the queue"),
    ]
    assert said(found[0]) == "b2bpilot diagnose errors -e prod"


@pytest.mark.parametrize("count", [Count.STORED, Count.DUPLICATES])
def test_a_processor_that_gets_messages_through_is_not_stopped(count: Count) -> None:
    assert findings(reading(traffic=value(traffic({Count.FAILED: 3, count: 1})))) == []


def test_runs_that_fail_are_heard_of_where_dead_letters_came_meanwhile() -> None:
    """Others came through: what one kind of message fails of is looked for, too."""
    counts = value(traffic({Count.FAILED: 3, Count.STORED: 2}))
    found = findings(reading(traffic=counts, dead_letters=value(dead_letters(1))))
    assert [one.text for one in found] == [
        "3 runs of the processor failed in the last 10 minutes; 2 messages came through",
        "1 dead letter in the queue",
    ]
    assert said(found[0]) == "b2bpilot diagnose errors -e prod"


@pytest.mark.parametrize(
    ("wrong", "then"),
    [
        ({"reserved": value(ReservedConcurrency(runs=0))}, "when that is fixed: b2bpilot dlq redrive -e prod"),
        ({"traffic": value(traffic({Count.NOT_DELIVERED: 1}))}, "when that is fixed: b2bpilot dlq redrive -e prod"),
        ({"rows": InquiryAnswer(error="no connection")}, "when that is fixed: b2bpilot dlq redrive -e prod"),
        ({"traffic": value(traffic({Count.FILTERED_OUT: 1}))}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_where_a_cause_is_known_dead_letters_are_sent_back_once_it_is_fixed(
    wrong: dict[str, Any], then: str | None
) -> None:
    found = findings(reading(dead_letters=value(dead_letters(1)), **wrong))
    (told,) = [one.then for one in found if one.kind is Kind.DEAD_LETTERS]
    assert (written(told, Place(environment="prod")) if told else None) == then


BILLING = subscription("billing", filter_policy='{"priority": ["high"]}', redrive_policy='{"x": "y"}')
UNREAD = AwsDenied("AWS denied sns:GetSubscriptionAttributes")


def of_topic(count: Count, *subscriptions: Subscription, **also: int) -> list[Finding]:
    """What is found where SNS counted three, beside messages that the processor stored."""
    counts = {count: 3} | {Count(name): number for name, number in also.items()}
    return findings(reading(traffic=value(traffic(counts)), subscriptions=value(list(subscriptions))))


def test_what_only_others_filter_out_is_no_finding() -> None:
    assert of_topic(Count.FILTERED_OUT, subscription(), BILLING) == []
    assert of_topic(Count.FILTERED_OUT, subscription(filter_policy="{}"), BILLING) == []
    assert of_topic(Count.FILTERED_OUT, subscription(), subscription("x", attributes_error=UNREAD)) == []


def test_what_the_processor_s_policy_loses_comes_back_from_twilio() -> None:
    losing = subscription(filter_policy='{"source": ["cli"]}')
    (found,) = of_topic(Count.FILTERED_OUT, losing, BILLING)
    assert found.gravity is Gravity.LOST
    assert found.text.startswith(
        "3 deliveries left out by a filter policy; the processor's loses messages: its filter policy rejects "
    )
    assert found.then is not None
    assert written(found.then, Place(environment="prod")) == (
        "what the processor did not get, Twilio still has: b2bpilot twilio reconcile -e prod --publish-missing"
    )


@pytest.mark.parametrize(
    ("subscriptions", "why"),
    [
        (
            [subscription(filter_policy='{"message_id": [{"prefix": "a"}]}'), BILLING],
            "its filter policy is not provable",
        ),
        ([subscription(attributes_error=UNREAD), BILLING], f"its filter policy cannot be read: {UNREAD}"),
        ([subscription(), subscription("audit")], "no subscription has one now"),
    ],
)
def test_where_the_processor_s_policy_decides_nothing_it_is_unknown(
    subscriptions: list[Subscription], why: str
) -> None:
    (found,) = of_topic(Count.FILTERED_OUT, *subscriptions)
    assert found.gravity is Gravity.NOTICE
    assert found.text.startswith(
        f"3 deliveries left out by a filter policy; whether by the processor's is unknown: {why}"
    )


def test_without_the_subscriptions_nothing_is_called_the_processor_s() -> None:
    silent: InquiryAnswer[Any] = InquiryAnswer(error="no answer within 8 s")
    counts = {Count.FILTERED_OUT: 3, Count.NOT_DELIVERED: 2, Count.REDRIVE_FAILED: 1}
    found = findings(reading(traffic=value(traffic(counts)), subscriptions=silent))
    assert [one.text for one in found] == [
        "2 deliveries that failed, to the processor or another subscriber: SNS counts them together",
        (
            "1 delivery that failed and could not be written to a dead-letter queue, of the processor or another "
            "subscriber: SNS counts them together"
        ),
        (
            "3 deliveries left out by a filter policy; whether by the processor's is unknown: who is subscribed is not known: "
            "no answer within 8 s"
        ),
    ]


@pytest.mark.parametrize(("stored", "gravity"), [(5, Gravity.NOTICE), (0, Gravity.STOPPED)])
def test_what_may_be_another_s_failed_delivery_stops_nothing_while_the_processor_stores(
    stored: int, gravity: Gravity
) -> None:
    (found,) = of_topic(Count.NOT_DELIVERED, subscription(), BILLING, stored=stored)
    assert (found.gravity, found.text) == (
        gravity,
        "3 deliveries that failed, to the processor or another subscriber: SNS counts them together",
    )


def test_only_who_has_a_redrive_policy_can_have_lost_a_dead_letter() -> None:
    (ours,) = of_topic(Count.REDRIVE_FAILED, subscription(), subscription("audit"))
    (unclear,) = of_topic(Count.REDRIVE_FAILED, subscription(), BILLING)
    assert ours.text == "3 messages that SNS could not write to the dead-letter queue"
    assert unclear.text.startswith(
        "3 deliveries that failed and could not be written to a dead-letter queue, of "
    )


def test_a_refused_message_is_not_told_a_second_time_as_a_refused_request() -> None:
    seen = Rejections(others=3, probes=1, is_complete=True)
    counts = {Count.REJECTED: 4, Count.MESSAGES_REFUSED: 2, Count.WEBHOOK_4XX: 2}
    found = findings(reading(traffic=value(traffic(counts)), rejections=value(seen)))
    assert [finding.text.partition(":")[0] for finding in found] == [
        "2 messages that the webhook refused; if Twilio sent them, it does not try again",
        "1 request that the webhook refused",
    ]


def test_only_alarms_that_are_on_are_named_and_without_what_all_names_share() -> None:
    alarms = (
        alarm("b2b-pilot-dlq-prod", AlarmState.ALARM),
        alarm("b2b-pilot-stale-errors-prod", AlarmState.OK),
    )
    assert only(reading(alarms=value(alarms))).text == "1 alarm is on: dlq"


RUN = RemoteRun(
    run_id="20261123T110000Z-redrive-3f9a",
    started_at=NOW - timedelta(hours=1),
    ends_at=NOW + timedelta(hours=5),
    max_failures=0.2,
)


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (None, "no run is known"),
        (replace(RUN, ended="all done"), f"run {RUN.run_id} is over"),
        (replace(RUN, ends_at=NOW - timedelta(hours=1)), f"run {RUN.run_id} is over"),
    ],
)
def test_a_redriver_that_is_on_for_no_run_is_to_be_turned_off(run: RemoteRun | None, text: str) -> None:
    switched = Switched(state=MappingState.ENABLED, max_concurrency=2, run=run)
    finding = only(reading(redriver=value(switched)))
    assert text in finding.text
    assert "--no-enabled --uuid 14e0db71" in said(finding)


def test_a_redriver_at_work_is_not_wrong() -> None:
    switched = Switched(state=MappingState.ENABLED, max_concurrency=2, run=RUN)
    assert findings(reading(redriver=value(switched))) == []


def test_an_interrupted_run_can_be_resumed() -> None:
    run = RunRecord(
        path=Path("x"),
        run_id="R1",
        command="redrive",
        environment="prod",
        account_id="1",
        region="eu-west-1",
        operator="ada",
        reason=None,
        parameters={},
        pid=None,
        started_at=NOW,
        last_at=NOW,
        state=RunState.INTERRUPTED,
        counts=None,
        messages={},
    )
    assert said(only(reading(runs=value((run,))))) == "b2bpilot runs resume R1"


def test_other_subscribers_in_trouble_are_findings_after_the_processor_s() -> None:
    """Who is not reached stands before whose dead letters wait; a doubt alone is none."""
    billing = MissingSubscriber(name="billing", stack="billing-b2b-pilot-prod", commands=("aws x",))
    others = (
        SubscriberState(name="analytics", dead_letters=2, problem="2 dead letters"),
        SubscriberState(name="crm", is_reachable=False, problem="not confirmed"),
        SubscriberState(name="quiet", doubt="denied"),
    )
    found = findings(
        reading(
            absence=value(Absence(missing=(billing,), unknown=("whether stack x is subscribed: denied",))),
            subscribers=value(others),
            dead_letters=value(dead_letters(1)),
        )
    )

    assert [(one.text, said(one)) for one in found] == [
        (
            f"subscriber billing is missing, and gets nothing: {billing.text}",
            "b2bpilot subscribers -e prod",
        ),
        ("subscriber crm: not confirmed", "b2bpilot subscribers -e prod"),
        ("1 dead letter in the queue", "b2bpilot dlq list -e prod"),
        ("subscriber analytics: 2 dead letters", "b2bpilot dlq list -e prod --subscriber analytics"),
    ]
    assert in_one_line(others, Absence(missing=(billing,), unknown=("whether x: denied",)), number=4) == (
        "4, 2 unhealthy (analytics: 2 dead letters; crm: not confirmed), 1 unknown (quiet: denied), "
        "1 missing (billing); unknown whether x: denied"
    )


def test_what_may_be_ours_is_not_said_to_be_others() -> None:
    """A subscription that is gone may have been the processor's, and an unknown owner may be anybody."""
    owners = {
        Owner(ownership=Ownership.OTHER, name="queue billing"): 2,
        Owner(ownership=Ownership.GONE, name="arn:gone"): 1,
        Owner(ownership=Ownership.UNKNOWN, name="it names no subscription"): 1,
        Owner(ownership=Ownership.UNKNOWN): 1,
    }
    seen = dead_letters(5)
    assert seen.look
    found = findings(reading(dead_letters=value(replace(seen, look=replace(seen.look, others=owners)))))

    assert [(one.text, said(one)) for one in found] == [
        ("2 dead letters in the queue of other subscribers: queue billing", "b2bpilot subscribers -e prod"),
        (
            "1 dead letter in the queue of subscriptions that no longer exist, which may have been the processor's: arn:gone",
            "b2bpilot dlq list -e prod",
        ),
        (
            "2 dead letters in the queue whose owner is unknown: it names no subscription",
            "b2bpilot dlq list -e prod",
        ),
    ]


DOWN: InquiryAnswer[Any] = InquiryAnswer(
    error="no connection to b2b at db:5432", hint="check that the database runs"
)


def test_an_unreachable_database_is_the_first_thing_and_said_once() -> None:
    found = findings(
        reading(
            rows=DOWN,
            database=DOWN,
            traffic=value(traffic({Count.FAILED: 3, Count.DEAD_LETTER_ERRORS: 1})),
            dead_letters=value(dead_letters(2, expiring=1)),
            alarms=value([alarm("b2b-pilot-dlq-prod", AlarmState.ALARM)]),
        )
    )
    assert [one.kind for one in found] == [
        Kind.DATABASE_UNREADABLE,
        Kind.RUNS_FAIL,
        Kind.DEAD_LETTERS_UNWRITTEN,
        Kind.EXPIRING,
        Kind.DEAD_LETTERS,
        Kind.ALARMS,
    ]
    first = found[0]
    assert first.text == "the database cannot be read from this machine: no connection to b2b at db:5432"
    assert (said(first), first.hint, first.gravity) == (
        "b2bpilot verify -e prod --only database",
        "check that the database runs",
        Gravity.STOPPED,
    )
    assert sum("no connection" in one.text for one in found) == 1


def test_that_this_machine_cannot_read_the_database_is_not_said_of_the_processor() -> None:
    """A laptop outside the VPC sees this every day."""
    found = only(reading(rows=DOWN, traffic=value(traffic({Count.STORED: 12}))))
    assert found.text.endswith("; the processor stored 12 messages in the last 10 minutes")
    assert found.gravity is Gravity.NOTICE
    both = traffic({Count.STORED: 12, Count.FAILED: 3})
    found = only(reading(rows=DOWN, traffic=value(both)))
    assert found.text.endswith(
        "; the processor stored 12 messages in the last 10 minutes, and 3 runs of it failed"
    )
    assert found.gravity is Gravity.STOPPED


@pytest.mark.parametrize(
    ("changes", "cause", "symptom"),
    [
        ({"reserved": value(ReservedConcurrency(runs=0))}, Kind.NO_RESERVE, Kind.DEAD_LETTERS_UNWRITTEN),
        (
            {"unpublished": value(Unpublished(messages=2, last=NOW, error="denied"))},
            Kind.NOT_PUBLISHED,
            Kind.WEBHOOK_5XX,
        ),
        ({}, Kind.THROTTLED, Kind.LONG_WAIT),
        ({}, Kind.RUNS_FAIL, Kind.DEAD_LETTERS_UNWRITTEN),
    ],
)
def test_a_cause_stands_before_what_it_brings_about_however_grave_that_is(
    changes: dict[str, Any], cause: Kind, symptom: Kind
) -> None:
    counts = {Count.DEAD_LETTER_ERRORS: 1, Count.WEBHOOK_5XX: 2, Count.THROTTLES: 5, Count.FAILED: 3}
    seen = traffic(counts, levels={Level.WAITING_MS: 1_200_000})
    found = findings(reading(traffic=value(seen), dead_letters=value(dead_letters(1)), **changes))
    kinds = [one.kind for one in found]
    assert kinds.index(cause) < kinds.index(symptom)


@pytest.mark.parametrize(
    ("count", "passed", "text"),
    [
        (Count.NOT_DELIVERED, Count.DELIVERED, "2 messages that SNS could not deliver; 30 delivered since"),
        (Count.NOT_DELIVERED, None, "2 messages that SNS could not deliver; none was delivered since"),
        (
            Count.WEBHOOK_5XX,
            Count.PUBLISHED,
            "2 messages that the webhook answered with a 5xx: Twilio may not try again; 30 published since",
        ),
        (
            Count.DEAD_LETTER_ERRORS,
            None,
            "2 messages that Lambda could not write to the dead-letter queue",
        ),
    ],
)
def test_what_is_over_says_when_it_was_and_what_came_since(
    count: Count, passed: Count | None, text: str
) -> None:
    since = {passed: 30} if passed else {}
    found = only(reading(traffic=value(traffic(since, earlier={count: 2}))))
    assert (found.text, found.is_over) == (text, True)
    assert found.last == Seen(since=NOW - 12 * PERIOD, until=NOW - 11 * PERIOD)


def test_what_is_over_stands_behind_all_that_is_not() -> None:
    found = findings(
        reading(
            traffic=value(traffic(earlier={Count.NOT_DELIVERED: 2, Count.DEAD_LETTER_ERRORS: 1})),
            alarms=value([alarm("b2b-pilot-dlq-prod", AlarmState.ALARM)]),
        )
    )
    assert [(one.kind, one.is_over) for one in found] == [
        (Kind.ALARMS, False),
        (Kind.DEAD_LETTERS_UNWRITTEN, True),
        (Kind.NOT_DELIVERED, True),
    ]


def test_runs_that_failed_an_hour_ago_stop_nothing_now() -> None:
    assert findings(reading(traffic=value(traffic(earlier={Count.FAILED: 3})))) == []


def test_every_finding_has_a_time_that_is_not_in_the_future() -> None:
    early = replace(traffic({Count.NOT_DELIVERED: 1}), until=NOW + timedelta(minutes=1))
    changes = {
        "traffic": value(early),
        "dead_letters": value(dead_letters(1)),
        "rows": value(rows({SubmissionStatus.FAILED: 1, SubmissionStatus.ABANDONED: 1}, stuck=1)),
        "reserved": value(ReservedConcurrency(runs=0)),
    }
    found = findings(reading(**changes))
    assert len(found) == 6
    assert all(one.last.since <= one.last.until <= NOW for one in found)


@pytest.mark.parametrize(
    ("failed", "dead_lettered", "text"),
    [
        (
            1,
            value(1),
            "1 message whose last run failed: its dead letter is in the queue, and Lambda does not run it again",
        ),
        (
            3,
            value(3),
            "3 messages whose last run failed: their dead letters are in the queue, and Lambda does not run them again",
        ),
        (
            3,
            value(1),
            "3 messages whose last run failed: no dead letter of 2 of them is in the queue; the next command says whether Lambda may run them again",
        ),
        (
            1,
            value(0),
            "1 message whose last run failed: no dead letter of it is in the queue; the next command says whether Lambda may run it again",
        ),
        (
            1,
            InquiryAnswer(error="the dead letters were not looked at"),
            "1 message whose last run failed: whether dead letters of it are in the queue is not known",
        ),
    ],
)
def test_of_failed_rows_it_is_said_which_lambda_runs_no_more(
    failed: int, dead_lettered: InquiryAnswer[int], text: str
) -> None:
    found = only(reading(rows=value(rows({SubmissionStatus.FAILED: failed})), dead_lettered=dead_lettered))
    assert (found.text, said(found)) == (text, "b2bpilot submissions stuck -e prod")


def test_why_the_webhook_cannot_publish_is_read_from_its_log() -> None:
    seen = Unpublished(messages=2, last=NOW - timedelta(minutes=1), error="AWS denied sns:Publish")
    found = only(reading(unpublished=value(seen)))
    assert found.text == (
        "2 messages that the webhook could not publish, answered with a 503: AWS denied sns:Publish"
    )
    assert found.last == Seen.at(NOW - timedelta(minutes=1))
    old = only(reading(unpublished=value(replace(seen, last=NOW - timedelta(hours=1)))))
    assert old.is_over
    assert old.text.endswith("; none was published since")
