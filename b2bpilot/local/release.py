"""What an environment runs: this checkout, or, for the proof of an upgrade, another version."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from b2bpilot import resources
from b2bpilot.local.runtime.code import Load, load_here
from b2bpilot.ops import migrations

HANDLER = re.compile(r"(?m)^ +Handler: (\S+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The template, what makes the table of an empty database, and what loads the functions' code."""

    template: Path = field(default_factory=resources.template)
    migrate: Callable[[str], object] = migrations.apply
    load: Load = load_here

    @property
    def handlers(self) -> frozenset[str]:
        """Return the handlers that the template's functions have."""
        return frozenset(HANDLER.findall(self.template.read_text()))
