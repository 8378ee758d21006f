"""Where Twilio sends inbound messages, as it is set; how a URL is probed. Imports little."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from b2bpilot.errors import Refused

RECOMMENDED_OVERRIDES = "rc=3&rp=5xx,ct,rt&ct=2000&rt=4000"
"""Twilio's default retries nothing but a failed connect (docs/aws-facts.md#webhook-retries); with these it has time for
a second and a third try after a timeout, and ends the last one after 15 s in all."""
PAIR_OVERRIDES = f"{RECOMMENDED_OVERRIDES}&tt=9000"
"""Of a primary whose fallback is the other side of a pair: 9 s of the 15 are its own, so that one try of the fallback, with
the recommended settings, has time left whether or not Twilio gives it 15 s of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSetting:
    """URLs to the letter, `#...` fragments included; an empty one is none."""

    url: str
    method: str = "POST"
    fallback_url: str = ""
    fallback_method: str = "POST"


def parts_of(url: str) -> SplitResult:
    """Take a URL apart that somebody else has set or Twilio has noted. What is none, as Twilio's error 11100 has it, is all
    path."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return SplitResult("", "", url, "", "")
    return parts


class ProbeKind(StrEnum):
    """What the probe looks like."""

    JSON = "json"
    """A test message that our webhook stores as one: no reply is sent."""
    FORM = "form"
    """As Twilio's own: any other system takes it for a real message from Twilio's test number."""


def require_url(setting: WebhookSetting, sid: str) -> None:
    """Raise Refused for a blank URL: Twilio would neither deliver nor keep what is sent to it
    (docs/aws-facts.md#effective-url)."""
    if not setting.url.strip():
        raise Refused(f"{sid} would be left without a URL: messages to it would be lost for good")
