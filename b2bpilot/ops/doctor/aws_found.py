"""How this machine reaches AWS, and as whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from b2bpilot.aws.found_credentials import find, identity
from b2bpilot.aws.reached import ask
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import AwsUnreachable, PilotError
from b2bpilot.ops.doctor.finding import Findings, fine, not_asked, refused, warned, wrong
from b2bpilot.pipeline.clock import WORTH_SAYING

TOO_FAR = timedelta(minutes=5)
"""AWS refuses what was signed by a clock that differs more."""
ONCE = Timeouts(connect_seconds=4, read_seconds=4, attempts=1)
SET_CLOCK = "let the system set its clock (NTP): AWS refuses requests of a clock that is 5 minutes off"

Spelled = Callable[[timedelta], str]


def who(access: AwsAccess, *, region: str | None, is_needed: bool) -> Findings:
    """The credentials: found where, taken by AWS as whom, until when."""
    try:
        found = find(access)
    except PilotError as exc:
        yield refused("credentials", exc, is_needed=is_needed)
        return
    if region is None:
        yield not_asked("credentials", f"there is no region to ask in; they are from {found.source}")
        return
    try:
        caller = identity(access, timeouts=ONCE)
    except AwsUnreachable as exc:
        yield not_asked("credentials", f"{exc}; they are from {found.source}")
    except PilotError as exc:
        yield wrong("credentials", f"from {found.source}: {exc}", exc.hint or "")
    else:
        expires_at = find(access).expires_at
        until = f", until {expires_at:%Y-%m-%d %H:%M} UTC" if expires_at else ""
        yield fine("credentials", f"{caller}, from {found.source}{until}")


def reached(access: AwsAccess, *, region: str | None, is_needed: bool, spelled: Spelled) -> Findings:
    """Whether AWS answers, and what time it has; `spelled` writes a difference between clocks."""
    try:
        endpoint = ask(access, region=region, timeouts=ONCE)
    except PilotError as exc:
        yield refused("network", exc, is_needed=is_needed)
        yield not_asked("clock", "AWS was not reached")
        return
    yield fine("network", f"{endpoint} answers")
    if not access.clock.is_known:
        yield not_asked("clock", f"{endpoint} does not say what time it is")
        return
    ahead = access.clock.machine_ahead()
    if abs(ahead) < WORTH_SAYING:
        yield fine("clock", "as AWS's")
    else:
        tell = wrong if abs(ahead) >= TOO_FAR else warned
        yield tell("clock", f"this machine's is {spelled(ahead)} AWS's", SET_CLOCK)
