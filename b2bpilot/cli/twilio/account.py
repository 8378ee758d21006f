"""The Twilio account of the named environment, for the commands that ask Twilio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import LOCAL

if TYPE_CHECKING:
    from b2bpilot.twilio.rest import TwilioAccess

API_URL = "TWILIO_API_URL"


def twilio_access_of(pilot: Pilot) -> TwilioAccess:
    """The token is kept out of everything that is printed. Raises SettingsInvalid, or AwsError."""
    from b2bpilot.ops.twilio_account import twilio_access

    access = twilio_access(pilot.environment, api_url=api_url_of(pilot))
    pilot.output.secrets += [each for each in (access.auth_token, access.api_secret) if each]
    where = f" at {access.api_url}" if access.api_url else ""
    pilot.tell(f"Twilio account {access.account_sid}{where}")
    if pilot.settings.environment != LOCAL:
        _tell_of_the_shell(pilot, access)
    return access


def _tell_of_the_shell(pilot: Pilot, access: TwilioAccess) -> None:
    """Twilio's own tools obey these variables; an environment's parts obey its secret, all alike."""
    for name, used in (("TWILIO_REGION", access.region), ("TWILIO_EDGE", access.edge)):
        given = pilot.environ.get(name)
        if given and given != used:
            theirs = (
                f"the environment's secret says {used}" if used else "the environment's secret names none"
            )
            pilot.output.notice(f"{name}={given} of this shell is not used: {theirs}.")


def api_url_of(pilot: Pilot) -> str | None:
    """The local environment has a double of Twilio, whatever the variable says; elsewhere only that leads away from
    Twilio."""
    if pilot.settings.environment != LOCAL or "endpoint_url" in pilot.given:
        return pilot.environ.get(API_URL) or None
    from b2bpilot.local import packages

    with packages.said_when_missing():
        from b2bpilot.local.control import running
    state = running(pilot.local_home)
    return state.twilio_api_url or None if state else None
