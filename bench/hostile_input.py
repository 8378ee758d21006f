"""What twice as much of a stranger's text costs. Linear is 2."""

from __future__ import annotations

import base64
import hmac
import logging
import os
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from b2bpilot.cli.text.privacy import mask_numbers, without_secrets
from bench.environment import Environments
from bench.row import Turn
from lambdas.webhook_handler.handler import handler
from lambdas.webhook_handler.request import MAX_FIELDS

URL = "https://hooks.example.com/webhook"
TOKEN = "0123456789abcdef0123456789abcdef"
SETTINGS = {
    "SNS_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:nowhere",
    "PUBLIC_WEBHOOK_URL": URL,
    "TWILIO_AUTH_TOKEN": TOKEN,
}
RUNS = 10

Work = Callable[[], object]


def doubled(_: Environments) -> Iterator[Turn]:
    """Milliseconds of this process's own time."""
    before = dict(os.environ)
    os.environ.update(SETTINGS)
    logging.disable()
    try:
        while True:
            yield {
                f"{name}, {many:,}": _milliseconds(work(many))
                for name, work, size in KINDS
                for many in (size, 2 * size)
            }
    finally:
        logging.disable(logging.NOTSET)
        os.environ.clear()
        os.environ.update(before)


def _request(fields: int, *, is_signed: bool) -> Work:
    """A signed one has no MessageSid: it is verified whole, and then refused, with no topic to publish to."""
    pairs = [(f"name{number}", f"value{number}") for number in range(fields)]
    text = URL + "".join(name + value for name, value in sorted(pairs))
    digest = hmac.new(TOKEN.encode() if is_signed else b"another", text.encode(), "sha1").digest()
    event = {
        "headers": {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": base64.b64encode(digest).decode(),
        },
        "body": urlencode(pairs),
    }
    status = 400 if is_signed else 403
    assert handler(event, None)["statusCode"] == status
    return lambda: handler(event, None)


def _of(function: Callable[[str], object], text: str) -> Work:
    return lambda: function(text)


def _milliseconds(work: Work) -> float:
    """The least of some: other processes make a run slower, never faster."""
    taken = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken) * 1_000


KINDS: tuple[tuple[str, Callable[[int], Work], int], ...] = (
    ("fields, unsigned", lambda n: _request(n, is_signed=False), MAX_FIELDS // 2),
    ("fields, signed", lambda n: _request(n, is_signed=True), MAX_FIELDS // 2),
    ("passwords to mask", lambda n: _of(without_secrets, "a://b:" * n), 20_000),
    ("numbers to mask", lambda n: _of(mask_numbers, "+1500555000 " * n), 20_000),
)
