"""What a run was told to do, in words: the journal keeps it for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

SECONDS = "_seconds"
NO_LIMIT = 10**9
"""The limit of a run that takes all there is."""


def in_words(parameters: Mapping[str, object]) -> str:
    """Return `via invoke, include poison, wait 3 s`: what was not asked for is left out."""
    return ", ".join(_parts(parameters))


def _parts(parameters: Mapping[str, object]) -> Iterator[str]:
    for name, value in parameters.items():
        label = name.removesuffix(SECONDS).replace("_", " ")
        if isinstance(value, Mapping):
            yield from _parts(value)
        elif value is True:
            yield label
        elif value not in (None, False, "", []) and (name, value) != ("limit", NO_LIMIT):
            yield f"{label} {_value(name, value)}"


def _value(name: str, value: object) -> str:
    match value:
        case list():
            return " and ".join(map(str, value))
        case int() | float() if name == "max_failures":
            return f"{value * 100:g}%"
        case int() | float() if name.endswith(SECONDS):
            return f"{value:g} s"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,g}"
        case _:
            return str(value)
