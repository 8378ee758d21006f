"""Connection poolers: which can be worked through, and which cannot.

A session-level lock and CREATE INDEX CONCURRENTLY need one session that stays ours. A pooler that lends a session for a
transaction at a time breaks both without an error. PgBouncer, RDS Proxy and their like give the client a process id of
their own; two clients that are served by one session, or one that changes its session, prove the lending.
"""

from __future__ import annotations

import psycopg

from b2bpilot.errors import Refused
from b2bpilot.ops.migrations.lock import own_pid
from b2bpilot.pipeline.dsn import place


def require_sessions(connection: psycopg.Connection, second: psycopg.Connection, dsn: str) -> bool:
    """Return whether a pooler is in between that gives whole sessions, as far as can be seen. Raises Refused for one
    that does not."""
    pid, others, again = own_pid(connection), own_pid(second), {own_pid(connection), own_pid(connection)}
    if pid == others or again != {pid}:
        raise Refused(
            f"{place(dsn)} is behind a connection pooler that lends sessions by the transaction: the migration lock and "
            "CREATE INDEX CONCURRENTLY cannot work through it",
            hint="name the database itself with --database-url (for RDS: the instance's endpoint, not the proxy's)",
        )
    return connection.info.backend_pid != pid
