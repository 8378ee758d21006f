"""Looking at routes as they are shown now, more than once: Twilio's lists may show for a while what was before
(docs/aws-facts.md#message-lists)."""

from __future__ import annotations

from b2bpilot.ops.cutover import writing
from b2bpilot.ops.cutover.change import Change, Chosen, astray, changes, choose
from b2bpilot.ops.cutover.route import NumberRoute, routes
from b2bpilot.ops.cutover.switch import STEADY
from b2bpilot.pipeline.waiting import pause
from b2bpilot.twilio.rest import Twilio


def plan(
    twilio: Twilio, *, number: str | None, service: str | None, url: str, fallback_url: str | None
) -> tuple[Chosen, list[Change]]:
    """Return what was chosen and the changes that it needs. That it needs none is looked at again before it is said.

    Raises as `choose` does, and TwilioFailed.
    """
    for place in range(STEADY):
        if place:
            pause(writing.PAUSE_SECONDS)
        chosen = choose(routes(twilio), number=number, service=service)
        needed = [each for each in changes(chosen, url=url, fallback_url=fallback_url) if each.is_needed]
        if needed:
            break
    return chosen, needed


def delivering(twilio: Twilio, chosen: Chosen, url: str) -> list[NumberRoute]:
    """Return the routes of what was chosen as soon as they all deliver to the URL, or as they are after some seconds.

    Raises TwilioFailed.
    """
    sids = {each.number.sid for each in chosen.affected}
    found: list[NumberRoute] = []

    def look() -> bool:
        found[:] = [each for each in routes(twilio) if each.number.sid in sids]
        return not astray(found, url)

    looks = writing.look_again(look, enough=1)
    if not looks.count and looks.failure:
        raise looks.failure
    return found
