"""`b2bpilot delivery` on the deployed template."""

from __future__ import annotations

import pytest

from tests.local.conftest import Machine, Run


def test_it_shows_the_mode_and_the_way_to_another(run: Run) -> None:
    shown = run("delivery", "-o", "json").document
    assert (shown["mode"], shown["mapping"]) == ("topic", "Disabled")
    assert (shown["subscribed_by_topic"], shown["subscribed_by_queue"]) == (True, False)

    plan = run("delivery", "--to", "queue", "--dry-run")
    assert plan.exit_code == 0
    assert plan.stdout.index("Delivery: topic-and-queue") < plan.stdout.index("Delivery: queue")
    waited = run("delivery", "--to", "queue", "--wait")
    for said in (plan.stdout, waited.stdout):
        assert "The local environment keeps the mode that `local up` starts it with" in said
        assert "b2bpilot deploy" not in said, "deploy refuses it"


def test_a_wait_ends_with_the_next_deploy_or_says_what_is_not_so_yet(run: Run, environment: Machine) -> None:
    assert "Delivery: topic-and-queue" in run("delivery", "--to", "queue", "--wait").stdout

    url = environment.stack_output("MessageQueueUrl")
    environment.client("sqs").send_message(QueueUrl=url, MessageBody="left")
    try:
        seen = run("status", "-o", "json").document["status"]
        shown = run("status").stdout
        left = run("delivery", "--to", "topic", "--wait", "1s")
    finally:
        environment.client("sqs").purge_queue(QueueUrl=url)
    assert (seen["delivery"], seen["message_queue"]) == ("topic", {"waiting": 1, "in_flight": 0})
    assert "message queue about 1 waiting, 0 in flight; Delivery is topic; nothing takes them" in shown
    assert "b2bpilot delivery -e local --to topic-and-queue" in shown
    assert "messages_left" in [one["kind"] for one in seen["wrong"]]
    assert left.exit_code == 1
    assert "not yet, after 1 s: about 1 message in the message queue, and nothing takes them" in left.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--to", "lambda"), "'lambda' is no mode of delivery"),
        (("--wait",), "--wait and --dry-run need --to"),
        (("--to", "queue", "--wait", "--dry-run"), "--wait cannot be used with --dry-run"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(run: Run, arguments: tuple[str, ...], told: str) -> None:
    result = run("delivery", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
