"""What the checks of other subscribers say without asking anybody: whose a fault is, of how many, and what cannot be looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from b2bpilot.aws.imports import StackResource
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.errors import AwsDenied, UsageError
from b2bpilot.ops.subscribers import kinds
from b2bpilot.ops.subscribers.discovery import Subscriber, SubscriberKind
from b2bpilot.ops.subscribers.missing import ImportingStack
from b2bpilot.ops.verify.check import Status
from b2bpilot.ops.verify.deployment import Choices, Deployment
from b2bpilot.ops.verify.subscribers import MOST_TOLD, require_subscribed
from tests.breaking import breaks
from tests.ops.subscribers.test_discovery import Team
from tests.ops.verify.deployments import STACK, deployment, seen

TOPIC = STACK.topic_arn
SQS = "arn:aws:sqs:eu-west-1:123456789012:"


def subscription(name: str, **changes: Any) -> Subscription:
    usual = {
        "arn": f"{TOPIC}:{name}",
        "topic_arn": TOPIC,
        "protocol": "sqs",
        "endpoint": f"{SQS}{name}",
        "owner": "123456789012",
        "confirmed": True,
        "raw_delivery": False,
        "filter_policy": None,
        "filter_policy_scope": "MessageAttributes",
        "redrive_policy": None,
    }
    return Subscription(**(usual | changes))


def queue(name: str, *, queues: tuple[str | None, str | None] = (None, None), **changes: Any) -> Subscriber:
    """A subscriber by a queue. `queues`: where SNS and the queue send what they give up."""
    by_sns, by_queue = queues
    policy = f'{{"deadLetterTargetArn": "{by_sns}"}}' if by_sns else None
    found = subscription(name, **{"redrive_policy": policy, **changes})
    return Subscriber(
        name=name,
        kind=SubscriberKind.QUEUE if found.protocol == "sqs" else SubscriberKind.OTHER,
        subscription=found,
        queue_arn=found.endpoint,
        sender_dead_letter_queue_arn=by_queue,
        exists=True,
    )


def world(*found: Subscriber, asked: tuple[str, ...] = (), **known: Any) -> Deployment:
    listed = [one.subscription for one in found]
    return deployment(
        known={"subscribers": list(found), "subscriptions": listed, "importing stacks": [], **known},
        choices=Choices(subscribers=asked),
    )


def test_where_nobody_but_the_processor_is_subscribed_each_of_them_is_right() -> None:
    found = seen("B2B184", world())
    assert (found.status, found.seen) == (Status.OK, "nobody but the processor is subscribed")


def test_a_fault_of_others_is_a_warning_and_of_who_was_asked_for_a_failure() -> None:
    silent, other = queue("silent"), queue("right", queues=(f"{SQS}d", f"{SQS}d"))
    assert seen("B2B184", world(silent, other)).status is Status.WARNING
    assert seen("B2B184", world(silent, other, asked=("silent",))).status is Status.FAILED
    assert seen("B2B184", world(silent, other, asked=("right",))).status is Status.OK
    assert seen("B2B184", world(silent, other, asked=(silent.subscription.arn,))).status is Status.FAILED


def test_of_hundreds_the_first_are_told_by_name_and_the_others_counted() -> None:
    policy = '{"source": ["web"]}'
    found = seen("B2B182", world(*(queue(f"team{n}", filter_policy=policy) for n in range(300))))
    assert found.seen.count("filter policy") == MOST_TOLD
    assert found.seen.endswith("; and 295 more subscribers")
    assert found.fix is not None
    assert found.fix.count("aws ") == MOST_TOLD


def test_who_is_in_another_account_or_reached_otherwise_is_not_judged() -> None:
    theirs = queue("theirs", endpoint="arn:aws:sqs:eu-west-1:210987654321:theirs")
    by_mail = queue("a subscriber by email", protocol="email", endpoint="ann@example.com")
    waiting = queue("waiting", confirmed=False)
    for code in ("B2B181", "B2B184", "B2B185", "B2B186", "B2B187", "B2B188", "B2B189"):
        found = seen(code, world(theirs, by_mail, waiting))
        assert found.status is Status.SKIPPED
        assert found.seen.split("; ") == [
            "theirs: it is account 210987654321's, whose owner can look",
            "a subscriber by email: SNS delivers to it by email",
            "waiting: nobody confirmed its subscription",
        ]


def test_a_check_that_has_no_meaning_for_anybody_holds() -> None:
    found = seen("B2B187", world(queue("one"), queue("other")))
    assert (found.status, found.seen) == (Status.OK, "no meaning for one, other")


def test_what_the_caller_may_not_read_is_no_fault() -> None:
    denied = AwsDenied("no", action="sns:GetSubscriptionAttributes")
    found = seen("B2B182", world(queue("hidden", attributes_error=denied)))
    assert (found.status, found.seen) == (
        Status.SKIPPED,
        "hidden: the caller may not sns:GetSubscriptionAttributes",
    )


def test_one_that_cannot_be_judged_hides_nothing_of_the_others() -> None:
    """Neither what is wrong with another nor that it is unknown itself."""
    silent, odd = (
        queue("silent", filter_policy='{"source": ["web"]}'),
        queue("odd", attributes_error=ValueError("odd")),
    )
    alone, both = seen("B2B182", world(odd, queue("fine"))), seen("B2B182", world(odd, silent))
    assert (alone.status, alone.is_known, alone.seen) == (
        Status.WARNING,
        False,
        "odd: the check itself broke: ValueError: odd",
    )
    assert (both.status, both.is_known) == (Status.WARNING, True)
    assert both.seen.startswith("silent: filter policy ")
    assert both.seen.endswith("; odd: the check itself broke: ValueError: odd")


@pytest.mark.parametrize(
    ("policy", "scope", "told"),
    [
        (None, "MessageAttributes", "no filter policy: every message, tests too"),
        ('{"test": ["false"]}', "MessageAttributes", "no test message passes"),
        ('{"source": ["twilio"]}', "MessageAttributes", "test messages pass, too"),
        ('{"test": [false]}', "MessageBody", "no test message passes"),
    ],
)
def test_it_is_said_whether_test_messages_pass(policy: str | None, scope: str, told: str) -> None:
    found = seen("B2B182", world(queue("one", filter_policy=policy, filter_policy_scope=scope)))
    assert found.status is Status.OK
    assert found.seen.endswith(told)


@breaks("B2B183")
def test_a_raw_delivery_without_room_for_a_tracer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = world(queue("raw", raw_delivery=True), queue("whole"))
    assert seen("B2B183", raw).status is Status.OK
    many = kinds.VARYING | {"one", "two"}
    monkeypatch.setattr(kinds, "TOPIC_MARKS", many)
    found = seen("B2B183", world(queue("raw", raw_delivery=True), queue("whole")))
    assert (found.status, found.seen.partition(":")[0]) == (Status.WARNING, "raw")
    assert found.fix is not None
    assert found.fix.endswith("--attribute-name RawMessageDelivery --attribute-value false")


@breaks("B2B035")
def test_only_the_processor_s_own_pending_subscription_is_a_failure() -> None:
    waiting = queue("waiting", protocol="http", endpoint="http://example.com/?key=s", confirmed=False)
    assert seen("B2B035", world(waiting)).status is Status.WARNING
    assert seen("B2B035", world(waiting, asked=(waiting.subscription.arn,))).status is Status.FAILED
    assert seen("B2B035", world(waiting, queue("fine"), asked=("fine",))).status is Status.OK
    arn = f"arn:aws:lambda:eu-west-1:123456789012:function:{STACK.processor_function_name}"
    ours = queue("ours", protocol="lambda", endpoint=arn, confirmed=False)
    assert seen("B2B035", world(ours)).status is Status.FAILED


@pytest.mark.parametrize(
    ("asked", "told"),
    [("nobody", "nobody called 'nobody' is subscribed"), ("processor", "processor is what")],
)
def test_a_name_that_nobody_has_is_wrong_usage(asked: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        require_subscribed(world(queue("analytics"), asked=(asked,)))


STACKS = [
    ImportingStack(
        name="analytics-b2b-pilot-staging",
        resources=(
            StackResource(type="AWS::Lambda::Function", physical_id="analytics-b2b-pilot-staging"),
            StackResource(
                type="AWS::SNS::Subscription", physical_id="arn:aws:sns:eu-west-1:123456789012:t:1"
            ),
        ),
    ),
    ImportingStack(
        name="billing-b2b-pilot-staging",
        resources=(StackResource(type="AWS::SQS::Queue", physical_id="https://sqs/123456789012/billing"),),
    ),
]


@breaks("B2B190")
def test_a_stack_that_imports_the_topic_and_is_not_subscribed_is_missing() -> None:
    known = {"importing stacks": STACKS}
    found = seen("B2B190", world(queue("billing"), queue("handmade"), **known))
    assert (found.status, found.seen) == (
        Status.WARNING,
        "analytics: stack analytics-b2b-pilot-staging imports the topic, and no subscription of the topic ends in it",
    )
    assert "create-change-set --stack-name analytics-b2b-pilot-staging" in str(found.fix)
    assert seen("B2B190", world(queue("billing"), asked=("analytics",), **known)).status is Status.FAILED
    assert seen("B2B190", world(queue("billing"), asked=("billing",), **known)).status is Status.OK


@breaks("B2B190")
def test_no_change_set_brings_back_what_the_template_does_not_have() -> None:
    stacks = [replace(STACKS[0], resources=STACKS[0].resources[:1])]
    found = seen("B2B190", world(queue("billing"), **{"importing stacks": stacks}))
    assert found.seen.startswith(
        "analytics: stack analytics-b2b-pilot-staging imports the topic, and no subscription of the topic ends in it; "
        "put the subscription back into its template and deploy it"
    )
    assert not found.fix


@pytest.mark.parametrize(
    ("status", "doing"), [("CREATE_IN_PROGRESS", "deployed"), ("DELETE_IN_PROGRESS", "deleted")]
)
def test_a_stack_that_is_being_made_is_not_missing(status: str, doing: str) -> None:
    deployed = replace(STACKS[0].deployed, status=status)
    changing = {"importing stacks": [replace(STACKS[0], deployed=deployed)]}
    found = seen("B2B190", world(queue("billing"), **changing))
    assert (found.status, found.is_known) == (Status.WARNING, False)
    told = f"whether stack analytics-b2b-pilot-staging is subscribed: it is being {doing} ({status})"
    assert told in found.seen
    assert "imports the topic, and no" not in found.seen


def test_who_is_missing_may_be_asked_for_and_only_that_is_checked() -> None:
    asked = world(queue("billing"), asked=("analytics",), **{"importing stacks": STACKS})
    require_subscribed(asked)
    found = seen("B2B184", asked)
    assert (found.status, found.seen) == (Status.SKIPPED, "analytics is not subscribed")


def test_who_was_subscribed_by_hand_is_said_to_be() -> None:
    known = {"importing stacks": STACKS[1:]}
    found = seen("B2B190", world(queue("billing"), queue("handmade"), **known))
    assert found.status is Status.OK
    assert found.seen.split("; ") == [
        "billing: stack billing-b2b-pilot-staging",
        "handmade: subscribed by hand, as no stack that imports the topic has it",
    ]


def test_a_stack_that_may_not_be_read_leaves_it_unknown() -> None:
    unread = [
        ImportingStack(name="x-b2b-pilot-staging", error="AWS refused cloudformation:ListStackResources")
    ]
    found = seen("B2B190", world(queue("billing"), **{"importing stacks": unread}))
    assert (found.status, found.is_known, found.fix) == (Status.WARNING, False, None)
    assert "whether stack x-b2b-pilot-staging is subscribed: AWS refused" in found.seen


@breaks("B2B184")
def test_what_a_destination_has_is_not_called_lost() -> None:
    bus, dead_letters = "arn:aws:events:eu-west-1:123456789012:event-bus/default", f"{SQS}d"
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:function"
    settings: dict[str, Any] = {
        "kind": SubscriberKind.FUNCTION,
        "function_arn": arn,
        "run_as": arn,
        "on_failure": bus,
    }
    function = replace(queue("function"), **settings)
    redriven = replace(queue("function", queues=(dead_letters, None)), **settings)
    for one in (function, redriven):
        found = seen("B2B184", world(one))
        assert found.status is Status.WARNING
        assert f"has no dead-letter queue, but sends what it fails on to {bus}" in found.seen
        assert "what fails is lost" not in found.seen


def test_where_sns_sends_what_it_cannot_deliver_is_not_guessed() -> None:
    denied = AwsDenied("no", action="sns:GetSubscriptionAttributes")
    hidden = queue("hidden", queues=(None, f"{SQS}d"), attributes_error=denied)
    for code in ("B2B184", "B2B185", "B2B189"):
        found = seen(code, world(hidden))
        assert (found.status, found.seen) == (
            Status.SKIPPED,
            "hidden: the caller may not sns:GetSubscriptionAttributes",
        )


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("Disabled", "Enabled"), "the mapping has no ReportBatchItemFailures"),
        (("Disabled",), "the mapping from its queue to its function is Disabled"),
        (("Enabled", "Enabled"), "2 functions read its queue, and each gets a part"),
    ],
)
def test_only_a_mapping_that_is_on_reads_a_queue(states: tuple[str, ...], said: str) -> None:
    with mock_aws():
        team = Team()
        arn = team.queue("billing", VisibilityTimeout="60")
        for name, state in zip(("old", "new"), states, strict=False):
            team.map(arn, team.function(name), is_on=state == "Enabled")

        found = seen("B2B188", world(queue("billing", endpoint=arn)))

    assert said in found.seen
