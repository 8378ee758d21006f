"""Twilio's webhook: verify, publish, answer. Only a message that SNS accepted gets a 200."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from b2bpilot.aws.secrets import read_secret
from b2bpilot.aws.session import Timeouts
from b2bpilot.aws.topic import Topic
from b2bpilot.errors import MessageTooLarge, PilotError
from b2bpilot.pipeline.message import PilotMessage, encode
from b2bpilot.pipeline.settings import Settings
from lambdas.webhook_handler.config import WebhookConfig, webhook_config
from lambdas.webhook_handler.request import RejectedRequest, message_from_request, read_request

logger = logging.getLogger(__name__)

EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


@functools.cache
def _config() -> WebhookConfig:
    return webhook_config(Settings.from_env(os.environ, read_secret=read_secret))


@functools.cache
def _topic(topic_arn: str) -> Topic:
    """Twilio gives up after seconds: a slow SNS is answered with 503 in time for its retry."""
    return Topic.connect(topic_arn, timeouts=Timeouts(connect_seconds=1, read_seconds=3, attempts=2))


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Answer one request of the HTTP API."""
    message = None
    try:
        config = _config()
        message = message_from_request(read_request(event), config, received_at=datetime.now(UTC))
        sns_message_id = _topic(config.topic_arn).publish(encode(message))
    except RejectedRequest as exc:
        _log_rejected(str(exc), message_id=exc.claimed_message_id)
        return _answer(exc.status, str(exc))
    except MessageTooLarge as exc:
        _log_rejected(str(exc), message_id=message.message_id if message else None)
        return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the message is larger than SNS takes")
    except PilotError as exc:
        _log_not_published(message, str(exc))
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "the message could not be published; send it again")
    _log_published(message, sns_message_id)
    return _answer(HTTPStatus.OK, EMPTY_TWIML, content_type="text/xml", message_id=message.message_id)


def _log_rejected(reason: str, *, message_id: str | None) -> None:
    """The id is what the request claims to be, for whoever looks for a message that never arrived."""
    logger.warning(
        "Request rejected", extra={"event": "rejected", "message_id": message_id, "reason": reason}
    )


def _log_not_published(message: PilotMessage | None, error: str) -> None:
    message_id = message.message_id if message else None
    extra = {"event": "publish_failed", "message_id": message_id, "error": error}
    logger.error("Message not published", extra=extra)


def _log_published(message: PilotMessage, sns_message_id: str) -> None:
    extra = {
        "event": "published",
        "message_id": message.message_id,
        "sns_message_id": sns_message_id,
        "message_type": message.message_type.value,
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
