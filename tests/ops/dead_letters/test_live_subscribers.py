"""Who is subscribed, by what SNS says, and what is known when it says nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from moto import mock_aws

from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import Refused, UsageError
from b2bpilot.ops.owner import LiveSubscribers
from b2bpilot.ops.recipient import Recipient
from b2bpilot.pipeline.addressee import Addressee
from b2bpilot.pipeline.delivery import RedriveMark
from b2bpilot.pipeline.owner import Ownership, owner_of
from tests.ops.status.readings import STACK

REGION = "eu-west-1"
BILLING = "arn:aws:lambda:eu-west-1:123456789012:function:billing"
PROCESSOR = f"arn:aws:lambda:{STACK.region}:{STACK.account_id}:function:{STACK.processor_function_name}"


class Sns:
    """SNS with the stack's topic."""

    def __init__(self) -> None:
        self.access = AwsAccess(region=REGION, access_key_id="x", secret_access_key="y")
        self.client = self.access.client("sns")
        self.topic_arn = self.client.create_topic(Name="b2b-pilot-messages-prod")["TopicArn"]

    def subscribe(
        self, endpoint: str, protocol: str = "lambda", *, here: bool = False, topic: str = ""
    ) -> str:
        policy = json.dumps({"deadLetterTargetArn": STACK.dead_letter_queue_arn})
        found = self.client.subscribe(
            TopicArn=topic or self.topic_arn,
            Protocol=protocol,
            Endpoint=endpoint,
            Attributes={"RedrivePolicy": policy} if here else {},
            ReturnSubscriptionArn=True,
        )
        return str(found["SubscriptionArn"])

    def subscribers(self) -> LiveSubscribers:
        return LiveSubscribers(self.access, Recipient.of_stack(replace(STACK, topic_arn=self.topic_arn)))

    def ownership(self, arn: str) -> Ownership:
        return self.subscribers().owner_of_subscription(arn).ownership


@pytest.fixture
def sns() -> Iterator[Sns]:
    with mock_aws():
        yield Sns()


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> LiveSubscribers:
    """Nobody answers."""
    monkeypatch.setattr("b2bpilot.ops.owner.TIMEOUTS", Timeouts(connect_seconds=1, attempts=1))
    access = AwsAccess(
        region=REGION, access_key_id="x", secret_access_key="y", endpoint_url="http://127.0.0.1:9"
    )
    return LiveSubscribers(access, Recipient.of_stack(STACK))


@pytest.mark.parametrize("endpoint", [PROCESSOR, f"{PROCESSOR}:live", f"{PROCESSOR}:7"])
def test_a_subscription_that_ends_in_a_function_of_the_stack_is_ours(sns: Sns, endpoint: str) -> None:
    assert sns.ownership(sns.subscribe(endpoint)) is Ownership.OURS


def test_a_subscription_that_ends_in_the_stack_s_queue_is_ours(sns: Sns) -> None:
    assert sns.ownership(sns.subscribe(STACK.dead_letter_queue_arn, "sqs")) is Ownership.OURS


def test_the_express_lane_s_is_ours_whatever_sns_says(silent: LiveSubscribers) -> None:
    arn = f"{STACK.topic_arn}:99"
    stack = replace(STACK, express_function_name="b2b-pilot-express", express_subscription_arn=arn)
    found = LiveSubscribers(silent._access, Recipient.of_stack(stack)).owner_of_subscription(arn)

    assert (found.is_simply_ours, found.rows_count, found.lane) == (True, True, "express")
    assert silent.owner_of_subscription(arn).ownership is Ownership.UNKNOWN


def test_a_live_one_that_ends_elsewhere_is_somebody_else_s_and_its_name_is_no_secret(sns: Sns) -> None:
    function, person = sns.subscribe(BILLING), sns.subscribe("+15005550006", "sms")
    subscribers = sns.subscribers()

    assert str(subscribers.owner_of_subscription(function)) == "function billing"
    assert str(subscribers.owner_of_subscription(person)) == "a subscriber by sms"


def test_one_that_was_deleted_is_gone(sns: Sns) -> None:
    arn = sns.subscribe(BILLING)
    sns.client.unsubscribe(SubscriptionArn=arn)

    assert sns.ownership(arn) is Ownership.GONE


