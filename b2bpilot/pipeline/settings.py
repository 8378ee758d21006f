"""The settings of the three functions: read once from the environment, secrets kept out of repr."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from b2bpilot.errors import SettingsInvalid
from b2bpilot.pipeline.database_secret import Elsewhere, database_url
from b2bpilot.pipeline.lease import LONGEST_LEASE
from b2bpilot.pipeline.priority import numbers_in

SecretReader = Callable[[str], Mapping[str, str]]
"""Given the ARN of a secret, returns its fields."""

VARIABLES = (
    *(
        "SECRET_ARN",
        "TWILIO_SECRET_ARN",
        "DATABASE_SECRET_ARN",
        "DATABASE_HOST",
        "DATABASE_PORT",
        "DATABASE_NAME",
        "DATABASE_URL",
        "DATABASE_CA",
        "SNS_TOPIC_ARN",
        "PROCESSOR_FUNCTION_NAME",
        "STALE_AFTER_MINUTES",
        "LONGEST_LEASE_SECONDS",
        "PROCESSOR_CONCURRENCY",
        "REPLY_TEXT",
        "HIGH_PRIORITY_NUMBERS",
        "OLD_QUEUE_ARN",
        "SENDS_REPLIES",
    ),
    *("PUBLIC_WEBHOOK_URL", "API_WEBHOOK_URL", "PREVIOUS_WEBHOOK_URL"),
    *(
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "TWILIO_SECONDARY_AUTH_TOKEN",
        "TWILIO_SHARED_KEYS",
        "TWILIO_API_URL",
        "TWILIO_API_KEY",
        "TWILIO_API_SECRET",
        "TWILIO_REGION",
        "TWILIO_EDGE",
    ),
)
"""Every name that is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a function may be told. A setting that a function needs and lacks is asked for with `required`."""

    topic_arn: str | None
    public_webhook_url: str | None
    other_webhook_urls: tuple[str, ...]
    """What Twilio may call beside it: the API's own URL, and the public one before it was moved."""
    reply_text: str | None
    high_priority_numbers: frozenset[str]
    """Numbers of ours; what is sent to them comes first."""
    old_queue_arn: str | None
    """The queue of the SQS version, while it is drained."""
    sends_replies: bool
    """Whether the processor does, which what the SQS version began is marked for. Who is not told takes it to: so does a
    replay, which sends none itself."""
    stale_after: timedelta
    longest_lease: timedelta
    """Shorter than Lambda's first pause between two tries, which the local environment shortens."""
    processor_function_name: str | None
    processor_concurrency: int
    """How many of its executions the account reserves for it."""
    twilio_account_sid: str | None
    twilio_api_url: str | None
    """Where Twilio's hosts are, if not at Twilio: the double of the local environment."""
    twilio_api_key: str | None
    twilio_region: str | None
    twilio_edge: str | None
    database_url: str | None = field(repr=False)
    database_ca: str | None = field(repr=False)
    """In PEM: whom a connection believes that verifies the server's certificate."""
    twilio_auth_tokens: tuple[str, ...] = field(repr=False)
    """The primary and, while a token is rotated, the secondary one."""
    twilio_api_secret: str | None = field(repr=False)
    twilio_shared_keys: Mapping[str, str] = field(repr=False)
    """Secrets of Shared Keys by their id, for webhooks signed with one."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, read_secret: SecretReader) -> Settings:
        """Read the environment and the secrets that it names. What a secret holds wins, also where that is empty:
        a variable of the same name is somebody else's, or of before the secret.

        Raises SettingsInvalid for what cannot be used, and whatever `read_secret` raises.
        """
        variables = {name: value for name, value in environ.items() if value}
        secret = _secrets(variables, read_secret)
        values = {**variables, **(secret or {})}
        # The commands read the secret alone: a region that only a function knew would part them.
        how = variables if secret is None else secret
        others = (values.get("API_WEBHOOK_URL"), values.get("PREVIOUS_WEBHOOK_URL"))
        tokens = (values.get("TWILIO_AUTH_TOKEN"), values.get("TWILIO_SECONDARY_AUTH_TOKEN"))
        return cls(
            topic_arn=values.get("SNS_TOPIC_ARN"),
            public_webhook_url=values.get("PUBLIC_WEBHOOK_URL"),
            other_webhook_urls=tuple(url for url in others if url),
            reply_text=values.get("REPLY_TEXT"),
            high_priority_numbers=numbers_in(values.get("HIGH_PRIORITY_NUMBERS", "")),
            old_queue_arn=values.get("OLD_QUEUE_ARN"),
            sends_replies=environ.get("SENDS_REPLIES") != "false" and environ.get("REPLY_TEXT") != "",
            stale_after=_minutes(values.get("STALE_AFTER_MINUTES") or "15"),
            longest_lease=_lease(values.get("LONGEST_LEASE_SECONDS")),
            processor_function_name=values.get("PROCESSOR_FUNCTION_NAME"),
            processor_concurrency=_count(values.get("PROCESSOR_CONCURRENCY", "10"), "PROCESSOR_CONCURRENCY"),
            twilio_account_sid=values.get("TWILIO_ACCOUNT_SID"),
            twilio_api_url=values.get("TWILIO_API_URL"),
            twilio_api_key=how.get("TWILIO_API_KEY") or None,
            twilio_api_secret=how.get("TWILIO_API_SECRET") or None,
            twilio_region=how.get("TWILIO_REGION") or None,
            twilio_edge=how.get("TWILIO_EDGE") or None,
            database_url=values.get("DATABASE_URL"),
            database_ca=values.get("DATABASE_CA"),
            twilio_auth_tokens=tuple(token for token in tokens if token),
            twilio_shared_keys=_shared_keys(values.get("TWILIO_SHARED_KEYS")),
        )


def _secrets(variables: Mapping[str, str], read_secret: SecretReader) -> Mapping[str, str] | None:
    """Return what the function's secrets hold, None when it has none. Of each only what it is for: a secret of RDS's, or of
    a customer, has fields of its own. SECRET_ARN, which names one for both, is of the release before (decision 31)."""
    twilio, database = variables.get("TWILIO_SECRET_ARN"), variables.get("DATABASE_SECRET_ARN")
    if not twilio and not database:
        both = variables.get("SECRET_ARN")
        return read_secret(both) if both else None
    held = _of("TWILIO_", read_secret(twilio)) if twilio else {}
    if database:
        secret = read_secret(database)
        elsewhere = Elsewhere(
            host=variables.get("DATABASE_HOST", ""),
            port=variables.get("DATABASE_PORT", ""),
            name=variables.get("DATABASE_NAME", ""),
        )
        held |= _of("DATABASE_", secret) | {"DATABASE_URL": database_url(secret, database, elsewhere)}
    return held


def _of(prefix: str, secret: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in secret.items() if name.startswith(prefix)}


def required(value: str | None, name: str) -> str:
    """Return a setting that the caller cannot work without. Raises SettingsInvalid."""
    if not value:
        raise SettingsInvalid(
            f"{name} is not set", hint="set the template's parameter of that meaning and deploy"
        )
    return value


def _minutes(text: str) -> timedelta:
    try:
        minutes = float(text)
    except ValueError as exc:
        raise SettingsInvalid(f"STALE_AFTER_MINUTES is {text!r}; it must be a number") from exc
    if not minutes > 0:
        raise SettingsInvalid(f"STALE_AFTER_MINUTES is {text!r}; it must be more than 0")
    return timedelta(minutes=minutes)


def _count(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise SettingsInvalid(f"{name} is {text!r}; it must be a whole number")
    return int(text)


def _lease(text: str | None) -> timedelta:
    try:
        seconds = float(text) if text else LONGEST_LEASE.total_seconds()
    except ValueError as exc:
        raise SettingsInvalid(f"LONGEST_LEASE_SECONDS is {text!r}; it must be a number") from exc
    if not 0 < seconds <= LONGEST_LEASE.total_seconds():
        raise SettingsInvalid(
            f"LONGEST_LEASE_SECONDS is {text!r}; it must be more than 0, and at most"
            f" {LONGEST_LEASE.total_seconds():g}: a longer lease outlives Lambda's retries"
        )
    return timedelta(seconds=seconds)


def _shared_keys(value: object) -> Mapping[str, str]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as exc:
            raise SettingsInvalid("TWILIO_SHARED_KEYS is not a JSON object of key id to secret") from exc
    return {str(key): str(secret) for key, secret in value.items()} if isinstance(value, dict) else {}
