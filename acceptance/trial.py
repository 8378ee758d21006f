"""One run of the acceptance tests: its own test messages, and what is known of the environment."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from acceptance.command_line import CommandLine
from acceptance.outcome import NotTried
from b2bpilot.ops.environment import Environment

HEALTHY = ("followed", "doubled", "signed")
POISONED = ("corrected", "discarded")
"""NumMedia is a word: the processor refuses such a message each time."""


CAN = frozenset({"ok", "warning"})


def message_id(run_id: str, name: str) -> str:
    """Return a message's id by its run: what a killed run has left is found without its memory."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run_id}/{name}"))


@dataclass(slots=True, kw_only=True)
class Trial:
    """What the steps share."""

    environment: Environment
    commands: CommandLine
    run_id: str
    patience: str
    """How long a row or a dead letter may take, as `--wait` has it."""
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What verify saw before the first message, by code."""
    expected_dead_letters: set[str] = field(default_factory=set)
    """Messages that become dead letters and were not seen in the queue yet."""

    def id_of(self, name: str) -> str:
        return message_id(self.run_id, name)

    @property
    def body(self) -> str:
        return f"acceptance test {self.run_id}"

    def can(self, code: str) -> bool:
        """Tell whether verify saw that the environment can do it."""
        return self.checks.get(code, {}).get("status") in CAN

    def require_checks(self, codes: Sequence[str]) -> None:
        """Raises NotTried when verify saw that the environment cannot do what a step needs."""
        for code in codes:
            check = self.checks.get(code)
            if check is None:
                raise NotTried(f"verify did not look at {code}")
            if not self.can(code):
                raise NotTried(f"{code} {check['statement']}: {check['status']}, {check['seen']}")


def all_ids(run_id: str) -> list[str]:
    return [message_id(run_id, name) for name in (*HEALTHY, *POISONED)]


def poisoned_ids(run_id: str) -> frozenset[str]:
    return frozenset(message_id(run_id, name) for name in POISONED)
