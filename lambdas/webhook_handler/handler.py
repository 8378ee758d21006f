"""Twilio's webhook: verify, publish, answer. Only a message that SNS accepted gets a 200, and what is no message."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from os import environ
from typing import Any

from b2bpilot.aws.secrets import read_secret
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.topic import Topic
from b2bpilot.errors import AwsUnreachable, MessageTooLarge, PilotError, PublishFailed
from b2bpilot.pipeline.message import PilotMessage, encode
from b2bpilot.pipeline.settings import Settings
from lambdas.webhook_handler.config import Renewing, WebhookConfig, webhook_config
from lambdas.webhook_handler.request import (
    RejectedRequest,
    SignatureUnknown,
    StatusCallback,
    WebhookRequest,
    identity,
    message_from_request,
    read_request,
)

logger = logging.getLogger(__name__)

EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
TIMEOUTS = Timeouts(connect_seconds=1, read_seconds=2, attempts=1)
AT_ONCE_SECONDS = 0.5
"""Together less than the 4 s after which Twilio, with the override that we recommend, tries again."""


def _read_config() -> WebhookConfig:
    return webhook_config(Settings.from_env(environ, read_secret=_read_secret))


def _read_secret(arn: str) -> Mapping[str, str]:
    return read_secret(arn, AwsAccess().client("secretsmanager", TIMEOUTS))


_configuration = Renewing(_read_config)


@functools.cache
def _topic(topic_arn: str) -> Topic:
    return Topic.connect(topic_arn, timeouts=TIMEOUTS)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Answer one request of the HTTP API."""
    named = identity({})
    try:
        request = read_request(event)
        named = identity(request.form)
        message = _message(request)
        if isinstance(message, StatusCallback):
            return _noted(message)
        named = {**identity(message.params), "message_id": message.message_id}
        sns_message_id = _publish(message)
    except RejectedRequest as exc:
        _log_rejected(str(exc), named)
        return _answer(exc.status, str(exc))
    except MessageTooLarge as exc:
        _log_rejected(str(exc), named)
        return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the message is larger than SNS takes")
    except PilotError as exc:
        _log_not_published(str(exc), named)
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "the message could not be published; send it again")
    _log_published(message, sns_message_id, named)
    return _answer(HTTPStatus.OK, EMPTY_TWIML, content_type="text/xml", message_id=message.message_id)


def _noted(callback: StatusCallback) -> dict[str, Any]:
    """It has nothing to publish; an error would only make Twilio send it again."""
    extra = {"event": "status_callback", **identity(callback.params), "state": callback.state}
    logger.info("Status callback received", extra=extra)
    return _answer(HTTPStatus.OK, EMPTY_TWIML, content_type="text/xml")


def _message(request: WebhookRequest) -> PilotMessage | StatusCallback:
    received_at, config = datetime.now(UTC), _configuration.current()
    try:
        return message_from_request(request, config, received_at=received_at)
    except SignatureUnknown:
        renewed = _configuration.renewed()
        if renewed == config:
            raise
        return message_from_request(request, renewed, received_at=received_at)


def _publish(message: PilotMessage) -> str:
    """Publish, and once more when that failed at once, as over a connection that SNS closed while the container was
    frozen: Twilio sends a message again only where its URL says so."""
    topic, encoded, began = _topic(_configuration.current().topic_arn), encode(message), time.monotonic()
    try:
        return topic.publish(encoded)
    except (AwsUnreachable, PublishFailed):
        if time.monotonic() - began > AT_ONCE_SECONDS:
            raise
        return topic.publish(encoded)


def _log_rejected(reason: str, named: Mapping[str, str | None]) -> None:
    """The ids are what the request claims to be, for whoever looks for a message that never arrived."""
    logger.warning("Request rejected", extra={"event": "rejected", **named, "reason": reason})


def _log_not_published(error: str, named: Mapping[str, str | None]) -> None:
    logger.error("Message not published", extra={"event": "publish_failed", **named, "error": error})


def _log_published(message: PilotMessage, sns_message_id: str, named: Mapping[str, str | None]) -> None:
    extra = {
        "event": "published",
        **named,
        "sns_message_id": sns_message_id,
        "message_type": message.message_type.value,
        "priority": message.priority.value,
        "test": message.test,
    }
    logger.info("Message published", extra=extra)


def _answer(
    status: HTTPStatus, body: str, *, content_type: str = "text/plain", message_id: str | None = None
) -> dict[str, Any]:
    headers = {"content-type": f"{content_type}; charset=utf-8"}
    if message_id:
        headers["x-message-id"] = message_id
    return {"statusCode": int(status), "headers": headers, "body": body}
