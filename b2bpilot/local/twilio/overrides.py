"""A URL's connection overrides as Twilio documents them: names, ranges, defaults."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urldefrag

POLICIES = frozenset({"4xx", "5xx", "ct", "rt", "all"})
RANGES = {"ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000), "rc": (0, 5)}
DEFAULTS = {"ct": "5000", "rt": "15000", "tt": "15000", "rc": "1", "rp": "ct"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """By default a webhook is called once; only a connection that was not made is tried once more."""

    connect_seconds: float
    read_seconds: float
    total_seconds: float
    retries: int
    policy: frozenset[str]

    def retries_after(self, failure: str) -> bool:
        return failure in self.policy or ("all" in self.policy and failure in POLICIES)


def overrides_of(url: str) -> Overrides | None:
    """Return what holds for a URL; None where an override is not one that Twilio takes (error 11243)."""
    pairs = (part.partition("=") for part in urldefrag(url).fragment.split("&") if part)
    values = {**DEFAULTS, **{name: value for name, _, value in pairs}}
    if not all(_is_in(values[name], *bounds) for name, bounds in RANGES.items()):
        return None
    policy = frozenset(values["rp"].split(","))
    if not policy <= POLICIES or values.get("sni", "y") not in ("y", "n"):
        return None
    return Overrides(
        connect_seconds=int(values["ct"]) / 1000,
        read_seconds=int(values["rt"]) / 1000,
        total_seconds=int(values["tt"]) / 1000,
        retries=int(values["rc"]),
        policy=policy,
    )


def _is_in(value: str, least: int, most: int) -> bool:
    return value.isascii() and value.isdigit() and least <= int(value) <= most
