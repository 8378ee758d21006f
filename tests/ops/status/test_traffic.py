"""Traffic as CloudWatch counted it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from b2bpilot.aws.metrics import Point
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.status.traffic import BUCKETS, Count, Level, Traffic, period_of, traffic
from tests.ops.status.readings import NOW, PERIOD, STACK
from tests.ops.status.readings import traffic as made

HOUR = timedelta(hours=1)


@pytest.fixture
def environment() -> Iterator[Environment]:
    with mock_aws():
        access = AwsAccess(region="eu-west-1", access_key_id="x", secret_access_key="y")
        yield Environment(name="prod", access=access, stack=STACK)


def put(environment: Environment, namespace: str, name: str, *values: float, **dimensions: str) -> None:
    client = environment.access.client("cloudwatch")
    named = [{"Name": key, "Value": text} for key, text in dimensions.items()]
    for value in values:
        datum: Any = {"MetricName": name, "Value": value, "Dimensions": named, "Timestamp": datetime.now(UTC)}
        client.put_metric_data(Namespace=namespace, MetricData=[datum])


def read(environment: Environment) -> Traffic:
    now = datetime.now(UTC) + timedelta(minutes=1)
    return traffic(environment, window=3 * HOUR, now=now, timeouts=Timeouts())


@pytest.mark.parametrize("hours", [0.2, 1, 3, 24, 14 * 24])
def test_a_window_has_no_more_points_than_fit_on_a_line(hours: float) -> None:
    window = hours * HOUR
    assert window / period_of(window) <= BUCKETS
    assert period_of(window) % timedelta(minutes=1) == timedelta()


def test_each_number_comes_from_its_own_metric(environment: Environment) -> None:
    put(environment, "AWS/SNS", "NumberOfMessagesPublished", 4, 3, TopicName="b2b-pilot-messages-prod")
    put(environment, "AWS/SNS", "NumberOfMessagesPublished", 90, TopicName="another")
    put(environment, "B2BPilot/prod", "MessagesStored", 5)
    put(environment, "B2BPilot/staging", "MessagesStored", 50)
    function = STACK.processor_function_name
    put(environment, "AWS/Lambda", "ConcurrentExecutions", 2, 6, 1, FunctionName=function)
    put(environment, "AWS/Lambda", "Errors", 1, 1, FunctionName=function)
    found = read(environment)
    assert (found.total(Count.PUBLISHED), found.total(Count.STORED)) == (7, 5)
    assert (found.total(Count.FAILED), found.lately(Count.FAILED)) == (2, 2)
    assert found.newest(Level.IN_FLIGHT) == 6
    assert found.newest(Level.WAITING_MS) is None


def test_both_processors_are_counted_where_there_is_an_express_lane(environment: Environment) -> None:
    express = "b2b-pilot-express-processor-prod"
    for function, runs in ((STACK.processor_function_name, 7), (express, 1)):
        put(environment, "AWS/Lambda", "ConcurrentExecutions", runs, FunctionName=function)
        put(environment, "AWS/Lambda", "Throttles", runs, FunctionName=function)
    both = replace(environment, stack=replace(STACK, express_function_name=express))

    found, alone = read(both), read(environment)

    assert (found.newest(Level.IN_FLIGHT), found.newest(Level.EXPRESS_IN_FLIGHT)) == (7, 1)
    assert (found.total(Count.THROTTLES), found.total(Count.EXPRESS_THROTTLES)) == (7, 1)
    assert {one for one in (*alone.counts, *alone.levels) if one.startswith("express")} == set()
    assert alone.newest(Level.EXPRESS_IN_FLIGHT) is None


def test_without_messages_there_is_no_latency(environment: Environment) -> None:
    assert read(environment).latency is None


def test_a_level_of_long_ago_is_not_the_newest() -> None:
    found = made(levels={Level.IN_FLIGHT: 3})
    assert found.newest(Level.IN_FLIGHT) == 3
    later = Traffic(
        since=found.since,
        until=NOW + 3 * PERIOD,
        period=PERIOD,
        counts=found.counts,
        levels=found.levels,
        latency=None,
    )
    assert later.newest(Level.IN_FLIGHT) is None


def test_lately_is_the_last_two_periods() -> None:
    points = [Point(at=NOW - age * PERIOD, value=1) for age in (3, 2, 1)]
    found = made()
    found = replace(found, counts={**found.counts, Count.FAILED: points})
    assert (found.total(Count.FAILED), found.lately(Count.FAILED)) == (3, 2)
