"""One write to Twilio, and what is known of it afterwards.

Twilio promises nowhere that a read shows what was written before (docs/aws-facts.md#message-lists). So a write's own
answer is believed, one read proves nothing,
and a write without an answer is unknown until it was seen twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from b2bpilot.advice import Words
from b2bpilot.ops.cutover.change import Change
from b2bpilot.ops.cutover.route import RouteLevel
from b2bpilot.pipeline.waiting import wait_until
from b2bpilot.plural import many
from b2bpilot.twilio.failures import TwilioFailed
from b2bpilot.twilio.numbers import application, number, set_application_webhook, set_number_webhook
from b2bpilot.twilio.rest import Twilio
from b2bpilot.twilio.services import service, set_service_webhook
from b2bpilot.twilio.webhook_setting import WebhookSetting

LOOKS = 9
PAUSE_SECONDS = 1.0
ENOUGH = 2
"""What was seen so often in a row is so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What Twilio showed when it was asked again: `count` looks were answered, and in the end it was `shown` often enough."""

    shown: bool
    count: int
    failure: TwilioFailed | None = None


def make(twilio: Twilio, change: Change) -> bool:
    """Make a change; return whether it was read back, too: otherwise Twilio's answer alone says so.

    Raises TwilioFailed: `is_unknown` where the change may be made, now or in a moment; otherwise it certainly is not.
    """
    try:
        answered = _write(twilio, change)
    except TwilioFailed as exc:
        if not exc.is_unknown:
            raise
        return _seen(twilio, change, f"{exc}", enough=ENOUGH, hint=exc.hint)
    if answered != change.after:
        told = "Twilio answered with another setting than was written"
        return _seen(twilio, change, told, enough=ENOUGH, hint=None)
    told = "Twilio answered that it is changed"
    enough = LOOKS if change.is_contested else 1
    return _seen(twilio, change, told, enough=enough, hint=None, is_answered=True)


def read(twilio: Twilio, change: Change) -> WebhookSetting:
    """Return what Twilio shows now. Raises TwilioFailed."""
    match change.level:
        case RouteLevel.APPLICATION:
            return application(twilio, change.sid).webhook
        case RouteLevel.SERVICE:
            return service(twilio, change.sid).webhook
        case RouteLevel.NUMBER:
            return number(twilio, change.sid).webhook
        case _:
            assert_never(change.level)


def look_again(look: Callable[[], bool], *, enough: int) -> Looks:
    """Look until it was so `enough` times in a row, or for some seconds. A look that fails twice is the end of it."""
    looks = in_a_row = count = failed = 0
    failure = None

    def is_over() -> bool:
        nonlocal looks, in_a_row, count, failed, failure
        looks += 1
        try:
            in_a_row = in_a_row + 1 if look() else 0
            count, failed = count + 1, 0
        except TwilioFailed as exc:
            failure, failed = exc, failed + 1
        return in_a_row >= enough or failed >= ENOUGH or looks == LOOKS

    wait_until(is_over, seconds=LOOKS * PAUSE_SECONDS, pause_seconds=PAUSE_SECONDS)
    shown = in_a_row >= enough
    return Looks(shown=shown, count=count, failure=None if shown else failure)


def name_of(change: Change) -> str:
    return f"{change.level.value} {change.sid}"


def _seen(
    twilio: Twilio, change: Change, reason: str, *, enough: int, hint: Words | None, is_answered: bool = False
) -> bool:
    """Return True when the change is shown, False when it is only answered for. Raises TwilioFailed."""
    looks = look_again(lambda: read(twilio, change) == change.after, enough=enough)
    if looks.shown:
        return True
    if is_answered and not looks.count:
        return False
    seen = f"did not show it when it was looked at {many(looks.count, 'time')} afterwards"
    raise TwilioFailed(
        f"{reason}; {name_of(change)} {seen if looks.count else 'could not be read afterwards'}",
        hint=hint,
        is_unknown=True,
    )


def _write(twilio: Twilio, change: Change) -> WebhookSetting:
    match change.level:
        case RouteLevel.APPLICATION:
            return set_application_webhook(twilio, change.sid, change.after)
        case RouteLevel.SERVICE:
            return set_service_webhook(twilio, change.sid, change.after)
        case RouteLevel.NUMBER:
            return set_number_webhook(twilio, change.sid, change.after)
        case _:
            assert_never(change.level)
