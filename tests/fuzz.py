"""How many examples the property tests draw: `make fuzz` asks for many times more than `make test`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

VARIABLE = "B2BPILOT_FUZZ"
BY_DEFAULT = 100
"""hypothesis's own number."""


SLICE = 0.4
"""Of what hypothesis would draw, in `make test`, by a seed that it prints."""


def examples(count: int) -> int:
    return count * int(os.environ.get(VARIABLE, "1"))


def drawn(count: int = BY_DEFAULT) -> int:
    """hypothesis's `max_examples`: a slice in `make test`, many times `count` in `make fuzz`."""
    return examples(count) if VARIABLE in os.environ else round(count * SLICE)


def attacks(slice_: int, *, whole: int) -> settings:
    """What a stranger may send: in `make test` the same few each time, in `make fuzz` so many that docs/proof.md names them."""
    is_slice = VARIABLE not in os.environ
    return settings(
        max_examples=slice_ if is_slice else whole,
        derandomize=is_slice,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
