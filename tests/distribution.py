"""How a run's tests are shared among its workers: the longest first, a file as a whole unless its tests stand alone.

Most of the long ones wait now and then (for a timeout of SQS, a lock, another process), so a run has more workers than the machine
has cores, and the waiting of one is the work of the others. A file is one unit, because its fixtures (an environment of its own,
above all) are started once for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import pytest

LONG = (
    "tests/upgrade/",
    "tests/local/test_claims.py",
    "tests/cli/dlq/test_archive_killed.py",
    "tests/local/test_redrive.py",
    "tests/deployment/test_plain_emulator.py",
    "tests/deployment/test_artifacts.py",
    "tests/faults/test_slice.py",
    "tests/local/test_lifecycle.py",
    "tests/local/test_drill.py",
    "tests/local/test_verify_aws.py",
    "tests/local/test_another_database.py",
    "tests/local/test_pipeline.py",
    "tests/local/test_twilio.py",
    "tests/local/test_load.py",
    "tests/local/test_acceptance.py",
    "tests/local/test_inspect.py",
    "tests/local/test_remote_redrive.py",
    "tests/local/test_verify_database.py",
    "tests/local/test_poisoned_shell.py",
    "tests/test_poisoned_suite.py",
    "tests/local/test_",
    "tests/deployment/test_tools_accept_the_template.py",
    "tests/deployment/test_alarms_played_through.py",
    "tests/deployment/test_wheel.py",
    "tests/subscriber/test_folder.py",
    "tests/cli/dlq/",
    "tests/cli/migrate/",
    "tests/cli/test_twilio.py",
    "tests/cli/test_verify.py",
    "tests/cli/test_tls.py",
    "tests/lambdas/test_webhook_cases.py",
    "tests/lambdas/test_webhook.py",
)
"""In the order in which they begin; a new file that takes long belongs here, else it may begin last and end alone."""

EACH_ALONE = ("tests/local/test_lifecycle.py", "tests/cli/migrate/test_interrupted.py")
"""Files whose tests start all that they need themselves: each is a unit."""


SHARED = {"environment": 2, "subscribed": 1}
"""Fixtures that a worker starts for all its tests, at a cost, and how many workers need to have one."""


def shared(items: Sequence[pytest.Item], unit: Sequence[int]) -> frozenset[str]:
    """Which of them a unit needs."""
    names = (name for place in unit for name in getattr(items[place], "fixturenames", ()))
    return frozenset(SHARED).intersection(names)


def place_for(needs: Sequence[frozenset[str]], has: frozenset[str], others: Counter[str]) -> int:
    """The place among the units that are left of the one for a worker: first what needs what it has, then what needs
    nothing that enough others have, then anything."""

    def is_good(needed: frozenset[str]) -> bool:
        return all(name in has or others[name] < SHARED[name] for name in needed)

    fitting = [place for place, needed in enumerate(needs) if is_good(needed)]
    own = [place for place in fitting if needs[place] and needs[place] <= has]
    return next(iter([*own, *fitting, 0]))


def units(items: Sequence[pytest.Item]) -> list[list[int]]:
    """The places of the tests that one worker runs one after the other."""
    found = groupby(enumerate(items), key=lambda numbered: _unit(numbered[1].nodeid))
    return [[place for place, _ in unit] for _, unit in found]


def _unit(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    return nodeid if file in EACH_ALONE else file


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Stable: within a file, and among files that are not long, the order stays."""
    return sorted(items, key=lambda item: _place(item.nodeid))


def _place(nodeid: str) -> int:
    return next((place for place, name in enumerate(LONG) if nodeid.startswith(name)), len(LONG))
