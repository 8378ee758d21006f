"""The table of alarms says what the template says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from b2bpilot import resources
from b2bpilot.aws.alarms import Alarm, AlarmState
from b2bpilot.ops.verify.alarm_table import ALARMS, AlarmDefinition, alarms_of
from b2bpilot.ops.verify.check import Status
from tests.breaking import breaks
from tests.ops.verify.deployments import STACK, deployment, seen

SUBJECTS = {
    "MessageTopic.TopicName": "topic_arn",
    "DeadLetterQueue.QueueName": "dead_letter_queue_arn",
    "MessageQueue.QueueName": "message_queue_arn",
    "BackgroundProcessorFunction": "processor_function_name",
    "ExpressProcessorFunction": "express_function_name",
    "StaleMessageProcessorFunction": "stale_function_name",
    "DeadLetterRedriverFunction": "redriver_function_name",
    "WebhookApi": "api_id",
}


def in_template() -> dict[str, dict[str, Any]]:
    found = yaml_parse(resources.template().read_text())["Resources"].values()
    alarms = [one["Properties"] for one in found if one["Type"] == "AWS::CloudWatch::Alarm"]
    return {text(alarm["AlarmName"]): alarm for alarm in alarms}


def text(value: Any) -> str:
    """`!Sub` with the environment's name in it."""
    return str(value["Fn::Sub"] if isinstance(value, dict) else value).replace("${Environment}", "staging")


def subject(value: Any) -> str:
    name = value.get("Ref") or ".".join(value["Fn::GetAtt"])
    return SUBJECTS[name]


def test_the_table_has_the_templates_alarms() -> None:
    assert {one.full_name(STACK) for one in ALARMS} == in_template().keys()


def test_an_alarm_of_the_express_lane_is_there_with_the_lane() -> None:
    express = replace(STACK, express_function_name="b2b-pilot-express-processor-staging")
    more = {one.name for one in alarms_of(express)} - {one.name for one in alarms_of(STACK)}
    assert more == {"express-errors", "express-event-age", "express-dead-letter-errors"}
    assert alarms_of(express) == ALARMS


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda one: one.name)
def test_an_alarm_of_the_table_is_the_templates(alarm: AlarmDefinition) -> None:
    wanted = in_template()[alarm.full_name(STACK)]
    dimensions = wanted.get("Dimensions", [])
    assert alarm.description == wanted["AlarmDescription"]
    assert (alarm.full_namespace(STACK), alarm.metric) == (text(wanted["Namespace"]), wanted["MetricName"])
    assert alarm.dimension == next(((one["Name"], subject(one["Value"])) for one in dimensions), None)
    assert (alarm.statistic, alarm.period_seconds) == (wanted["Statistic"], wanted["Period"])
    assert (alarm.periods, alarm.breaching) == (wanted["EvaluationPeriods"], wanted.get("DatapointsToAlarm"))
    assert (alarm.comparison, alarm.threshold) == (wanted["ComparisonOperator"], wanted["Threshold"])
    assert alarm.missing_data == wanted["TreatMissingData"]


def test_an_alarm_that_is_made_again_notifies_whom_the_others_notify() -> None:
    command = ALARMS[0].command(STACK, ["arn:aws:sns:eu-west-1:123456789012:on-call"])
    assert command.count("arn:aws:sns:eu-west-1:123456789012:on-call") == 2
    assert "Name=TopicName,Value=b2b-pilot-messages-staging" in command


def test_an_alarm_on_what_does_not_run_is_made_again_as_it_was() -> None:
    (found,) = (one for one in ALARMS if one.name == "stale-not-running")
    command = found.command(STACK, [])
    assert "--comparison-operator LessThanThreshold --threshold 1 --treat-missing-data breaching" in command


def ringing(definition: AlarmDefinition) -> Alarm:
    return Alarm(
        name=definition.full_name(STACK), state=AlarmState.ALARM, reason="1 of 1", since=None, actions_enabled=True, actions=(),
        description="", namespace="", metric=definition.metric, dimensions={}, threshold=1,
    )  # fmt: skip


@breaks("B2B089")
def test_alarms_that_are_on_lead_to_what_each_says_to_run_first() -> None:
    """`status` sends its reader here, so that it must not send him back."""
    on = [one for one in ALARMS if one.name in ("dlq", "oldest-dead-letter", "processor-errors")]

    found = seen("B2B089", deployment(known={"alarms": [ringing(one) for one in on]}))

    assert found.status is Status.WARNING
    assert found.fix == (
        "b2bpilot dlq list -e staging --region eu-west-1; "
        "b2bpilot logs processor -e staging --region eu-west-1 --since 1h --level error"
    )


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda one: one.name)
def test_no_alarm_leads_in_a_circle(alarm: AlarmDefinition) -> None:
    assert str(alarm.first) not in ("b2bpilot status", "b2bpilot verify --only alarms", "b2bpilot verify")
