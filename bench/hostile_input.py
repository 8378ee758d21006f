"""What twice as much of a stranger's text costs: `python -m bench.hostile_input`. A ratio in one run; linear is 2."""

from __future__ import annotations

import base64
import hmac
import logging
import os
import time
from collections.abc import Callable
from urllib.parse import urlencode

from b2bpilot.cli.text.privacy import mask_numbers, without_secrets
from lambdas.webhook_handler.handler import handler
from lambdas.webhook_handler.request import MAX_FIELDS

URL = "https://hooks.example.com/webhook"
TOKEN = "0123456789abcdef0123456789abcdef"
SETTINGS = {
    "SNS_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:nowhere",
    "PUBLIC_WEBHOOK_URL": URL,
    "TWILIO_AUTH_TOKEN": TOKEN,
}
RUNS = 30
MOST = 2.5

Work = Callable[[], object]


def main() -> None:
    os.environ.update(SETTINGS)
    logging.disable()
    for name, work, size in (
        ("webhook, unsigned", lambda n: _request(n, is_signed=False), MAX_FIELDS // 2),
        ("webhook, signed", lambda n: _request(n, is_signed=True), MAX_FIELDS // 2),
        ("masking of passwords", lambda n: _of(without_secrets, "a://b:" * n), 20_000),
        ("masking of numbers", lambda n: _of(mask_numbers, "+1500555000 " * n), 20_000),
    ):
        ratio = _seconds(work(2 * size)) / _seconds(work(size))
        print(f"{name}: {2 * size:,} cost {ratio:.2f} times what {size:,} cost (at most {MOST})")


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


def _seconds(work: Work) -> float:
    """Of this process's own CPU time the least: other processes make a run slower, never faster."""
    taken = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


if __name__ == "__main__":
    main()
