"""The Twilio account of an environment: its secret says which one."""

from __future__ import annotations

from b2bpilot.aws.secrets import read_secret
from b2bpilot.clock import HostClock
from b2bpilot.errors import SettingsInvalid
from b2bpilot.ops.environment import Environment
from b2bpilot.twilio.rest import TwilioAccess


def twilio_access(environment: Environment, *, api_url: str | None) -> TwilioAccess:
    """Return how the environment's functions reach Twilio. Raises SettingsInvalid, or AwsError."""
    arn = environment.stack.secret_arn
    values = read_secret(arn, environment.access.client("secretsmanager"))
    account_sid, token = values.get("TWILIO_ACCOUNT_SID"), values.get("TWILIO_AUTH_TOKEN")
    if not account_sid or not token:
        raise SettingsInvalid(
            f"secret {arn} has no TWILIO_ACCOUNT_SID or no TWILIO_AUTH_TOKEN",
            hint="set the parameters TwilioAccountSid and TwilioAuthToken and deploy",
        )
    clock = HostClock("Twilio", machine=environment.access.clock.machine)
    return TwilioAccess(account_sid=account_sid, auth_token=token, api_url=api_url, clock=clock)
