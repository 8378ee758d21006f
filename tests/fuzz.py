"""How many examples the property tests draw: `make fuzz` asks for many times more than `make test`."""

from __future__ import annotations

import os

VARIABLE = "B2BPILOT_FUZZ"
BY_DEFAULT = 100
"""hypothesis's own number."""


def examples(count: int = BY_DEFAULT) -> int:
    return count * int(os.environ.get(VARIABLE, "1"))
