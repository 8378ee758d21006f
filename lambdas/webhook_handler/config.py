"""What the webhook is told by its environment and its secret."""

from __future__ import annotations

from dataclasses import dataclass

from b2bpilot.errors import SettingsInvalid
from b2bpilot.pipeline.settings import Settings, required
from b2bpilot.twilio.signature import SigningSecrets


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig:
    """`public_url` is the URL as it stands in the Twilio console; signatures cover it, not what a request claims."""

    topic_arn: str
    public_url: str
    secrets: SigningSecrets


def webhook_config(settings: Settings) -> WebhookConfig:
    """Raises SettingsInvalid when something is missing that the webhook cannot work without."""
    if not settings.twilio_auth_tokens and not settings.twilio_shared_keys:
        raise SettingsInvalid(
            "TWILIO_AUTH_TOKEN is not set", hint="set the parameter TwilioAuthToken and deploy"
        )
    return WebhookConfig(
        topic_arn=required(settings.topic_arn, "SNS_TOPIC_ARN"),
        public_url=required(settings.public_webhook_url, "PUBLIC_WEBHOOK_URL"),
        secrets=SigningSecrets(
            auth_tokens=settings.twilio_auth_tokens, shared_keys=settings.twilio_shared_keys
        ),
    )
