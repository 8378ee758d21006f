"""The Twilio account of an environment: its secret says which one."""

from __future__ import annotations

from b2bpilot.aws.secrets import read_secret
from b2bpilot.errors import SettingsInvalid
from b2bpilot.ops.environment import Environment
from b2bpilot.pipeline.clock import HostClock
from b2bpilot.twilio.rest import TwilioAccess, access_of


def twilio_access(environment: Environment, *, api_url: str | None) -> TwilioAccess:
    """Return how the environment's functions reach Twilio. Raises SettingsInvalid, or AwsError."""
    arn = environment.stack.twilio_secret
    values = read_secret(arn, environment.access.client("secretsmanager"))
    clock = HostClock("Twilio", machine=environment.access.clock.machine)
    access = access_of(values, api_url=api_url, clock=clock)
    if access is None:
        raise SettingsInvalid(
            f"secret {arn} has no TWILIO_ACCOUNT_SID or no TWILIO_AUTH_TOKEN",
            hint="set the parameters TwilioAccountSid and TwilioAuthToken and deploy",
        )
    return access
