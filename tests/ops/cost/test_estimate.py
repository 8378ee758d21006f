"""What the pipeline costs, beside what the polled queue would have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from moto import mock_aws
from samtranslator.yaml_helper import yaml_parse

from b2bpilot import resources
from b2bpilot.advice import our_command
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.cli.diagnose.cost_view import lines, singular
from b2bpilot.ops.cost.estimate import ALARMS, METRICS, CostItem, Estimate, estimate
from b2bpilot.ops.cost.loops import loops
from b2bpilot.ops.cost.usage import FunctionUsage, Usage, usage
from b2bpilot.ops.environment import Environment
from tests.ops.status.readings import STACK

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
MILLION = 1_000_000.0


def function(name: str, invocations: float | None, duration_ms: float | None = 0.0) -> FunctionUsage:
    return FunctionUsage(
        name=name, invocations=invocations, duration_ms=duration_ms, memory_mb=512, architecture="arm64"
    )


def used(**changes: Any) -> Usage:
    """A million messages in half of November, each stored once."""
    usual: dict[str, Any] = {
        "published": MILLION,
        "webhook_requests": MILLION,
        "log_bytes": 2e9,
        "queue_requests": 0.0,
        "received_events": MILLION,
        "stored": MILLION,
        "duplicates": 0.0,
        "secrets": 1,
    }
    functions = {
        "webhook": function("w", MILLION, MILLION * 10),
        "processor": function("p", MILLION, MILLION * 20),
        "stale": function("s", 21_600.0, 0.0),
        "redriver": function("r", None, None),
    }
    return Usage(since=FIRST, until=FIRST + timedelta(days=15), functions=functions, **(usual | changes))


def item(found: Estimate, name: str) -> CostItem:
    items = (*found.shared, *found.pipeline, *found.monitoring, *found.polling)
    return next(one for one in items if one.name == name)


@pytest.mark.parametrize(
    ("name", "dollars"),
    [
        ("HTTP API", "1"),
        ("SNS", "0.5"),
        ("logs", "1"),
        ("processor function, runs", "0.2"),
        ("processor function, time", "0.133334"),
        ("webhook function, time", "0.066667"),
        ("alarms", "0.85"),
        ("metrics", "1.5"),
        ("dashboard", "1.5"),
        ("metrics read", "0.432"),
        ("SQS, messages", "1.2"),
        ("SQS, empty polls", "0.1296"),
    ],
)
def test_each_line_is_the_quantity_times_the_price(name: str, dollars: str) -> None:
    assert item(estimate(used()), name).dollars == Decimal(dollars)


def test_what_has_no_data_is_charged_nothing_and_says_so() -> None:
    found = item(estimate(used(webhook_requests=None)), "HTTP API")
    assert (found.quantity, found.dollars) == (None, 0)


def test_a_whole_month_is_what_it_was_so_far_by_the_share_that_is_over() -> None:
    found = estimate(used())
    assert found.elapsed_share == Decimal("0.5")
    assert found.month(found.pipeline_dollars) == 2 * found.pipeline_dollars


def test_monitoring_is_priced_with_alarms_metrics_dashboard_logs_and_what_is_read() -> None:
    found = estimate(used())
    parts = ("alarms", "metrics", "dashboard", "metrics read", "logs")
    assert found.monitoring_dollars == sum(item(found, name).dollars for name in parts)
    assert found.monitoring_dollars < found.pipeline_dollars


def test_a_stack_of_three_minutes_is_charged_for_three_minutes() -> None:
    created_at = FIRST + timedelta(days=20)
    found = estimate(
        replace(used(), since=created_at, until=created_at + timedelta(minutes=3), is_since_creation=True)
    )
    assert item(found, "scheduler").quantity == 3
    assert item(found, "SQS, empty polls").quantity == 45
    assert item(found, "alarms").dollars == Decimal("1.7") * Decimal(str(3 / (30 * 24 * 60)))
    assert found.month(found.pipeline_dollars) is None
    assert round(found.month_of_fixed_dollars, 4) == Decimal("8.1")


def test_both_designs_share_webhook_processor_and_logs() -> None:
    found = estimate(used())
    shared = sum((one.dollars for one in found.shared), Decimal(0))
    assert found.polling_dollars == shared + Decimal("1.3296")
    assert item(found, "secret").dollars == Decimal("0.2")


def test_the_notes_say_what_was_taken_for_granted() -> None:
    functions = dict(used().functions)
    functions["stale"] = replace(functions["stale"], is_assumed=True)
    notes = " ".join(estimate(replace(used(), functions=functions)).notes)
    assert "without free tiers" in notes
    assert "5 receives of 20 s always open" in notes
    assert "for AWS did not say: stale" in notes


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"received_events": MILLION / 3}, "Lambda repeats runs that fail"),
        ({"webhook_requests": MILLION / 3}, "1,000,000 messages were published for 333,333 requests"),
        ({"duplicates": MILLION}, "2,000,000 messages arrived, and only 1,000,000 were new"),
    ],
)
def test_runs_that_no_message_explains_are_a_loop(changes: dict[str, float], text: str) -> None:
    (found,) = loops(used(**changes))
    assert text in found.text
    assert str(found.command).startswith("b2bpilot ")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"duplicates": MILLION / 10},
        {"published": 60.0, "webhook_requests": 20.0},
        {"webhook_requests": None, "received_events": None, "stored": None},
    ],
)
def test_few_retries_and_what_is_not_counted_are_no_loop(changes: dict[str, float | None]) -> None:
    assert loops(used(**changes)) == []


@pytest.fixture
def environment() -> Iterator[Environment]:
    with mock_aws():
        access = AwsAccess(region="eu-west-1", access_key_id="x", secret_access_key="y")
        template = '{"Resources": {"Any": {"Type": "AWS::SNS::Topic"}}}'
        access.client("cloudformation").create_stack(StackName=STACK.stack_name, TemplateBody=template)
        yield Environment(name="prod", access=access, stack=STACK)


def test_the_usage_is_that_since_the_stack_is_there_and_of_this_environment(environment: Environment) -> None:
    (stack,) = environment.access.client("cloudformation").describe_stacks()["Stacks"]
    now = datetime.now(UTC)
    client = environment.access.client("cloudwatch")
    for topic, value in (("b2b-pilot-messages-prod", 7), ("b2b-pilot-messages-staging", 90)):
        datum = {
            "MetricName": "NumberOfMessagesPublished",
            "Value": value,
            "Dimensions": [{"Name": "TopicName", "Value": topic}],
        }
        client.put_metric_data(Namespace="AWS/SNS", MetricData=[datum])
    found = usage(environment, now=now + timedelta(minutes=1), timeouts=Timeouts())
    assert (found.since, found.is_since_creation) == (stack["CreationTime"], True)
    assert found.published == 7
    assert found.webhook_requests is None
    assert (found.functions["stale"].memory_mb, found.functions["stale"].is_assumed) == (256, True)


def test_the_usage_of_an_older_stack_is_that_of_this_month(environment: Environment) -> None:
    next_month = (datetime.now(UTC).replace(day=1) + timedelta(days=40)).replace(day=2)
    found = usage(environment, now=next_month, timeouts=Timeouts())
    assert (found.since.day, found.since.hour, found.is_since_creation) == (1, 0, False)
    assert found.since.month == next_month.month


@pytest.mark.parametrize(
    ("dollars", "told"),
    [
        ("0", "$0.00"),
        ("8.0e-7", "under $0.01"),
        ("0.0099", "under $0.01"),
        ("0.01", "$0.01"),
        ("1234.5", "$1,234.50"),
    ],
)
def test_money_is_told_in_plain_figures(dollars: str, told: str) -> None:
    found = estimate(used(published=None, webhook_requests=None, log_bytes=1.0))
    one = replace(found.pipeline[0], quantity=1, price=Decimal(dollars))
    shown = "\n".join(line.text for line in lines(replace(found, pipeline=(one,)), []))
    assert f" {told}" in next(line for line in shown.splitlines() if line.startswith("  SNS"))
    assert not re.search(r"\de[+-]?\d", shown)


def test_the_estimate_counts_the_alarms_and_metrics_of_the_template() -> None:
    """Those of the express lane count into the same metrics, and its alarms are there with it only."""
    found = yaml_parse(resources.template().read_text())["Resources"].values()
    alarms = [one for one in found if one["Type"] == "AWS::CloudWatch::Alarm" and "Condition" not in one]
    metrics = {
        made["MetricName"]
        for one in found
        if one["Type"] == "AWS::Logs::MetricFilter"
        for made in one["Properties"]["MetricTransformations"]
    }
    assert (len(alarms), len(metrics)) == (ALARMS, METRICS)


@pytest.mark.parametrize(
    ("unit", "told"),
    [("requests", "request"), ("publishes", "publish"), ("GB-s", "GB-s"), ("GB", "GB"), ("alarms", "alarm")],
)
def test_one_of_a_thing_is_told_as_one(unit: str, told: str) -> None:
    assert singular(unit) == told


def test_an_express_lane_is_priced_by_its_runs_and_alarms_and_left_out_where_there_is_none() -> None:
    with_lane = replace(
        used(), functions={**used().functions, "express": function("e", 70_000.0, 70_000.0 * 20)}
    )
    bill = estimate(with_lane)

    assert item(bill, "express function, runs").dollars == Decimal("0.014")
    assert item(bill, "express alarms").dollars == Decimal("0.15")
    names = {one.name for one in (*estimate(used()).pipeline, *estimate(used()).monitoring)}
    assert not any(name.startswith("express") for name in names)


def test_the_second_run_of_an_urgent_message_is_no_loop_and_a_failed_one_explains_none() -> None:
    lane = {**used().functions, "express": function("e", MILLION, 0.0)}
    doubled = used(duplicates=MILLION)

    assert [one.command for one in loops(doubled)] == [our_command("diagnose", "duplicates")]
    assert loops(replace(doubled, functions=lane, express_errors=0.0)) == []
    (found,) = loops(replace(doubled, functions=lane, express_errors=MILLION))
    assert "2,000,000 messages arrived, and only 1,000,000 were new" in found.text
    assert loops(replace(doubled, functions=lane)) == []


def test_the_message_queue_is_priced_by_what_was_asked_of_it_and_left_out_where_nothing_was() -> None:
    asked = estimate(replace(used(), message_queue_requests=1_000_000.0))
    assert item(asked, "message queue").dollars == Decimal("0.4")
    for nothing in (None, 0.0):
        bill = estimate(replace(used(), message_queue_requests=nothing))
        assert "message queue" not in {one.name for one in bill.pipeline}
