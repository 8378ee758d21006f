"""Which messages have high priority: those that are sent to certain numbers of ours."""

from __future__ import annotations

from collections.abc import Mapping

from b2bpilot.pipeline.message import Priority


def numbers_in(text: str) -> frozenset[str]:
    """Read a comma-separated list, as the template's parameter HighPriorityNumbers has it."""
    return frozenset(number for part in text.split(",") if (number := part.strip()))


def priority_of(params: Mapping[str, str], high: frozenset[str]) -> Priority:
    """Tell it from the number of ours that Twilio's parameters name, on whichever channel: `whatsapp:+1...` is `+1...`."""
    number = params.get("To", "").rpartition(":")[2].strip()
    return Priority.HIGH if number in high else Priority.NORMAL
