"""What the webhook is told by its environment and its secret, and when it asks anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from b2bpilot.errors import PilotError, SettingsInvalid
from b2bpilot.pipeline.settings import Settings, required
from b2bpilot.twilio.signature import SigningSecrets

RENEW_AFTER_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig:
    """`public_urls` are spelled as they stand in the Twilio console; signatures cover one of them, not what a request claims."""

    topic_arn: str
    public_urls: tuple[str, ...]
    secrets: SigningSecrets
    high_priority_numbers: frozenset[str] = frozenset()


class Renewing:
    """The configuration of a container, which may outlive the secret that it was read from.

    Whoever makes up signatures can make it read again, so that happens at most once in `RENEW_AFTER_SECONDS`.
    """

    def __init__(
        self, read: Callable[[], WebhookConfig], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._monotonic = monotonic
        self._config: WebhookConfig | None = None
        self._problem: PilotError | None = None
        self._read_at = 0.0

    def current(self) -> WebhookConfig:
        """Read at the first use. Raises what reading raises."""
        if self._config is None:
            self._read_at = self._monotonic()
            self._config = self._read()
        return self._config

    def renewed(self) -> WebhookConfig:
        """Read again, unless that was done a moment ago. Raises the PilotError with which the last reading ended: until
        the next one nobody can tell what the secret holds."""
        if self._monotonic() - self._read_at >= RENEW_AFTER_SECONDS:
            self._read_at = self._monotonic()
            self._renew()
        if self._problem is not None:
            raise self._problem.with_traceback(None)
        return self.current()

    def _renew(self) -> None:
        try:
            self._config, self._problem = self._read(), None
        except PilotError as exc:
            self._problem = exc


def webhook_config(settings: Settings) -> WebhookConfig:
    """Raises SettingsInvalid when something is missing that the webhook cannot work without."""
    if not settings.twilio_auth_tokens and not settings.twilio_shared_keys:
        raise SettingsInvalid(
            "TWILIO_AUTH_TOKEN is not set", hint="set the parameter TwilioAuthToken and deploy"
        )
    public_url = required(settings.public_webhook_url, "PUBLIC_WEBHOOK_URL")
    return WebhookConfig(
        topic_arn=required(settings.topic_arn, "SNS_TOPIC_ARN"),
        high_priority_numbers=settings.high_priority_numbers,
        public_urls=tuple(dict.fromkeys((public_url, *settings.other_webhook_urls))),
        secrets=SigningSecrets(
            auth_tokens=settings.twilio_auth_tokens, shared_keys=settings.twilio_shared_keys
        ),
    )
