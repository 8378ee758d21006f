"""What leaves the program about people: numbers masked, bodies cut, secrets never."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

BODY_LENGTH = 40
SHORTEST_SECRET = 4
"""Shorter ones are left to the patterns: blanking every `b` would hide the message."""
TECHNICAL = re.compile(
    r"(Message|Sms|SmsMessage|Account|MessagingService|OriginalRepliedMessage)Sid"
    r"|Num(Media|Segments)|MediaContentType\d+|ApiVersion|SmsStatus|ButtonType|(From|To)Country|ErrorCode"
)
NUMBER = re.compile(r"\+\d{7,15}\b|(?<![\w.:-])\d{10,15}(?![\w.:-])")
NUMBERS = frozenset({"From", "To", "WaId", "OriginalRepliedMessageSender"})
WORD = re.compile(r"\S+")
BEFORE_PASSWORD = re.compile(r"(?<=[a-z0-9+.-])://[^\s:/@]*:", re.IGNORECASE)
"""What stands before a password in a URL; it ends with the word's last @, for it may hold one that is not escaped."""
EXAMPLE = "://USER:"
"""So our own hints begin; the password in them is none."""


def _spelled(name: str) -> str:
    """Return a pattern of a name in which characters may be percent-encoded: libpq decodes them."""
    return "".join(
        f"(?:{character}|%{ord(character):02x}|%{ord(character.upper()):02x})" for character in name
    )


IN_CONFIDENCE = "|".join(
    map(_spelled, ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"))
)
KEYWORD_PASSWORD = re.compile(
    rf"(?P<before>(?<![\w%])(?:{IN_CONFIDENCE})\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]+)", re.IGNORECASE
)


def mask_number(number: str) -> str:
    """`whatsapp:+15005550006` -> `whatsapp:+1500***0006`: enough to compare, not enough to call."""
    channel, separator, rest = number.rpartition(":")
    head, tail = max(0, min(5, len(rest) - 7)), min(4, max(0, len(rest) - 3))
    return f"{channel}{separator}{rest[:head]}***{rest[len(rest) - tail :]}"


def mask_numbers(text: str) -> str:
    """Mask what looks like a phone number in free text."""
    return NUMBER.sub(lambda found: mask_number(found[0]), text)


def cut(free_text: str, length: int = BODY_LENGTH) -> str:
    """Return the beginning of free text, the numbers in it masked."""
    text = mask_numbers(free_text)
    return text if len(text) <= length else f"{text[:length]}..."


def shown_params(params: Mapping[str, str]) -> dict[str, str]:
    """Return Twilio's parameters as they may be shown: what is not known to be technical may be about a person."""
    return {name: _shown(name, value) for name, value in params.items()}


def _shown(name: str, value: str) -> str:
    if not value or TECHNICAL.fullmatch(name):
        return value
    if name in NUMBERS:
        return mask_number(value)
    return cut(value) if name == "Body" else "***"


def passwords_in(dsn: str) -> list[str]:
    """Return the spellings of the passwords in a connection string, for `without_secrets`."""
    from urllib.parse import unquote

    found = [url[begin:end] for url in WORD.findall(dsn) for begin, end in _password_in(url)]
    found += [match[2] for match in KEYWORD_PASSWORD.finditer(dsn)]
    bare = [re.sub(r"\\(.)", r"\1", text.strip("'")) for text in found]
    spellings = {spelling for text in (*found, *bare) for spelling in (text, text.strip("'"), unquote(text))}
    return sorted(spelling for spelling in spellings if len(spelling) >= SHORTEST_SECRET)


def without_secrets(text: str, *secrets: str) -> str:
    """Blank passwords in connection strings, and the given secrets wherever they stand."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    if "://" in text:
        text = WORD.sub(_without_password, text)
    return KEYWORD_PASSWORD.sub(r"\g<before>***", text)


def _without_password(word: re.Match[str]) -> str:
    url = word[0]
    for begin, end in _password_in(url):
        is_example = url[:begin].endswith(EXAMPLE) and url[begin:end] == "PASSWORD"
        return url if is_example else f"{url[:begin]}***{url[end:]}"
    return url


def _password_in(url: str) -> Iterator[tuple[int, int]]:
    """Yield where it begins and ends. Not one pattern: looking for the @ anew behind each `://` costs the square."""
    end = url.rfind("@")
    if end >= 0 and (found := BEFORE_PASSWORD.search(url, 0, end)):
        yield found.end(), end
