"""Folders of subscribers, as a team has them, with a handler that says what it got and does as it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAMBDA_SUBSCRIPTION = """
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !Ref Function
      Action: lambda:InvokeFunction
      Principal: sns.amazonaws.com
      SourceArn: !ImportValue {Fn::Sub: "b2b-pilot-${Environment}-TopicArn"}
  EventInvoke:
    Type: AWS::Lambda::EventInvokeConfig
    Properties:
      FunctionName: !Ref Function
      Qualifier: $LATEST
      MaximumRetryAttempts: 2
      MaximumEventAgeInSeconds: 21600
  Subscription:
    Type: AWS::SNS::Subscription
    DependsOn: [Permission, DeadLetterQueuePolicy, EventInvoke]
    Properties:
      TopicArn: !ImportValue {Fn::Sub: "b2b-pilot-${Environment}-TopicArn"}
      Protocol: lambda
      Endpoint: !GetAtt Function.Arn
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn}
"""
QUEUE_SUBSCRIPTION = """
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub NAME-b2b-pilot-${Environment}
      VisibilityTimeout: 60
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn, maxReceiveCount: 3}
  QueuePolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {Service: sns.amazonaws.com}
            Action: sqs:SendMessage
            Resource: !GetAtt Queue.Arn
            Condition: {ArnEquals: {"aws:SourceArn": !ImportValue {Fn::Sub: "b2b-pilot-${Environment}-TopicArn"}}}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Queue.Arn
      FunctionName: !Ref Function
      BatchSize: 10
      FunctionResponseTypes: [ReportBatchItemFailures]
  Subscription:
    Type: AWS::SNS::Subscription
    DependsOn: [QueuePolicy, DeadLetterQueuePolicy]
    Properties:
      TopicArn: !ImportValue {Fn::Sub: "b2b-pilot-${Environment}-TopicArn"}
      Protocol: sqs
      Endpoint: !GetAtt Queue.Arn
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn}
"""
TEMPLATE = """AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Environment:
    Type: String
  DatabaseUrl:
    Type: String
    NoEcho: true
Resources:
  DeadLetterQueue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub NAME-b2b-pilot-${Environment}-dlq
      MessageRetentionPeriod: 1209600
  DeadLetterQueuePolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref DeadLetterQueue]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {Service: sns.amazonaws.com}
            Action: sqs:SendMessage
            Resource: !GetAtt DeadLetterQueue.Arn
            Condition: {ArnEquals: {"aws:SourceArn": !ImportValue {Fn::Sub: "b2b-pilot-${Environment}-TopicArn"}}}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub NAME-b2b-pilot-${Environment}
      CodeUri: src/
      Handler: handler.handler
      Runtime: python3.13
      Timeout: 10
DEAD_LETTERS
      Environment:
        Variables:
          DATABASE_URL: !Ref DatabaseUrl
          DIARY: DIARY_PATH
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: !Sub NAME-b2b-pilot-${Environment}-dead-letters
      Namespace: AWS/SQS
      MetricName: ApproximateNumberOfMessagesVisible
      Dimensions:
        - {Name: QueueName, Value: !GetAtt DeadLetterQueue.QueueName}
      Statistic: Maximum
      Period: 60
      EvaluationPeriods: 1
      ComparisonOperator: GreaterThanOrEqualToThreshold
      Threshold: 1
      TreatMissingData: notBreaching
"""
DEAD_LETTERS = """      DeadLetterQueue:
        Type: SQS
        TargetArn: !GetAtt DeadLetterQueue.Arn"""
HANDLER = '''
"""Writes down what it gets, and does as the file beside its diary says."""

import json
import logging
import os
import time
from pathlib import Path

DIARY = Path(os.environ["DIARY"])


def handler(event, context):
    records = [_notification(record) for record in event["Records"]]
    for notification in records:
        body = json.loads(notification["Message"])
        line = {"pid": os.getpid(), "message_id": body.get("message_id"), "notification": notification,
                "environ": dict(os.environ), "request_id": context.aws_request_id}
        with DIARY.open("a") as diary:
            diary.write(json.dumps(line) + "\\n")
        logging.getLogger(__name__).info("Got a message", extra={"message_id": body.get("message_id")})
    order = DIARY.with_name("order")
    told = order.read_text() if order.exists() else ""
    if told.startswith("answer "):
        return json.loads(told.removeprefix("answer "))
    if told:
        _obey(told)
    return {"outcomes": ["stored"] * len(records)}


def _obey(order):
    if order == "fail":
        raise RuntimeError("analytics is broken")
    if order == "exit":
        os._exit(3)
    while DIARY.with_name("order").exists():
        time.sleep(0.01)


def _notification(record):
    return record["Sns"] if "Sns" in record else json.loads(record["body"])
'''


@dataclass(frozen=True, kw_only=True)
class TestSubscriber:
    """What a test knows of a subscriber: `order` makes its handler "fail", "exit", "answer JSON" or wait while the
    order stands."""

    __test__ = False

    name: str
    folder: Path

    @property
    def diary(self) -> Path:
        return self.folder / "diary" / "lines"

    @property
    def order(self) -> Path:
        return self.folder / "diary" / "order"

    def lines(self) -> list[dict[str, Any]]:
        if not self.diary.exists():
            return []
        return [json.loads(line) for line in self.diary.read_text().splitlines()]

    def got(self, message_id: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["message_id"] == message_id]


def write_subscriber(folder: Path, name: str, *, protocol: str = "lambda") -> TestSubscriber:
    """Make the folder of a subscriber that takes every message, tests as well."""
    made = TestSubscriber(name=name, folder=folder)
    made.diary.parent.mkdir(parents=True)
    template = TEMPLATE + (LAMBDA_SUBSCRIPTION if protocol == "lambda" else QUEUE_SUBSCRIPTION)
    template = template.replace("DEAD_LETTERS\n", f"{DEAD_LETTERS}\n" if protocol == "lambda" else "")
    template = template.replace("NAME", name).replace("DIARY_PATH", str(made.diary))
    (folder / "template.yaml").write_text(template)
    (folder / "src").mkdir()
    (folder / "src" / "handler.py").write_text(HANDLER)
    return made
