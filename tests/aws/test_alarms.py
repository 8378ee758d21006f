"""The alarms of an environment."""

from __future__ import annotations

from typing import Any

from b2bpilot.aws.alarms import AlarmState, alarms
from b2bpilot.aws.session import AwsAccess


def put_alarm(access: AwsAccess, name: str, **settings: Any) -> None:
    alarm = {
        "AlarmName": name,
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [{"Name": "QueueName", "Value": "dead-letters"}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 1.0,
    }
    access.client("cloudwatch").put_metric_alarm(**(alarm | settings))


def test_alarms_are_found_by_the_beginning_of_their_names_in_order(access: AwsAccess) -> None:
    for name in ("b2b-pilot-b", "b2b-pilot-a", "another"):
        put_alarm(access, name)
    assert [alarm.name for alarm in alarms(access, "b2b-pilot-")] == ["b2b-pilot-a", "b2b-pilot-b"]


def test_an_alarm_that_is_on_says_why_and_since_when(access: AwsAccess) -> None:
    put_alarm(access, "b2b-pilot-dlq", ActionsEnabled=False, AlarmDescription="dead letters")
    access.client("cloudwatch").set_alarm_state(
        AlarmName="b2b-pilot-dlq", StateValue="ALARM", StateReason="1 datapoint"
    )
    (alarm,) = alarms(access, "b2b-pilot-dlq")
    assert (alarm.state, alarm.reason) == (AlarmState.ALARM, "1 datapoint")
    assert alarm.since is not None
    assert alarm.since.tzinfo is not None
    assert (alarm.actions_enabled, alarm.description) == (False, "dead letters")
    assert (alarm.metric, alarm.dimensions) == (
        "ApproximateNumberOfMessagesVisible",
        {"QueueName": "dead-letters"},
    )