def test_a_subscription_of_another_topic_is_asked_for_itself(sns: Sns) -> None:
    other = sns.client.create_topic(Name="orders")["TopicArn"]

    assert sns.ownership(sns.subscribe(BILLING, topic=other)) is Ownership.OTHER
    assert sns.ownership(sns.subscribe(PROCESSOR, topic=other)) is Ownership.OURS
    assert sns.ownership(f"{other}:gone") is Ownership.GONE


def test_what_names_nothing_is_ours_until_another_subscriber_shares_the_queue(sns: Sns) -> None:
    sns.subscribe(BILLING)
    sns.subscribe(PROCESSOR, here=True)
    assert owner_of(Addressee(), sns.subscribers()).is_ours

    sns.subscribe(f"{BILLING}-new", here=True)
    found = owner_of(Addressee(), sns.subscribers())
    assert (found.ownership, "function billing-new" in found.name) == (Ownership.UNKNOWN, True)


def test_a_redrive_s_mark_counts_for_him_whom_it_was_sent_to(sns: Sns) -> None:
    billing = Recipient(
        name="billing",
        topic_arn=sns.topic_arn,
        subscription_arn=sns.subscribe(BILLING),
        function=f"{BILLING}:live",
        function_arns=frozenset({BILLING}),
        dead_letter_queue_url="",
        dead_letter_queue_arn=f"{STACK.dead_letter_queue_arn}-billing",
    )
    queued = replace(billing, source_queue_arn=f"{STACK.dead_letter_queue_arn}-of-messages")
    asked = {
        "the processor": sns.subscribers(),
        "billing": LiveSubscribers(sns.access, billing),
        "queued": LiveSubscribers(sns.access, queued),
    }

    assert (billing.mark, queued.mark) == (BILLING, queued.source_queue_arn)
    for mark, owners in (
        (None, {"the processor"}),
        (billing.mark, {"billing", "queued"}),
        (queued.mark, {"queued"}),
    ):
        addressee = Addressee(
            subscription_arns=(f"{sns.topic_arn}:gone",),
            redriven=RedriveMark(run_id="r", attempt=1, subscriber=mark),
        )
        assert {name for name, by in asked.items() if owner_of(addressee, by).is_ours} == owners


def test_without_an_answer_only_what_the_stack_itself_names_is_known(silent: LiveSubscribers) -> None:
    assert silent.owner_of_subscription(STACK.subscription_arn).is_ours
    found = silent.owner_of_subscription(f"{STACK.topic_arn}:made-anew")
    assert (found.ownership, "sns:GetSubscriptionAttributes" in found.name) == (Ownership.UNKNOWN, True)
    assert silent.owner_of_nameless().ownership is Ownership.UNKNOWN


def test_only_a_subscription_that_is_known_to_be_gone_can_be_adopted(
    sns: Sns, silent: LiveSubscribers
) -> None:
    subscribers, alive = sns.subscribers(), sns.subscribe(BILLING)
    gone = f"{sns.topic_arn}:gone"

    assert subscribers.owner_of_subscription(gone).ownership is Ownership.GONE
    assert subscribers.adopt([gone]) == {gone}
    adopted = subscribers.owner_of_subscription(gone)
    assert (adopted.is_ours, adopted.rows_count) == (True, False)
    with pytest.raises(Refused, match="is alive and delivers to function billing"):
        subscribers.adopt([alive])
    with pytest.raises(UsageError, match="not a subscription's ARN"):
        subscribers.adopt([sns.topic_arn])
    with pytest.raises(Refused, match="this environment's own subscription"):
        subscribers.adopt([STACK.subscription_arn])
    with pytest.raises(Refused, match="it is not known whether"):
        silent.adopt([f"{STACK.topic_arn}:made-anew"])


def test_blanks_around_what_is_adopted_are_not_meant(sns: Sns) -> None:
    """Taken as it stood, it adopted nothing, and the hint named the same ARN again."""
    subscribers, gone = sns.subscribers(), f"{sns.topic_arn}:gone"

    assert subscribers.adopt([f" {gone} "]) == {gone}
    assert subscribers.owner_of_subscription(gone).is_adopted


def test_the_list_is_asked_for_once(sns: Sns) -> None:
    arn = sns.subscribe(BILLING)
    subscribers = sns.subscribers()
    assert subscribers.owner_of_subscription(arn).ownership is Ownership.OTHER
    later = sns.subscribe(f"{BILLING}-new")
    sns.client.unsubscribe(SubscriptionArn=arn)

    assert subscribers.owner_of_subscription(arn).ownership is Ownership.OTHER
    assert subscribers.owner_of_subscription(later).ownership is Ownership.OTHER
