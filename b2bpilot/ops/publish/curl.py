"""A message for the webhook as a command to paste: the request that `publish` would send, signed, without the token."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from b2bpilot.errors import UsageError
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.twilio.signature import SIGNATURE_HEADER
from b2bpilot.twilio.webhook import SignedRequest, signed_form, signed_test

LONGEST_ARGUMENT = 131_071
"""Bytes: Linux starts no program with a longer one (MAX_ARG_STRLEN)."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def curl_command(message: PilotMessage, *, url: str, auth_token: str) -> str:
    """Return one line of printable ASCII for a POSIX shell. Raises UsageError for what no command line can send."""
    request = _request(message, url, auth_token)
    body = request.body.decode("ascii")
    if len(shlex.quote(body)) > LONGEST_ARGUMENT:
        raise UsageError(
            f"the request has {len(body):,} bytes, too many for a command line", hint="leave out --as-curl"
        )
    words = [
        "curl",
        "-isS",
        *(["--noproxy", "*"] if urlsplit(request.url).hostname in LOOPBACK else []),
        *("-H", f"Content-Type: {request.content_type}"),
        *("-H", f"{SIGNATURE_HEADER}: {request.signature}"),
        *("--data-raw", body),
        request.url,
    ]
    return shlex.join(words)


def _request(message: PilotMessage, url: str, auth_token: str) -> SignedRequest:
    if message.test:
        return signed_test(url, message.message_id, message.params, auth_token=auth_token)
    if "MessageSid" not in message.params:
        raise UsageError(
            "a real message needs its MessageSid to go through the webhook",
            hint="name a fixture, such as text, or add --set MessageSid=SM...",
        )
    try:
        return signed_form(url, message.params, auth_token=auth_token)
    except UnicodeEncodeError as exc:
        raise UsageError(
            f"the message holds something that is not text: {exc.object[exc.start : exc.end]!r}"
        ) from exc
