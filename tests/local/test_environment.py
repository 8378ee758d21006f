"""From SNS, HTTP and Invoke to a function, and from a failing function to its dead letter, as AWS does it."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import psutil
import psycopg
import pytest
from botocore.exceptions import ClientError
from twilio.request_validator import RequestValidator

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local.environment import running
from tests.local.conftest import Deployment, Machine
from tests.local.polling import eventually

BURST = 200


def test_a_burst_of_200_is_stored_without_loss_and_never_more_than_10_run_at_once(
    deployment: Deployment,
) -> None:
    deployment.deploy()
    deployment.environment.client("lambda").put_function_concurrency(
        FunctionName=deployment.name, ReservedConcurrentExecutions=10
    )
    sns = deployment.environment.client("sns")
    for start in range(0, BURST, 10):
        entries = [
            {"Id": str(number), "Message": deployment.order(number=number, seconds=0.01)}
            for number in range(start, start + 10)
        ]
        assert not sns.publish_batch(TopicArn=deployment.topic_arn, PublishBatchRequestEntries=entries)[
            "Failed"
        ]

    def ended() -> list[int]:
        return [line["number"] for line in deployment.lines() if "end" in line]

    eventually(lambda: len(ended()) >= BURST, "all messages ran")
    assert Counter(ended()) == Counter(range(BURST))
    assert _most_at_once(deployment.lines()) <= 10


def test_the_event_is_spelled_as_sns_spells_it_for_lambda(deployment: Deployment) -> None:
    message_id = deployment.deploy().publish(number=1)
    line = eventually(deployment.lines, "a run")[0]
    record = line["event"]["Records"][0]
    assert record["EventSource"] == "aws:sns"
    assert record["EventSubscriptionArn"] == deployment.subscription_arn
    assert set(record["Sns"]) == {
        "Type",
        "MessageId",
        "TopicArn",
        "Subject",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertUrl",
        "UnsubscribeUrl",
        "MessageAttributes",
    }
    assert record["Sns"]["MessageId"] == message_id
    assert record["Sns"]["Subject"] is None
    assert record["Sns"]["MessageAttributes"] == {
        "source": {"Type": "String", "Value": "twilio"},
        "size": {"Type": "String", "Value": "7"},
    }


def test_a_poisoned_message_runs_three_times_and_becomes_a_dead_letter_as_lambda_writes_it(
    deployment: Deployment,
) -> None:
    message_id = deployment.deploy().publish(number=1, fail="no more connections")
    dead_letter = deployment.dead_letter()
    runs = deployment.lines()
    assert len(runs) == 3
    request_ids = {run["request_id"] for run in runs}
    assert len(request_ids) == 1
    assert {name: value["DataType"] for name, value in dead_letter["MessageAttributes"].items()} == {
        "RequestID": "String",
        "ErrorCode": "Number",
        "ErrorMessage": "String",
    }
    values = {name: value["StringValue"] for name, value in dead_letter["MessageAttributes"].items()}
    assert values == {
        "RequestID": request_ids.pop(),
        "ErrorCode": "200",
        "ErrorMessage": "no more connections",
    }
    assert json.loads(dead_letter["Body"]) == runs[0]["event"]
    assert dead_letter["Body"].startswith('{"Records":[{"EventSource":"aws:sns"')
    assert json.loads(dead_letter["Body"])["Records"][0]["Sns"]["MessageId"] == message_id


def test_a_function_that_does_not_end_is_timed_out(deployment: Deployment) -> None:
    deployment.deploy(Timeout=1)
    deployment.environment.client("lambda").put_function_event_invoke_config(
        FunctionName=deployment.name, MaximumRetryAttempts=0
    )
    deployment.publish(seconds=5)
    attributes = deployment.dead_letter()["MessageAttributes"]
    request_id = attributes["RequestID"]["StringValue"]
    assert attributes["ErrorCode"]["StringValue"] == "200"
    assert attributes["ErrorMessage"]["StringValue"] == (
        f"RequestId: {request_id} Error: Task timed out after 1.00 seconds"
    )


def test_with_zero_reserved_concurrency_messages_become_dead_letters_without_an_error_code(
    deployment: Deployment,
) -> None:
    deployment.deploy()
    deployment.environment.client("lambda").put_function_concurrency(
        FunctionName=deployment.name, ReservedConcurrentExecutions=0
    )
    deployment.publish(number=1)
    attributes = deployment.dead_letter()["MessageAttributes"]
    assert set(attributes) == {"RequestID", "ErrorMessage"}
    assert attributes["ErrorMessage"]["StringValue"] == (
        "Function not invoked. Function isconfigured with zero reserved concurrent executions"
    )
    assert deployment.lines() == []


@pytest.mark.parametrize("missing", ["function", "permission"])
def test_what_sns_cannot_deliver_goes_to_the_subscriptions_queue_as_an_envelope(
    deployment: Deployment, missing: str
) -> None:
    deployment.deploy()
    functions = deployment.environment.client("lambda")
    if missing == "function":
        functions.delete_function(FunctionName=deployment.name)
    else:
        functions.remove_permission(FunctionName=deployment.name, StatementId="sns")
    message_id = deployment.publish(number=1)
    dead_letter = deployment.dead_letter()
    assert "MessageAttributes" not in dead_letter
    body = json.loads(dead_letter["Body"])
    assert body["Type"] == "Notification"
    assert body["MessageId"] == message_id
    assert body["MessageAttributes"]["size"] == {"Type": "Number", "Value": "7"}
    assert "SigningCertURL" in body
    assert deployment.lines() == []


def test_a_synchronous_invocation_returns_the_answer_and_the_log(deployment: Deployment) -> None:
    deployment.deploy()
    answer = deployment.environment.client("lambda").invoke(
        FunctionName=deployment.name, LogType="Tail", Payload=deployment.order(number=7)
    )
    assert answer["StatusCode"] == 200
    assert "FunctionError" not in answer
    assert json.load(answer["Payload"]) == {"number": 7}
    assert '"event": "ordered"' in base64.b64decode(answer["LogResult"]).decode()


def test_a_synchronous_failure_is_returned_and_neither_retried_nor_dead_lettered(
    deployment: Deployment,
) -> None:
    deployment.deploy()
    answer = deployment.environment.client("lambda").invoke(
        FunctionName=deployment.name, Payload=deployment.order(fail="bad")
    )
    assert answer["FunctionError"] == "Unhandled"
    described = json.load(answer["Payload"])
    assert (described["errorType"], described["errorMessage"]) == ("RuntimeError", "bad")
    assert described["stackTrace"]
    assert described["requestId"] == deployment.lines()[0]["request_id"]


def test_an_asynchronous_invocation_is_accepted_before_it_runs(deployment: Deployment) -> None:
    deployment.deploy()
    answer = deployment.environment.client("lambda").invoke(
        FunctionName=deployment.name, InvocationType="Event", Payload=deployment.order(number=1, seconds=1)
    )
    assert answer["StatusCode"] == 202
    assert not [line for line in deployment.lines() if "end" in line]
    eventually(lambda: [line for line in deployment.lines() if "end" in line], "the run ended")


def test_a_synchronous_invocation_at_the_limit_is_told_to_come_back(deployment: Deployment) -> None:
    deployment.deploy()
    functions = deployment.environment.client("lambda")
    functions.put_function_concurrency(FunctionName=deployment.name, ReservedConcurrentExecutions=1)
    deployment.publish(seconds=2)
    eventually(deployment.lines, "the first run began")
    with pytest.raises(ClientError) as refused:
        functions.invoke(FunctionName=deployment.name, Payload=deployment.order(number=2))
    assert refused.value.response["Error"]["Code"] == "TooManyRequestsException"


def test_what_a_function_logs_is_in_cloudwatch_logs(deployment: Deployment) -> None:
    deployment.deploy().publish(number=3)
    logs = deployment.environment.client("logs")

    def events() -> list[dict[str, Any]]:
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{deployment.name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [json.loads(event["message"]) for event in found]

    lines = eventually(lambda: len(events()) >= 3 and events(), "three log lines")
    assert isinstance(lines, list)
    (line,) = [line for line in lines if line.get("event") == "ordered"]
    assert (line["level"], line["message"], line["number"]) == ("INFO", "Got an order", 3)
    assert line["logger"] == "tests.local.functions"
    assert line["requestId"] == deployment.lines()[0]["request_id"]


def test_the_metrics_that_alarms_read_are_there(deployment: Deployment) -> None:
    deployment.deploy()
    deployment.environment.client("lambda").put_function_event_invoke_config(
        FunctionName=deployment.name, MaximumRetryAttempts=0
    )
    deployment.publish(fail="bad")
    deployment.dead_letter()
    topic, function = {"TopicName": deployment.name}, {"FunctionName": deployment.name}
    eventually(
        lambda: _sum(deployment.environment, "AWS/SNS", "NumberOfMessagesPublished", topic) == 1, "published"
    )
    eventually(
        lambda: _sum(deployment.environment, "AWS/SNS", "NumberOfNotificationsDelivered", topic) == 1,
        "delivered",
    )
    for metric in ("Invocations", "Errors", "AsyncEventsReceived", "AsyncEventsDropped"):
        eventually(
            lambda metric=metric: _sum(deployment.environment, "AWS/Lambda", metric, function) == 1, metric
        )  # type: ignore[misc]


def test_an_alarm_turns_on_for_its_own_dimensions_alone(environment: Machine) -> None:
    cloudwatch = environment.client("cloudwatch")
    namespace = f"Test/{uuid.uuid4().hex}"

    def count(function: str, errors: int) -> None:
        cloudwatch.put_metric_data(
            Namespace=namespace,
            MetricData=[
                {
                    "MetricName": "Errors",
                    "Dimensions": [{"Name": "FunctionName", "Value": function}],
                    "Value": errors,
                }
            ],
        )

    for function in ("processor", "redriver", "stale"):
        cloudwatch.put_metric_alarm(
            AlarmName=f"{namespace}-{function}",
            Namespace=namespace,
            MetricName="Errors",
            Dimensions=[{"Name": "FunctionName", "Value": function}],
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            Threshold=1,
        )
    count("redriver", 0)
    count("processor", 1)
    found = cloudwatch.describe_alarms(AlarmNamePrefix=namespace)["MetricAlarms"]
    assert {alarm["AlarmName"].rpartition("-")[2]: alarm["StateValue"] for alarm in found} == {
        "processor": "ALARM",
        "redriver": "OK",
        "stale": "INSUFFICIENT_DATA",
    }


def test_a_filtered_message_is_counted_and_not_delivered(deployment: Deployment) -> None:
    deployment.deploy()
    deployment.environment.client("sns").set_subscription_attributes(
        SubscriptionArn=deployment.subscription_arn,
        AttributeName="FilterPolicy",
        AttributeValue=json.dumps({"source": ["other"]}),
    )
    deployment.publish(number=1)
    topic = {"TopicName": deployment.name}
    eventually(
        lambda: _sum(deployment.environment, "AWS/SNS", "NumberOfNotificationsFilteredOut", topic) == 1,
        "filtered",
    )
    assert deployment.lines() == []


def test_the_deployed_template_has_what_the_emulator_drops(environment: Machine) -> None:
    functions = environment.client("lambda")
    processor = functions.get_function(FunctionName="b2b-pilot-background-processor-local")
    assert processor["Concurrency"]["ReservedConcurrentExecutions"] == 10
    assert processor["Configuration"]["DeadLetterConfig"]["TargetArn"].endswith(
        ":b2b-pilot-dead-letters-local"
    )
    config = functions.get_function_event_invoke_config(FunctionName="b2b-pilot-background-processor-local")
    assert config["MaximumRetryAttempts"] == 2


def test_a_signed_webhook_becomes_a_row(environment: Machine) -> None:
    state = environment.state
    form = {
        "MessageSid": f"SM{uuid.uuid4().hex}",
        "From": "whatsapp:+15005550006",
        "To": "whatsapp:+15005550001",
        "Body": "hi",
    }
    signature = RequestValidator(state.twilio_auth_token).compute_signature(state.webhook_url, form)
    with _post(state.webhook_url, form, signature) as answer:
        assert answer.status == 200
        message_id = answer.headers["x-message-id"]
    assert eventually(lambda: _status(state.database_url, message_id), "a completed row") == "completed"


def test_a_stored_message_shows_in_the_metrics_that_the_template_makes_from_logs(
    environment: Machine,
) -> None:
    topic = environment.stack_output("TopicArn")
    body = {
        "schema": 1,
        "message_id": str(uuid.uuid4()),
        "source": "cli",
        "test": True,
        "received_at": datetime.now(UTC).isoformat(),
        "params": {"Body": "hi"},
    }
    environment.client("sns").publish(TopicArn=topic, Message=json.dumps(body))
    for metric in ("MessagesStored", "EndToEndLatency"):
        eventually(lambda metric=metric: _sum(environment, "B2BPilot/local", metric, {}) > 0, metric)  # type: ignore[misc]


def test_a_webhook_with_a_wrong_signature_is_refused(environment: Machine) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _post(environment.state.webhook_url, {"MessageSid": "SM1"}, "wrong")
    refused.value.close()
    assert refused.value.code == 403


def test_a_second_up_is_refused_and_names_the_first(environment: Machine) -> None:
    with (
        pytest.raises(LocalEnvironmentError, match=f"process {environment.process.pid}"),
        running(environment.home),
    ):
        pass


def test_the_idle_environment_holds_no_tcp_port_but_on_loopback(environment: Machine) -> None:
    for pid in (environment.state.pid, environment.state.emulator_pid, environment.state.postgres_pid):
        listening = [c for c in psutil.Process(pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert {connection.laddr.ip for connection in listening} <= {"127.0.0.1"}


def _most_at_once(lines: list[dict[str, Any]]) -> int:
    changes = [(line["begin"], 1) for line in lines if "begin" in line]
    changes += [(line["end"], -1) for line in lines if "end" in line]
    running = most = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return most


def _sum(environment: Machine, namespace: str, metric: str, dimensions: dict[str, str]) -> float:
    now = datetime.now(UTC)
    found = environment.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in found["Datapoints"]))


def _post(url: str, form: dict[str, str], signature: str) -> Any:
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    return urllib.request.urlopen(urllib.request.Request(url, urlencode(form).encode(), headers), timeout=20)


def _status(database_url: str, message_id: str) -> str | None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT status FROM b2b_pilot_user_submissions WHERE message_id = %s AND status = 'completed'",
            (message_id,),
        ).fetchone()
    return str(row[0]) if row else None
