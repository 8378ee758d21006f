"""A table of the old system to migrate."""

from __future__ import annotations

import pytest

from tests.ops.migrations.tables import create_old_table


@pytest.fixture
def old_database_url(empty_database_url: str) -> str:
    """The DSN of a database with the old system's table and three rows."""
    create_old_table(empty_database_url)
    return empty_database_url
