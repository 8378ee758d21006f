"""Which messages have high priority: those that are sent to certain numbers of ours."""

from __future__ import annotations

from collections.abc import Mapping

from b2bpilot.pipeline.message import Priority


def numbers_in(text: str) -> frozenset[str]:
    """Read a comma-separated list, as the template's parameter HighPriorityNumbers has it."""
    return frozenset(number for part in text.split(",") if (number := part.strip()))


def priority_of(params: Mapping[str, str], high: frozenset[str]) -> Priority:
    """Tell it from the number of ours that Twilio's parameters name: `whatsapp:+1...` is `+1...`. Behind a channel's name what
    is no telephone number is that channel's own id, and no short code."""
    channel, _, address = params.get("To", "").strip().rpartition(":")
    is_number = not channel or address.startswith("+")
    return Priority.HIGH if is_number and address in high else Priority.NORMAL
