"""The webhook of the SQS version: Twilio's parameters go into the queue as JSON."""

from __future__ import annotations

import base64
import json
from os import environ
from typing import Any
from urllib.parse import parse_qsl

import boto3
from twilio.request_validator import RequestValidator

sqs = boto3.client("sqs")

EMPTY = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body).decode()
    params = dict(parse_qsl(body, keep_blank_values=True))
    validator = RequestValidator(environ["TWILIO_AUTH_TOKEN"])
    signature = event["headers"].get("x-twilio-signature", "")
    if not validator.validate(environ["WEBHOOK_URL"], params, signature):
        return {"statusCode": 403, "body": "Forbidden"}
    sqs.send_message(QueueUrl=environ["QUEUE_URL"], MessageBody=json.dumps(params))
    return {"statusCode": 200, "headers": {"Content-Type": "text/xml"}, "body": EMPTY}
