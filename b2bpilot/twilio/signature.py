"""Twilio's signature on a webhook (docs/aws-facts.md#webhook-signatures), over a public URL that we configured: never over a
host that the request names."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urldefrag, urlsplit, urlunsplit

from twilio.request_validator import HMAC_SHA1, RequestValidator, get_signature_algorithm

from b2bpilot.pipeline.several_values import pairs_of

SIGNATURE_HEADER = "x-twilio-signature"
SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"
BODY_HASH = "bodySHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSecrets:
    """What a webhook may be signed with."""

    auth_tokens: tuple[str, ...] = field(repr=False)
    shared_keys: Mapping[str, str] = field(repr=False)

    def matching(self, settings_header: str | None) -> tuple[str, ...]:
        """Return the secrets that the header asks for: a Shared Key by its id, or the auth tokens."""
        if not settings_header:
            return self.auth_tokens
        settings = dict(part.strip().partition("=")[::2] for part in settings_header.split(","))
        secret = self.shared_keys.get(settings.get("key", ""))
        return (secret,) if secret else ()


class Parameters(dict[str, str]):
    """Form parameters that keep a repeated name's values, as the signature covers all of them: of each name sorted, each
    different value once.

    Whoever calls the webhook may send any number of names, so they are sorted out once.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.pairs = tuple(pairs)
        super().__init__(self.pairs)
        self._values: dict[str, list[str]] = {}
        for name, value in self.pairs:
            self._values.setdefault(name, []).append(value)

    def getlist(self, name: str) -> list[str]:
        return self._values.get(name, [])


def is_signed_form(
    secrets: SigningSecrets,
    *,
    urls: Sequence[str],
    query: str,
    parameters: Parameters,
    signature: str,
    settings_header: str | None,
) -> bool:
    """Tell whether Twilio signed these form parameters for one of the URLs. Blank values count."""
    return any(
        _matches(secrets, candidate, parameters, signature, settings_header)
        for candidate in _candidates(urls, query)
    )


def is_signed_body(
    secrets: SigningSecrets,
    *,
    urls: Sequence[str],
    query: str,
    body: bytes,
    signature: str,
    settings_header: str | None,
) -> bool:
    """Tell whether Twilio signed this body: its hash stands in the URL's query, and the URL is signed."""
    return any(
        _has_body_hash(candidate, body)
        and _matches(secrets, candidate, Parameters(()), signature, settings_header)
        for candidate in _candidates(urls, query)
    )


def signature_for(token: str, url: str, parameters: Mapping[str, str]) -> str:
    """Return the signature that Twilio would send with these form parameters."""
    form = Parameters(pairs_of(parameters))
    signature: str = RequestValidator(token).compute_signature(url, form, HMAC_SHA1)
    return signature


def url_for_body(url: str, body: bytes) -> str:
    """Return the URL that Twilio calls with a JSON body: the body's hash is added to the query."""
    digest = f"{BODY_HASH}={hashlib.sha256(body).hexdigest()}"
    return f"{url}{'&' if urlsplit(url).query else '?'}{digest}"


def _candidates(urls: Sequence[str], query: str) -> Iterator[str]:
    """Yield each URL as configured (its `#rc=...` fragment is not signed), and with the query that was really called."""
    for url in urls:
        configured = urldefrag(url).url
        yield configured
        if query:
            yield urlunsplit(urlsplit(configured)._replace(query=query))


def _has_body_hash(url: str, body: bytes) -> bool:
    (expected, *_) = parse_qs(urlsplit(url).query).get(BODY_HASH, [""])
    return hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), expected.encode())


def _matches(
    secrets: SigningSecrets, url: str, parameters: Parameters, signature: str, settings_header: str | None
) -> bool:
    algorithm = get_signature_algorithm(settings_header)
    return any(
        RequestValidator(secret).validate(url, parameters, signature, algorithm)
        for secret in secrets.matching(settings_header)
    )
