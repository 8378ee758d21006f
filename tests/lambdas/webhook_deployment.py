"""Requests as API Gateway hands them over, signed as Twilio signs them, and a topic that shows what was published."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from b2bpilot.twilio.signature import signature_for, url_for_body
from lambdas.webhook_handler import handler as webhook
from tests.aws_clients import client
from tests.events import TWILIO_PARAMS, new_sid

URL = "https://hooks.example.com/prod/webhook"
TOKEN = "0123456789abcdef0123456789abcdef"
FORM = "application/x-www-form-urlencoded"


class Topic:
    """A real topic (of moto's) and the queue that shows what was published on it."""

    def __init__(self) -> None:
        self.sns = client("sns", "us-east-1")
        self.sqs = client("sqs", "us-east-1")
        self.arn = self.sns.create_topic(Name="b2b-pilot-messages-test")["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName="listener")["QueueUrl"]
        self.sns.subscribe(
            TopicArn=self.arn,
            Protocol="sqs",
            Endpoint="arn:aws:sqs:us-east-1:123456789012:listener",
        )

    def published(self) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def params(**changes: str) -> dict[str, str]:
    return {**TWILIO_PARAMS, "MessageSid": new_sid(), **changes}


def event(
    body: str | bytes, headers: dict[str, str], query: str = "", *, encoded: bool = False
) -> dict[str, Any]:
    raw = body.encode() if isinstance(body, str) else body
    return {
        "version": "2.0",
        "routeKey": "POST /webhook",
        "rawPath": "/webhook",
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {"stage": "$default", "http": {"method": "POST", "path": "/webhook"}},
        "body": base64.b64encode(raw).decode() if encoded else raw.decode(),
        "isBase64Encoded": encoded,
    }


def form(sent: dict[str, str], signature: str | None = None, *, encoded: bool = False) -> dict[str, Any]:
    headers = {
        "content-type": FORM,
        "x-twilio-signature": signature_for(TOKEN, URL, sent) if signature is None else signature,
    }
    return event(urlencode(sent), headers, encoded=encoded)


def signed_form(pairs: Iterable[tuple[str, str]], *, url: str = URL) -> dict[str, Any]:
    """As Twilio signs it: of each name sorted, each different value once. Spelled out, not with our own signature."""
    pairs = list(pairs)
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    digest = hmac.new(TOKEN.encode(), text.encode(), "sha1").digest()
    return event(
        urlencode(pairs), {"content-type": FORM, "x-twilio-signature": base64.b64encode(digest).decode()}
    )


def json_event(document: object, token: str = TOKEN) -> dict[str, Any]:
    return json_text_event(json.dumps(document), token)


def json_text_event(body: str, token: str = TOKEN) -> dict[str, Any]:
    url = url_for_body(URL, body.encode())
    headers = {"content-type": "application/json", "x-twilio-signature": signature_for(token, url, {})}
    return event(body, headers, query=url.partition("?")[2])


def call(request: dict[str, Any]) -> dict[str, Any]:
    return webhook.handler(request, None)
