"""Twilio's connection overrides in a URL's fragment, `#rc=3&rp=5xx`: whether they are ones, and what they lead to.

Names, values, ranges and defaults: twilio.com/docs/usage/webhooks/webhooks-connection-overrides. An invalid one is error 11243 when a
message comes in. What the page does not say (an unknown name, a name twice) counts as none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

TOTAL_MILLISECONDS = 15_000
"""What Twilio allows in all. Whether the fallback has as much of its own is not documented."""
RANGES = {"ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000), "rc": (0, 5)}
DEFAULTS = {"ct": "5000", "rt": "15000", "tt": "15000", "rc": "1", "rp": "ct"}
POLICIES = ("4xx", "5xx", "ct", "rt", "all")
SNI = ("y", "n")
NAMES = frozenset({*RANGES, "rp", "sni", "e"})
NUMBER = re.compile(r"0|[1-9][0-9]{0,5}")
EDGES = re.compile(r"[a-z]+(?:-[a-z]+)*(?:,[a-z]+(?:-[a-z]+)*)*")
"""How edge locations are spelled; which there are is Twilio's to say (error 11240)."""


def faults_of(url: str) -> list[str]:
    """Return what of a URL's fragment is no override, in words; empty where all of it is, or there is none."""
    _, has_fragment, fragment = url.partition("#")
    if not fragment:
        return ["nothing follows its #"] if has_fragment else []
    pairs = [part.partition("=") for part in fragment.split("&")]
    names = [name for name, _, _ in pairs]
    twice = [f"{name} is given twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    return [*(fault for name, _, value in pairs for fault in _faults(name, value)), *twice]


def retries_server_errors(url: str) -> bool:
    """Tell whether Twilio calls this URL again after a 5xx."""
    return _is_retried(url, "5xx")


def retries_timeouts(url: str) -> bool:
    """Tell whether it calls it again when no answer came in time, and has time left for that."""
    values = _values(url)
    least, _ = RANGES["rt"]
    return _is_retried(url, "rt") and int(values["rt"]) + least <= int(values["tt"])


def longest_milliseconds(url: str) -> int:
    """Return how long Twilio may be busy with this URL before it calls the fallback: all its tries, or the whole time."""
    values = _values(url)
    tries = 1 + int(values["rc"])
    return min(int(values["tt"]), tries * (int(values["ct"]) + int(values["rt"])))


def one_try_milliseconds(url: str) -> int:
    """Return how long one call of this URL may take."""
    values = _values(url)
    return min(int(values["tt"]), int(values["ct"]) + int(values["rt"]))


def _is_retried(url: str, kind: str) -> bool:
    if faults_of(url):
        return False
    values = _values(url)
    return values["rc"] != "0" and bool({kind, "all"} & set(values["rp"].split(",")))


def _values(url: str) -> Mapping[str, str]:
    pairs = (part.partition("=") for part in url.partition("#")[2].split("&"))
    return {**DEFAULTS, **{name: value for name, _, value in pairs}}


def _faults(name: str, value: str) -> Iterator[str]:
    match name:
        case _ if name in RANGES:
            least, most = RANGES[name]
            if not NUMBER.fullmatch(value) or not least <= int(value) <= most:
                yield f"{name}={value} is not {least} to {most}"
        case "rp":
            wrong = [each or "nothing" for each in value.split(",") if each not in POLICIES]
            if wrong:
                yield f"rp={value} has {', '.join(wrong)}; there are {', '.join(POLICIES)}"
        case "sni":
            if value not in SNI:
                yield f"sni={value} is neither y nor n"
        case "e":
            if not EDGES.fullmatch(value):
                yield f"e={value} is not a list of edge locations"
        case _:
            yield f"{name or 'an empty name'} is not an override; there are {', '.join(sorted(NAMES))}"
