"""A world for each test: a double of Twilio and a fresh table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from b2bpilot.pipeline.database import DatabaseManager
from tests.ops.reconcile.deployment import Deployment
from tests.twilio.double import NOW, running_double


@pytest.fixture
def deployment(database_url: str) -> Iterator[Deployment]:
    with running_double() as double, DatabaseManager(database_url) as database:
        yield Deployment(double=double, database=database, now=NOW)
