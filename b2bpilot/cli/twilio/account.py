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
    pilot.output.secrets.append(access.auth_token)
    where = f" at {access.api_url}" if access.api_url else ""
    pilot.tell(f"Twilio account {access.account_sid}{where}")
    return access


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
