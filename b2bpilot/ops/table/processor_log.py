"""What the processor's log says of the database that it is connected to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from b2bpilot.aws.logs import LogGroup
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.logs.entry import entry
from b2bpilot.ops.ports import Log
from b2bpilot.ops.table.database_proof import DatabaseProof, Given, Written, prove_database
from b2bpilot.pipeline.database import DatabaseManager

FIELD = "database_identity"
LOCAL = "local"
"""The environment whose functions run on this machine."""
WINDOWS = (timedelta(minutes=15), timedelta(days=1), timedelta(days=14))
"""CloudWatch gives the oldest line first, so that the last one is looked for in a short time before a long one."""


def last_written(log: Log, *, now: datetime) -> Written | None:
    """Return the newest line's word; None when there is none in fourteen days. Raises AwsError."""
    for window in WINDOWS:
        found: Written | None = None
        for event in log.events(since=now - window, pattern=f'"{FIELD}"'):
            identity = entry(event, "processor").value(FIELD)
            if isinstance(identity, str) and identity:
                found = Written(at=event.at, identity=identity)
        if found is not None:
            return found
    return None


def prove_for(
    environment: Environment,
    database: DatabaseManager,
    given: Given,
    *,
    secret: Callable[[], str],
    now: datetime,
) -> DatabaseProof:
    """Prove that a database is the one of the environment's processor. Raises DatabaseError."""
    name = environment.stack.processor_function_name
    return prove_database(
        database,
        given,
        secret=secret,
        log=lambda: last_written(LogGroup.of_function(name, access=environment.access), now=now),
        is_here=environment.name == LOCAL,
    )
